"""The simulation of placement: the real scheduler over workers and devices that are numbers."""

from pathlib import Path

import pytest

from benchmarks.placement.outcome import catalogue, simulate
from benchmarks.placement.picture import draw
from portrait_prep.stages.order import STAGES

VIDEOS = catalogue(60, seconds=8.0, shard_seconds=40.0)


@pytest.mark.parametrize(("devices", "cores", "sharing"), [(1, 4, 1), (2, 16, 4)])
def test_every_video_passes_every_stage_and_nothing_works_more_than_all_the_time(
    tmp_path: Path, devices: int, cores: int, sharing: int
) -> None:
    one = simulate(tmp_path / "w", VIDEOS, devices, cores, sharing)
    assert one.run_counts.computed == dict.fromkeys((stage.name for stage in STAGES), len(VIDEOS))
    shares = (one.device, one.owners, one.others, one.all_workers, one.bound)
    assert all(0 < share <= 1 for share in shares)


def test_more_cores_than_one_device_can_feed_change_nothing_and_more_devices_do(tmp_path: Path) -> None:
    few, many, more = (
        simulate(tmp_path / f"w{number}", VIDEOS, devices, cores, 1)
        for number, (devices, cores) in enumerate([(1, 8), (1, 32), (4, 32)])
    )
    assert many.hours == pytest.approx(few.hours, rel=0.1)
    assert more.hours < 0.5 * many.hours
    assert many.owners > 0.9


def test_it_is_the_same_whenever_it_is_run(tmp_path: Path) -> None:
    first, second = (simulate(tmp_path / name, VIDEOS, 2, 8, 1) for name in ("a", "b"))
    assert (first.hours, first.device, first.owners) == (second.hours, second.device, second.owners)


def test_it_is_drawn(tmp_path: Path) -> None:
    draw([simulate(tmp_path / "w", VIDEOS, 1, 4, 1)], tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")

"""What is done beside a run neither hurts it nor is hurt."""

import fcntl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.errors import WorkspaceBusy
from portrait_prep.manifests.files import replacing, temporary_beside
from portrait_prep.pipeline.declare.workspace import LOCK
from tests.pipeline.toy import add_videos, numbers, tables, toy_session

VIDEOS = {f"{letter}{k}": numbers(40 + k, k) for letter in "ab" for k in range(2)}


@pytest.mark.parametrize(
    "name", ["report/index.html", "report/overlay/a1.mp4", "reviews.jsonl", "export/a1.csv", "cache/net.onnx", "x.npz"]
)
def test_a_file_that_is_written_beside_a_run_stays_whole(tmp_path: Path, name: str) -> None:
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS)
    with replacing(root / name) as temporary:
        temporary.write_text("")
        session.run(session.select((), (), False), workers=0)
        assert list(session.workspace.leftovers()) == []
    assert (root / name).exists()


def test_what_a_dead_process_left_goes_with_the_next_run(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    (tmp_path / "w" / "report" / "overlay").mkdir(parents=True)
    found = [temporary_beside(tmp_path / "w" / name) for name in ("x", "report/index.html", "report/overlay/a1.mp4")]
    for path in found:
        path.touch()
    assert sorted(session.workspace.leftovers()) == sorted(found)
    session.run(session.select((), (), False), workers=0)
    assert not [path for path in found if path.exists()]


@contextmanager
def again_and_again(*deeds: Any) -> Iterator[list[int]]:
    """Do these over and over in other threads; counts how often. What they raise comes out at the end."""
    done, counts = threading.Event(), [0] * len(deeds)

    def repeat(number: int) -> None:
        while not done.is_set() or not counts[number]:
            deeds[number]()
            counts[number] += 1

    with ThreadPoolExecutor(len(deeds)) as threads:
        under_way = [threads.submit(repeat, number) for number in range(len(deeds))]
        try:
            yield counts
        finally:
            done.set()
    for deed in under_way:
        deed.result()


def test_to_look_at_a_workspace_again_and_again_hurts_nobody(tmp_path: Path) -> None:
    add_videos(tmp_path / "quiet", VIDEOS)
    quiet = toy_session(tmp_path / "quiet")
    quiet.run(quiet.select((), (), False), workers=0)
    root = tmp_path / "w"
    add_videos(root, VIDEOS)

    def status() -> None:
        assert sum(toy_session(root).status_counts().to_json()["stages"]["count"]["videos"].values()) == len(VIDEOS)

    def idle() -> None:
        with suppress(WorkspaceBusy):
            toy_session(root).workspace.require_idle()

    with again_and_again(status, idle, idle):
        for _ in range(5):
            session = toy_session(root)
            session.run(session.select((), (), False), workers=0)
            next((root / "scale").glob("*.parquet")).unlink()
        toy_session(root).run(session.select((), (), False), workers=0)
    assert tables(root) == tables(tmp_path / "quiet")


def test_a_glance_at_the_lock_refuses_no_run(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    with (session.workspace.root / LOCK).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)  # as `require_idle` does, for longer
        threading.Timer(0.1, handle.close).start()
        session.run(session.select((), (), False), workers=0)


def test_a_second_run_is_refused_soon(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    with session.held(), pytest.raises(WorkspaceBusy, match="Another run"):
        session.run(session.select((), (), False), workers=0)

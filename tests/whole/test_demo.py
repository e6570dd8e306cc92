"""The demo from start to end, as `make demo` runs it, and what may be done with a finished workspace."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.measure_lip_sync import read, shifted, told
from portrait_prep.demo.plan import CLIPS
from portrait_prep.demo.verdict import agreement
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.sound.lip_sync import SPEECH
from tests.whole.contract import check_columns, check_media
from tests.whole.runs import columns, portrait_prep

GOOD = [clip.video_id for clip in CLIPS if clip.expected is None]
BAD = [clip for clip in CLIPS if clip.expected is not None]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that `demo` made."""
    root = tmp_path_factory.mktemp("demo") / "w"
    done = portrait_prep("demo", "-w", root, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for place in ("Shards", "Manifests", "Report"):
        assert place in done.stdout
    return root


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(finished, tmp_path / "w", symlinks=True))


def computed(output: str) -> dict[str, int]:
    """Videos computed by stage, from the line that sums up a run."""
    (line,) = (line for line in output.splitlines() if line.startswith("Computed (videos): "))
    pairs = (entry.split() for entry in line.removeprefix("Computed (videos): ").rstrip(".").split(", "))
    return {stage: int(count) for stage, count in pairs if int(count)}


@pytest.mark.parametrize("video_id", GOOD)
def test_a_good_clip_keeps_the_contract(finished: Path, video_id: str) -> None:
    check_columns(finished, video_id, check_media(finished, video_id))


@pytest.mark.parametrize("video_id", GOOD)
def test_angles_follow_the_truth(finished: Path, video_id: str) -> None:
    (euler,) = columns(finished, "headpose", video_id, "euler")
    for angle, found in agreement(finished / "sources" / "demo", video_id, euler).items():
        assert found.correlation >= 0.97, angle
        assert 0.5 < found.slope < 1.2, angle


@pytest.mark.parametrize("by", [0, 8, -8])
def test_mouths_and_voices_are_in_step_and_a_shifted_voice_is_found(finished: Path, by: int) -> None:
    """Drawn mouths open with the voice in the very same moment; one clip has no sound."""
    clips = read(finished)
    lags = {name: told(distances, shifted(powers, by), SPEECH) for name, (distances, powers) in clips.items()}
    assert [name for name, lag in lags.items() if lag.strength is None] == ["astronaut-24fps"]
    found = [lag.frames for lag in lags.values() if lag.frames is not None]
    assert len(found) >= len(GOOD) - 2
    assert all(abs(frames + by) <= 1 for frames in found)


@pytest.mark.parametrize("video_id", GOOD)
def test_the_lag_of_a_clip_stands_in_its_manifest(finished: Path, video_id: str) -> None:
    lag = told(*read(finished)[video_id], SPEECH)
    metrics = json.loads((finished / "manifests" / f"{video_id}.json").read_text())["stages"]["stats"]["metrics"]
    assert (metrics["lag"], metrics["lag_strength"]) == (lag.frames, lag.strength)


@pytest.mark.parametrize("clip", BAD, ids=lambda clip: clip.video_id)
def test_an_unfit_clip_is_set_aside_with_its_reason(finished: Path, clip: object) -> None:
    plan = next(bad for bad in BAD if bad is clip)
    told = json.loads((finished / "manifests" / f"{plan.video_id}.json").read_text())
    assert plan.expected is not None
    failed = told["stages"][plan.expected.stage]
    assert failed["outcome"] == "failed"
    assert failed["error"]["permanent"] is True
    assert plan.expected.reason in failed["error"]["message"]
    assert told["stages"]["torso"]["outcome"] == "blocked"
    assert told["quality"]["accepted"] is False


def test_states_add_up_to_the_catalogue(finished: Path) -> None:
    told = json.loads(portrait_prep("status", "-w", finished, "--json").stdout)
    for counts in told["stages"].values():
        assert sum(counts["videos"].values()) == told["videos"] == len(CLIPS)
        assert counts["videos"]["pending"] == counts["videos"]["stale"] == 0
    assert pq.read_table(finished / "manifests.parquet").num_rows == sum(stage.on is None for stage in STAGES) * len(
        CLIPS
    )


def test_videos_are_listed_with_result_and_reasons(finished: Path) -> None:
    everyone = json.loads(portrait_prep("list", "-w", finished, "--json").stdout)
    told = json.loads(portrait_prep("status", "-w", finished, "--json").stdout)
    by_result = Counter(row["result"] for row in everyone)
    assert (len(everyone), by_result["accepted"]) == (told["videos"], told["accepted"])
    assert sorted({row["video_id"] for row in told["rejected"]}) == sorted(
        line.split()[0] for line in portrait_prep("list", "--rejected", "-w", finished).stdout.splitlines()[:-1]
    )
    unknown = portrait_prep("manifest", everyone[0]["video_id"][:-1], "-w", finished)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert everyone[0]["video_id"] in unknown.stderr
    both = portrait_prep("list", "--accepted", "--failed", "-w", finished)
    assert (both.returncode, len(both.stderr.splitlines())) == (2, 1)


def test_statistics_are_those_of_the_frames(finished: Path) -> None:
    table = {row["subject"]: row for row in pq.read_table(finished / "stats" / "subjects.parquet").to_pylist()}
    assert list(table)[-1] == "*"
    assert table["*"]["n_videos"] == len(GOOD)
    euler = np.concatenate([columns(finished, "headpose", video_id, "euler")[0] for video_id in GOOD])
    assert table["*"]["n_frames"] == len(euler)
    assert np.allclose(table["*"]["euler_mean"], euler.mean(axis=0), atol=1e-6)
    assert np.allclose(table["*"]["euler_std"], euler.std(axis=0), atol=1e-6)


def test_an_audit_finds_nothing_and_a_second_run_does_nothing(finished: Path) -> None:
    audit = portrait_prep("audit", "-w", finished, "--deep")
    assert audit.returncode == 0, audit.stdout
    again = portrait_prep("run", "-w", finished)
    assert computed(again.stdout) == {}
    assert again.returncode == 1  # two videos failed a stage, and still do


def test_a_torso_setting_reruns_torso_and_stats_alone(workspace: Path) -> None:
    settings = workspace / "pipeline.toml"
    text = settings.read_text()
    assert "min_width = 50.0" in text
    settings.write_text(text.replace("min_width = 50.0", "min_width = 90.0"))
    plan = portrait_prep("run", "-w", workspace, "--dry-run")
    assert "torso demo-00000: 6 videos stale: setting min_width changed: 50.0 -> 90.0" in plan.stdout
    rerun = computed(portrait_prep("run", "-w", workspace, "--workers", "2").stdout)
    assert rerun.pop("torso") == len(GOOD)
    assert set(rerun) <= {"stats"}


def test_a_quality_threshold_judges_anew_and_computes_nothing(workspace: Path) -> None:
    settings = workspace / "pipeline.toml"
    settings.write_text(settings.read_text().replace("min_seconds = 1.0", "min_seconds = 4.5"))
    rejudged = portrait_prep("run", "-w", workspace)
    assert computed(rejudged.stdout) == {}
    manifests = [json.loads(path.read_text()) for path in (workspace / "manifests").glob("*.json")]
    accepted = {told["video_id"] for told in manifests if told["quality"]["accepted"]}
    assert accepted
    assert accepted < set(GOOD)
    rows = pq.read_table(workspace / "stats" / "subjects.parquet").to_pylist()
    assert rows[-1]["n_videos"] == len(accepted)


def test_sources_are_as_they_were(finished: Path, demo_sources: Path) -> None:
    for path in demo_sources.iterdir():
        assert (finished / "sources" / "demo" / path.name).read_bytes() == path.read_bytes()


def test_a_damaged_mp4_is_named_and_the_audit_goes_on(workspace: Path) -> None:
    path = workspace / "media" / f"{GOOD[0]}.mp4"
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : 2 * len(data) // 3] = bytes(len(data) // 3)
    path.write_bytes(bytes(data))
    audit = portrait_prep("audit", "-w", workspace, "--deep")
    assert audit.returncode == 1
    assert audit.stderr == ""
    assert f"media/{path.name} [{GOOD[0]}]: its bytes are not those recorded; delete" in audit.stdout
    path.unlink()
    rerun = computed(portrait_prep("run", "-w", workspace, "--workers", "2").stdout)
    assert rerun == {"normalize": 1}
    assert portrait_prep("audit", "-w", workspace, "--deep").returncode == 0

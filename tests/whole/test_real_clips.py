"""Real talking-face videos through the whole pipeline."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.measure_lip_sync import in_step, read, shifted, told, tried
from portrait_prep.stages.sound.lip_sync import SPEECH
from tests.stages.judging import RULES
from tests.whole.contract import check_columns, check_media
from tests.whole.runs import CLIPS, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")

NAMES = sorted(path.stem for path in CLIPS.glob("*.mp4"))
SILENT = {"portrait_d18", "portrait_d19"}
WITHOUT_TRACK = {"portrait_d0", "portrait_d13"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("real") / "w"
    added = portrait_prep("init", "folder", "-w", root, "--source", CLIPS)
    assert added.returncode == 0, added.stderr
    done = portrait_prep("run", "-w", root, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.mark.parametrize("video_id", NAMES)
def test_a_clip_keeps_the_contract(finished: Path, video_id: str) -> None:
    check_columns(finished, video_id, check_media(finished, video_id))


@pytest.mark.parametrize("video_id", NAMES)
def test_a_clip_is_judged_and_its_sound_is_told(finished: Path, video_id: str) -> None:
    told = json.loads((finished / "manifests" / f"{video_id}.json").read_text())
    # Looked at, one by one: each shows one person, well lit, from the first frame to the last. One is out of step.
    late = ["the mouth is 7 frames ahead of the voice (limit 5)"]
    reasons = late if video_id == "portrait_d20" else []
    assert told["quality"] == {"accepted": not reasons, "reasons": reasons, "rules": ["max_lag"] * len(reasons)}
    sound = told["stages"]["normalize"]["metrics"]
    assert sound["has_audio"] is (video_id not in WITHOUT_TRACK)
    assert sound["silent"] is (video_id in SILENT)


def refused(constant: str) -> Any:
    pytest.fail(f"{constant} among the metrics")


def test_the_table_has_every_measure_of_a_rule_finite_or_null(finished: Path) -> None:
    rows = pq.read_table(finished / "manifests.parquet", columns=["stage", "metrics"]).to_pylist()
    told = [(row["stage"], json.loads(row["metrics"], parse_constant=refused)) for row in rows]
    for rule in RULES:
        having = [rule.metric in metrics for stage, metrics in told if stage == rule.stage]
        assert having == [True] * len(NAMES), rule.metric


@pytest.mark.parametrize("by", [0, 8, -8])
def test_a_lag_that_is_determined_moves_with_the_sound(finished: Path, by: int) -> None:
    clips = read(finished)
    lags = {name: told(distances, shifted(powers, by), SPEECH) for name, (distances, powers) in clips.items()}
    found = {name: lag.frames + by for name, lag in lags.items() if lag.frames is not None}
    assert {"WDA_AlexandriaOcasioCortez_000", "portrait_d20"} <= found.keys()
    for name, frames in found.items():
        assert abs(frames - (-7 if name == "portrait_d20" else 0)) <= (1 if name == "portrait_d20" else 4), name


def test_the_sound_of_others_is_undetermined(finished: Path) -> None:
    """Along directions to which neither the mouth nor the sound has contributed."""
    clips = read(finished)
    strangers = [lag for mouth, sound, lag in tried(clips, in_step(clips)) if mouth != sound and lag.strength]
    assert len(strangers) > 50
    assert sum(lag.frames is not None for lag in strangers) <= 0.05 * len(strangers)


def test_the_audit_finds_nothing(finished: Path) -> None:
    audit = portrait_prep("audit", "-w", finished, "--deep")
    assert audit.returncode == 0, audit.stdout

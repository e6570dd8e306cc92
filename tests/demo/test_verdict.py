"""Judging a run over the demo corpus."""

from pathlib import Path

import numpy as np
import pytest

from portrait_prep.demo.plan import CLIPS
from portrait_prep.demo.verdict import ClipResult, agreement, check
from portrait_prep.manifests.corpora.demo import read_truth, truth_path


def as_planned() -> dict[str, ClipResult]:
    return {
        clip.video_id: ClipResult(False, clip.expected.stage, f"It is {clip.expected.reason.upper()} here.")
        if clip.expected
        else ClipResult(True)
        for clip in CLIPS
    }


def test_a_run_as_planned_has_no_findings() -> None:
    assert check(as_planned()) == []


@pytest.mark.parametrize(
    ("video_id", "outcome"),
    [
        ("astronaut-24fps", ClipResult(False, "landmarks", "lost")),
        ("astronaut-24fps", ClipResult(False)),
        ("truncated", ClipResult(True)),
        ("truncated", ClipResult(False, "normalize", "no face")),
        ("noface", ClipResult(False, "speech", "no face")),
    ],
)
def test_anything_else_is_named(video_id: str, outcome: ClipResult) -> None:
    (finding,) = check(as_planned() | {video_id: outcome})
    assert finding.startswith(video_id)


def test_a_clip_that_is_not_there_is_named() -> None:
    outcomes = as_planned()
    del outcomes["noface"]
    assert check(outcomes) == ["noface is not there"]


def test_agreement_finds_slope_and_correlation_at_the_right_times(demo_sources: Path) -> None:
    poses = read_truth(truth_path(demo_sources, "double-variable")).poses
    times = np.arange(150) / 25
    true = np.stack([np.interp(times, poses["times"], poses[name]) for name in ("yaw", "pitch", "roll")], axis=1)
    euler = true * (0.7, 1.0, -0.5) + 3
    euler[10:14] = np.nan
    agreed = agreement(demo_sources, "double-variable", euler)
    assert [round(agreed[name].slope, 6) for name in ("yaw", "pitch", "roll")] == [0.7, 1.0, -0.5]
    assert [round(agreed[name].correlation, 6) for name in ("yaw", "pitch", "roll")] == [1.0, 1.0, -1.0]
    late = agreement(demo_sources, "double-variable", np.roll(true, 5, axis=0))
    assert late["pitch"].correlation < 0.8

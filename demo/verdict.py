"""What a run over the demo corpus must come to, and how well its angles follow the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.plan import CLIPS, Clip
from portrait_prep.manifests.corpora.demo import read_truth, truth_path

ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class ClipResult:
    """How a video ended: `accepted` by the quality verdict, or `failed_at` a stage with a message."""

    accepted: bool
    failed_at: str | None = None
    message: str = ""


def check(results: Mapping[str, ClipResult]) -> list[str]:
    """One line for each clip of the plan that did not end as it must; empty when all is well."""
    findings = (_finding(clip, results.get(clip.video_id)) for clip in CLIPS)
    return [finding for finding in findings if finding]


def _finding(clip: Clip, result: ClipResult | None) -> str | None:
    if result is None:
        return f"{clip.video_id} is not there"
    if clip.expected is None:
        ending = f"failed at {result.failed_at}" if result.failed_at else "was rejected"
        return None if result.accepted else f"{clip.video_id} {ending}: {result.message}"
    if result.failed_at is None:
        return f"{clip.video_id} did not fail at {clip.expected.stage}, as it must"
    if result.failed_at != clip.expected.stage or clip.expected.reason not in result.message.lower():
        return (
            f"{clip.video_id} failed at {result.failed_at} ({result.message}), "
            f"not at {clip.expected.stage} for '{clip.expected.reason}'"
        )
    return None


@dataclass(frozen=True)
class Agreement:
    """Of an angle with the truth: correlation, and slope of the line (below 1, for a picture has no true depth)."""

    correlation: float
    slope: float


def agreement(folder: Path, video_id: str, euler: NDArray[np.floating[Any]], fps: float = 25.0) -> dict[str, Agreement]:
    """How `euler` [frames, 3] (yaw, pitch, roll in degrees, frame k at k / `fps` seconds) follows the clip's truth.

    Frames without a face (NaN) are left out.
    """
    poses = read_truth(truth_path(folder, video_id)).poses
    times = np.arange(len(euler)) / fps
    seen = np.isfinite(euler).all(axis=1)
    result = {}
    for angle, measured in zip(ANGLES, np.asarray(euler, np.float64)[seen].T, strict=True):
        true = np.interp(times[seen], poses["times"], poses[angle])
        covariance = np.cov(true, measured)
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        result[angle] = Agreement(float(correlation), float(covariance[0, 1] / covariance[0, 0]))
    return result

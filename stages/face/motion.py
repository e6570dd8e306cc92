"""Whether a face is alive: how much eyes, brows and lips move on it, beyond what turns and shifts it as a whole.

A photograph may be shown still, panned, zoomed, shaken or under grain: its points then move together, up to the noise
of the network. What moves together is taken away by the best affine map of the points over bone, noise by a mean over
frames.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.metric import Metric, at_least
from portrait_prep.stages.face.points import EXPRESSIVE, RIGID
from portrait_prep.stages.streaming.moments import Moments

WINDOW = 5
"""Frames of that mean: 0.2 s, in which lips and lids still move."""

Floats = NDArray[np.float64]

METRICS = (
    Metric(
        "face_motion",
        "canonical px",
        "how far eyes, brows and lips move on the face: rms deviation of these points over the video, what moves with "
        "the bones taken away, as means of 5 frames; the eyes are 120 apart. People who talk come to 2.2 to 8, 1.2 in "
        "their quietest 2 s; photographs to 0.1, panned, zoomed, shaken, or under grain to 0.7",
        title="Motion of the face",
        bounds=(
            at_least(
                "min_face_motion",
                0.7,
                "least motion of eyes, brows and lips on the face, in canonical px: a photograph has none",
                "eyes, brows and lips move by {value:.2f} canonical px, less than {limit:g}: it may be a photograph",
                ge=0,
            ),
        ),
        blind="a photograph that is bent or animated; a living face that neither blinks nor speaks for the whole video",
    ),
)


class FaceMotion:
    """Motion of the expressive points of one video, batch by batch."""

    def __init__(self) -> None:
        self._bone: Floats | None = None
        self._moments = Moments.none((len(EXPRESSIVE), 2))
        self._tail = np.empty((0, len(EXPRESSIVE), 2))

    def add(self, canonical: NDArray[Any]) -> None:
        """Take in the next frames [n, 478, 3], unsmoothed; NaN without a face."""
        points = canonical[..., :2].astype(np.float64)
        found = np.isfinite(points).all(axis=(1, 2))
        if self._bone is None and found.any():
            self._bone = points[found][0, RIGID]
        moved = np.full((len(points), len(EXPRESSIVE), 2), np.nan)
        if self._bone is not None:
            moved[found] = _on_the_face(points[found], self._bone)
        rows = np.concatenate([self._tail, moved])
        if len(rows) >= WINDOW:
            windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0)
            self._moments += Moments.of(windows.mean(axis=-1))
        self._tail = rows[max(len(rows) - WINDOW + 1, 0) :]

    @property
    def rms(self) -> float | None:
        """In canonical px; None where the face is never seen for longer than a mean takes."""
        return float(np.sqrt((self._moments.deviation**2).mean())) if self._moments.count > 1 else None


def _on_the_face(points: Floats, bone: Floats) -> Floats:
    """Of points [n, 478, 2] the expressive ones, under the affine map that fits those over bone to `bone` [43, 2]."""
    corners = np.concatenate([points, np.ones((*points.shape[:2], 1))], axis=2)
    own = corners[:, RIGID]
    transposed = np.swapaxes(own, 1, 2)
    return np.asarray(corners[:, EXPRESSIVE] @ np.linalg.solve(transposed @ own, transposed @ bone))

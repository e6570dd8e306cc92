"""Whether a face is alive: how much eyes, brows and lips move on it, beyond what a flat picture of it would show.

A photograph may be shown still, panned, zoomed, shaken, tilted or under grain: its points then move by a homography, up
to the noise of the network. The best homography is taken away, fast noise by a mean over frames, and slow noise by how
far the points do so that have nothing to express.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.frames import FPS
from portrait_prep.pipeline.declare.metric import Metric, at_least
from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, EYE_DISTANCE
from portrait_prep.stages.face.points import EXPRESSIVE, JAW
from portrait_prep.stages.streaming.moments import Moments

WINDOW = 5
"""Frames of that mean: 0.2 s, in which lips and lids still move."""

FULL = 3.5
"""Seconds in which a living face has moved as far as it will: of less, the motion is scaled up to them."""

NOISE = 0.6
"""Canonical px by which points of photographs move that have nothing to express; what goes beyond it is depth."""

PLANE = np.arange(0, 468, 3)
"""Points on which the homography is fitted: every third one of the face, all over it."""

CALM = np.setdiff1d(PLANE, np.concatenate([EXPRESSIVE, JAW]))
"""Points that tell the noise: those of them that neither express nor lie on the outline, where networks err most."""

Floats = NDArray[np.float64]

METRICS = (
    Metric(
        "face_motion",
        "canonical px",
        "how far eyes, brows and lips move on the face: rms deviation of these points over the video, as means of 5 "
        "frames, without what a flat picture of it would show (a homography) and without noise, for less than 3.5 s "
        "scaled up to them; the eyes are 120 apart. People who talk come to 1.2 to 8; one who listens to 0.65 and "
        "more; photographs, still, panned, zoomed, shaken, tilted, lit anew or under grain to 0.5 in 3.5 s",
        title="Motion of the face",
        bounds=(
            at_least(
                "min_face_motion",
                0.6,
                "least motion of eyes, brows and lips on the face, in canonical px: a photograph has none",
                "eyes, brows and lips move by {value:.2f} canonical px, less than {limit:g}: it may be a photograph",
                ge=0,
            ),
        ),
        blind="a photograph that is bent or animated, or tilted and lit anew for less than 3 s; a living face that "
        "neither blinks nor speaks for the whole video",
    ),
)


class FaceMotion:
    """Motion of the expressive points of one video, batch by batch."""

    def __init__(self) -> None:
        self._first: Floats | None = None
        shape = (len(EXPRESSIVE) + len(CALM), 2)
        self._moments = Moments.none(shape)
        self._tail = np.empty((0, *shape))
        self._seen = 0

    def add(self, canonical: NDArray[Any]) -> None:
        """Take in the next frames [n, 478, 3], unsmoothed; NaN without a face."""
        points = (canonical[..., :2].astype(np.float64) - CANONICAL_CENTRE[:2]) / EYE_DISTANCE
        found = np.isfinite(points).all(axis=(1, 2))
        if self._first is None and found.any():
            self._first = points[found][0, PLANE]
        moved = np.full((len(points), *self._tail.shape[1:]), np.nan)
        if self._first is not None:
            moved[found] = _flattened(points[found], self._first)
        self._seen += int(found.sum())
        rows = np.concatenate([self._tail, moved])
        if len(rows) >= WINDOW:
            windows = np.lib.stride_tricks.sliding_window_view(rows, WINDOW, axis=0)
            self._moments += Moments.of(windows.mean(axis=-1))
        self._tail = rows[max(len(rows) - WINDOW + 1, 0) :]

    def metrics(self) -> dict[str, float | None]:
        """`face_motion` in canonical px; None where the face is never seen for longer than a mean takes."""
        if self._moments.count < 2:
            return {"face_motion": None}
        squares = (EYE_DISTANCE * self._moments.deviation) ** 2
        expressed, noise = squares[: len(EXPRESSIVE)].mean(), squares[len(EXPRESSIVE) :].mean()
        moved = np.sqrt(max(expressed - min(noise, NOISE**2), 0.0))
        return {"face_motion": float(moved * max(FULL * FPS / self._seen, 1.0))}


def _flattened(points: Floats, first: Floats) -> Floats:
    """Of points [n, 478, 2] the expressive and the calm ones, under the homography that fits each frame to `first`.

    It is the direct linear transform (Hartley and Zisserman, Multiple View Geometry, 2004, 4.1), its last entry 1.
    """
    x, y = np.moveaxis(points[:, PLANE], -1, 0)
    (u, v), one, none = first.T, np.ones_like(x), np.zeros_like(x)
    across = np.stack([x, y, one, none, none, none, -u * x, -u * y], axis=-1)
    down = np.stack([none, none, none, x, y, one, -v * x, -v * y], axis=-1)
    rows, wanted = np.concatenate([across, down], axis=1), np.concatenate([u, v])[:, np.newaxis]
    transposed = np.swapaxes(rows, 1, 2)
    entries = np.linalg.solve(transposed @ rows, transposed @ wanted)[..., 0]
    maps = np.concatenate([entries, np.ones((len(points), 1))], axis=1).reshape(-1, 3, 3)
    told = points[:, np.concatenate([EXPRESSIVE, CALM])]
    mapped = told @ np.swapaxes(maps[:, :, :2], 1, 2) + maps[:, np.newaxis, :, 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:])

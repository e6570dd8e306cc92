"""Whether a face is alive: how much eyes, brows and lips move on it, beyond what a flat picture of it would show.

The points of a photograph that is panned, zoomed, shaken or tilted move by a homography, up to noise of the network. So
the best homography is removed from each frame; fast noise is removed by a mean over frames, and slow noise by
subtracting the motion of points that express nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.metric import Metric, at_least
from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, EYE_DISTANCE
from portrait_prep.stages.face.points import EXPRESSIVE, JAW
from portrait_prep.stages.streaming.moments import Moments

WINDOW = 5
"""Frames of that mean: 0.2 s, short enough for lips and lids to remain."""

FULL_MOTION_SECONDS = 3.5
"""Seconds after which a living face has moved as far as it will; the motion of a shorter video is scaled up."""

LEAST_SECONDS = 1.0
"""Seconds before which a living face need not have moved at all."""

MOST_NOISE = 0.6
"""Canonical px subtracted at most: inexpressive points of photographs move no more; beyond it is depth of a head."""

PLANE = np.arange(0, 468, 3)
"""Points to which the homography is fitted: every third one of the face mesh."""

CALM = np.setdiff1d(PLANE, np.concatenate([EXPRESSIVE, JAW]))
"""Points whose motion is the noise: neither expressive nor on the outline of the face, where networks err most."""

Floats = NDArray[np.float64]

METRICS = (
    Metric(
        "face_motion",
        "canonical px",
        "how far eyes, brows and lips move on the face: rms deviation of these points over the video, as means of 5 "
        "frames, without what a flat picture of it would show (a homography) and without noise, for less than 3.5 s "
        "scaled up to them, for less than 1 s null; the eyes are 120 apart. People who talk come to 1.2 to 8; one who "
        "listens to 0.65 and more; photographs, still, panned, zoomed, shaken, tilted, lit anew or under grain to 0.5 "
        "in 3.5 s",
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
        """Points PLANE of the first face, [n, 2]."""
        shape = (len(EXPRESSIVE) + len(CALM), 2)
        self._moments = Moments.none(shape)
        self._tail = np.empty((0, *shape))
        self._seen = 0

    def add(self, canonical: NDArray[Any]) -> None:
        """Take in the canonical landmarks of the next frames, [n, 478, 3], not smoothed; NaN without a face."""
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
        """`face_motion` in canonical px; None for less than LEAST_SECONDS of a face."""
        if self._moments.count < 2 or self._seen < LEAST_SECONDS * FPS:
            return {"face_motion": None}
        squares = (EYE_DISTANCE * self._moments.deviation) ** 2
        expressed, noise = squares[: len(EXPRESSIVE)].mean(), squares[len(EXPRESSIVE) :].mean()
        moved = np.sqrt(max(expressed - min(noise, MOST_NOISE**2), 0.0))
        return {"face_motion": float(moved * max(FULL_MOTION_SECONDS * FPS / self._seen, 1.0))}


def _flattened(points: Floats, first: Floats) -> Floats:
    """Map each frame of `points` [n, 478, 2] to `first` [len(PLANE), 2] by the homography that fits best.

    Returns the expressive and the calm points, [n, m, 2]. Direct linear transform with the last entry fixed to 1
    (Hartley and Zisserman, Multiple View Geometry, 2004, 4.1).
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

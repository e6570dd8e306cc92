"""How steadily a face is followed: noise of points, and jumps from frame to frame."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.metric import Metric, at_most
from portrait_prep.stages.face.place import Place

LOST = 1
"""Frames without a face over which a step still counts."""


JUMPS = (
    Metric(
        "landmark_jump",
        "face sizes",
        "farthest that the face moves from one frame to the next (one lost frame is passed over), in sizes of the "
        "face: the root of the area of its outline. People who talk stay below 0.1, one who swings the head came to "
        "0.25",
        title="Landmark jump",
        bounds=(
            at_most(
                "max_landmark_jump",
                0.5,
                "farthest that the face may move from one frame to the next, in its own sizes",
                "the face moves by {value:.2f} of its size from one frame to the next, more than {limit:g}: it may be "
                "another, or frames are missing",
                places="landmark_jump_times",
                gt=0,
            ),
        ),
        blind="a jump from a very fast move; a cut with the face in the same place",
    ),
    Metric("landmark_jump_times", "s", "when that is, in seconds of the source", kind="numbers"),
    Metric(
        "scale_jump",
        "×",
        "greatest ratio of the face's sizes from one frame to the next. People come to 1.06",
        title="Scale jump",
        bounds=(
            at_most(
                "max_scale_jump",
                1.2,
                "greatest ratio of the face's sizes from one frame to the next",
                "the face's size changes by a factor of {value:.2f} from one frame to the next, more than {limit:g}: "
                "it may be another, or frames are missing",
                places="scale_jump_times",
                ge=1,
            ),
        ),
        blind="a jump from a very fast move; a cut with the face in the same place",
    ),
    Metric("scale_jump_times", "s", "when that is, in seconds of the source", kind="numbers"),
)
"""Metrics of `Jumps`."""


class Jitter:
    """Unsteadiness of points: rms second difference of x and y over time / sqrt(6), in their px.

    That is the standard deviation of one coordinate, if its noise is white and the motion behind it smooth.
    """

    def __init__(self) -> None:
        self._tail: NDArray[np.floating[Any]] | None = None
        self._squares = self._count = 0.0

    def add(self, points: NDArray[np.floating[Any]]) -> None:
        """Take in the next frames [n, k, 2 or 3]; differences over NaN frames do not count."""
        own = points[..., :2].astype(np.float64)
        rows = own if self._tail is None else np.concatenate([self._tail, own])
        squares = np.diff(rows, n=2, axis=0) ** 2
        finite = np.isfinite(squares)
        self._squares += float(squares[finite].sum())
        self._count += float(finite.sum())
        self._tail = rows[-2:]

    @property
    def rms(self) -> float | None:
        """In px; None when no three frames in a row show the face."""
        return float(np.sqrt(self._squares / self._count / 6)) if self._count else None


class Jumps:
    """The greatest steps that a face takes from one frame to the next.

    One frame without it in between is passed over: a face that jumps is often lost for just that long.
    """

    def __init__(self) -> None:
        self._last: Place | None = None
        self._missing = 0
        self._frames = -1
        self._moved: tuple[float, int] | None = None
        self._grown: tuple[float, int] | None = None

    def add(self, place: Place | None) -> None:
        """Take in where the face is in the next frame; None where it was not found."""
        self._frames += 1
        if place is None:
            self._missing += 1
            return
        if self._last is not None and self._missing <= LOST:
            self._moved = _greater(self._moved, self._last.distance(place), self._frames)
            self._grown = _greater(self._grown, self._last.growth(place), self._frames)
        self._last, self._missing = place, 0

    def metrics(self) -> dict[str, float | None]:
        """`landmark_jump` in sizes of the face and `scale_jump`, a ratio >= 1; None without two frames in a row."""
        return {"landmark_jump": self._moved and self._moved[0], "scale_jump": self._grown and self._grown[0]}

    def times(self, start: float) -> dict[str, list[float]]:
        """When these were, where the first frame is shown at second `start` of the source."""
        steps = {"landmark_jump_times": self._moved, "scale_jump_times": self._grown}
        return {name: [start + step[1] / FPS] if step else [] for name, step in steps.items()}


def _greater(step: tuple[float, int] | None, size: float, frame: int) -> tuple[float, int]:
    """The greater of two steps, each with its frame: the first of equal ones."""
    return step if step is not None and step[0] >= size else (size, frame)

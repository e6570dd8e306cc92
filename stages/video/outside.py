"""How much of a face lies outside of the source picture: on the padding of the square, on bars, beyond the frame.

The network draws a whole face however little of it there is to see: what it puts outside is made up.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.metric import Metric, at_most
from portrait_prep.stages.streaming.percentiles import Percentiles

EVERY = 5
"""Of the frames with a face, in every so many it is looked at."""

SPARSE = 8
"""Of so many pixels of a line one is looked at."""

EVEN = 6
"""Grey levels within which a line is of one colour, after an encoder."""

EDGE = 4
"""Lines over which the border between a bar and the picture may be blurred."""

CONTRAST = 12
"""Grey levels by which the picture differs from a bar along most of the border."""

METRICS = (
    Metric(
        "outside_share",
        "share",
        "share of the face's points outside of the source picture: on padding, on bars at its edges, beyond the frame; "
        "the 90th percentile of the frames looked at. An ear outside comes to 0.07, forehead down to the brows 0.05, "
        "the tip of the chin 0.04; chin and lower lip to 0.29 and more",
        title="Face outside",
        decimals=0,
        bounds=(
            at_most(
                "max_outside_share",
                0.1,
                "greatest share of the face that may lie outside of the source picture",
                "{value:.0%} of the face lie outside of the source picture, more than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
        blind="bars that are not of one colour; dark bars beside a dark picture; a hand or a scarf before the face",
    ),
)


class FaceOutside:
    """Measures one video, frame by frame. `shown` [4]: left, top, right, bottom of the source picture in the frame."""

    def __init__(self, shown: NDArray[Any]) -> None:
        self._shown = shown
        self._shares = Percentiles(0.0, 1.0, 500)
        self._faces = 0

    def add(self, image: Image, landmarks: NDArray[np.float32]) -> None:
        """Take in the next frame with a face: RGB [height, width, 3] and its landmarks [478, 3]."""
        if self._faces % EVERY == 0:
            free = without_bars(image)
            low, high = np.maximum(self._shown[:2], free[:2]), np.minimum(self._shown[2:], free[2:])
            outside = ((landmarks[:, :2] < low) | (landmarks[:, :2] > high)).any(axis=1)
            self._shares.add(outside.mean(keepdims=True))
        self._faces += 1

    def metrics(self) -> dict[str, float | None]:
        """`outside_share`, 0 to 1; None where there never was a face."""
        return {"outside_share": self._shares.at(90)}


def without_bars(image: Image) -> NDArray[np.int64]:
    """Left, top, right and bottom of what is left of a picture without bars of one colour along its edges: [4]."""
    green = image[..., 1]
    rows, columns = green[:, SPARSE // 2 :: SPARSE].astype(np.int16), green[SPARSE // 2 :: SPARSE].T.astype(np.int16)
    (top, bottom), (left, right) = _bars(rows), _bars(columns)
    return np.array([left, top, len(columns) - right, len(rows) - bottom])


def _bars(lines: NDArray[np.int16]) -> tuple[int, int]:
    """How many of the first lines, and how many of the last ones, [n, pixels] are a bar."""
    if not _are_even(lines[[0, -1]]).any():
        return 0, 0
    even = _are_even(lines)
    return _first_bar(lines, even), _first_bar(lines[::-1], even[::-1])


def _are_even(lines: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether lines [n, pixels] are of one colour each."""
    return np.asarray(lines.max(axis=1) - lines.min(axis=1) <= EVEN)


def _first_bar(lines: NDArray[np.int16], even: NDArray[np.bool_]) -> int:
    inside = ~(even & (np.abs(lines.mean(axis=1) - lines[0].mean()) <= EVEN))
    length = int(inside.argmax()) if inside.any() else 0
    beyond = lines[min(length + EDGE, len(lines) - 1)]
    straight = np.mean(np.abs(beyond - lines[0].mean()) > CONTRAST) > 0.5
    return length if straight else 0

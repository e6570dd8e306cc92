"""How far a face goes in a video: what must be known of all of its frames before one of them can be shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP
from portrait_prep.views.dh_live.points import (
    LIPS,
    LOWER_LIP,
    OVAL,
    POINTS,
    UPPER_LIP,
)
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.store import Store

CANONICAL = "headpose.canonical"
KNOWN_VIDEOS = 512
"""Most videos of which this is remembered: four bytes a frame, each."""
MOST = 99.0
"""Percentile that stands for the largest: a frame in which points slipped is no measure of a mouth."""


@dataclass(frozen=True)
class FaceRange:
    """Of one video, in canonical px: the head's own place and turn are taken out.

    `opening` float32 [frames]: distance between the middles of the inner lips, NaN where there is no face. `lips`
    float64 [4]: left, top, right and bottom of all that the lips reach, `depth` float their mean z, `mouth` float64 [2]
    width and height of the largest mouth. `mean` float64 [141, 3]: the mean face, and `lowest` float64 [21] the largest
    y of each point of its outline.
    """

    opening: NDArray[np.float32]
    lips: NDArray[np.float64]
    depth: float
    mouth: NDArray[np.float64]
    mean: NDArray[np.float64]
    lowest: NDArray[np.float64]


class FaceRanges:
    """The ranges of videos, each measured once in a process, whoever reads it: `headpose.canonical` must be read."""

    def __init__(self) -> None:
        self._known: Store[FaceRange] = Store(KNOWN_VIDEOS)

    def of(self, reader: Reader, number: int) -> FaceRange:
        """Of video `number`; one of no frames with a face gives NaN. Raises what `Reader` raises."""
        return self._known.get(reader.videos[number].digests["headpose"], lambda: measure(reader, number))


def measure(reader: Reader, number: int) -> FaceRange:
    """Go once through the points of a video, a row group at a time."""
    opening, boxes, depths = [], [], []
    total, lowest, faces = np.zeros((len(POINTS), 3)), np.full(len(OVAL), -np.inf), 0
    frames = reader.videos[number].frames
    for first in range(0, frames, ROWS_PER_GROUP):
        count = min(ROWS_PER_GROUP, frames - first)
        points = reader.read(number, first, count, (CANONICAL,))[CANONICAL][:, POINTS]
        opening.append(np.linalg.norm(points[:, UPPER_LIP] - points[:, LOWER_LIP], axis=1))
        points = points[np.isfinite(points).all(axis=(1, 2))]
        lips = points[:, LIPS]
        boxes.append(np.concatenate([lips[:, :, :2].min(axis=1), lips[:, :, :2].max(axis=1)], axis=1))
        depths.append(lips[:, :, 2].mean(axis=1))
        total += points.sum(axis=0, dtype=np.float64)
        lowest = np.maximum(lowest, points[:, OVAL, 1].max(axis=0, initial=-np.inf))
        faces += len(points)
    box = np.concatenate(boxes)
    return FaceRange(
        np.concatenate(opening),
        np.concatenate([_percentile(box[:, :2], 100 - MOST), _percentile(box[:, 2:], MOST)]),
        float(np.concatenate(depths).mean(dtype=np.float64)) if faces else np.nan,
        _percentile(box[:, 2:] - box[:, :2], MOST),
        total / faces if faces else np.full_like(total, np.nan),
        lowest,
    )


def _percentile(values: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    """Of each column; NaN of nothing."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return np.asarray(np.percentile(values.astype(np.float64), share, axis=0))

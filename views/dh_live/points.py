"""The 141 points of the face mesh that DH_live reads, in its order; and how far they go in a video.

The latter must be known of all frames before one of them can be shown. Source: https://github.com/kleinlee/DH_live,
talkingface/utils.py (`main_keypoints_index`). Left and right are the subject's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.store import Store

_PARTS = {
    "left_brow": (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
    "right_brow": (46, 53, 52, 65, 55, 107, 66, 105, 63, 70),
    "nose_edge": (343, 355, 358, 327, 326, 2, 97, 98, 129, 126, 114),
    "nose_mid": (6, 197, 195, 5, 4),
    "lips_inner": (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
    "lips_outer": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    "left_eye": (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
    "right_eye": (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    "oval": (
        *(454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
        *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234),
    ),
    "muscle": (371, 266, 425, 427, 434, 394, 169, 214, 207, 205, 36, 142),
}

POINTS = np.array([number for part in _PARTS.values() for number in part], np.intp)
"""int [141]: numbers in the mesh."""

_ENDS = np.cumsum([0, *map(len, _PARTS.values())]).tolist()
PLACES = {name: slice(_ENDS[number], _ENDS[number + 1]) for number, name in enumerate(_PARTS)}
"""Part -> where its points stand among the 141."""

NOSE_EDGE = np.arange(141)[PLACES["nose_edge"]]
UNDER_NOSE = int(NOSE_EDGE[5])
"""Place of point 2 of the mesh."""
BRIDGE = PLACES["nose_mid"].start + 2
"""Place of point 195 of the mesh: a face is cut from here down."""
OVAL = np.arange(141)[PLACES["oval"]]
JAW = OVAL[2:-2]
"""Places of the outline of the lower face, from the left to the right."""
LIPS = np.arange(141)[PLACES["lips_inner"].start : PLACES["lips_outer"].stop]
UPPER_LIP, LOWER_LIP = PLACES["lips_inner"].start + 15, PLACES["lips_inner"].start + 5
"""Places of points 13 and 14 of the mesh, the middles of the inner lips."""

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
    width and height of the largest mouth. `oval` float64 [21, 3]: the mean outline of the lower face, and `lowest`
    float64 [21] the largest y of each of its points.
    """

    opening: NDArray[np.float32]
    lips: NDArray[np.float64]
    depth: float
    mouth: NDArray[np.float64]
    oval: NDArray[np.float64]
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
    oval, lowest, faces = np.zeros((len(OVAL), 3)), np.full(len(OVAL), -np.inf), 0
    frames = reader.videos[number].frames
    for first in range(0, frames, ROWS_PER_GROUP):
        count = min(ROWS_PER_GROUP, frames - first)
        points = reader.read(number, first, count, (CANONICAL,))[CANONICAL][:, POINTS]
        opening.append(np.linalg.norm(points[:, UPPER_LIP] - points[:, LOWER_LIP], axis=1))
        points = points[np.isfinite(points).all(axis=(1, 2))]
        lips = points[:, LIPS]
        boxes.append(np.concatenate([lips[:, :, :2].min(axis=1), lips[:, :, :2].max(axis=1)], axis=1))
        depths.append(lips[:, :, 2].mean(axis=1))
        oval += points[:, OVAL].sum(axis=0, dtype=np.float64)
        lowest = np.maximum(lowest, points[:, OVAL, 1].max(axis=0, initial=-np.inf))
        faces += len(points)
    box = np.concatenate(boxes)
    return FaceRange(
        np.concatenate(opening),
        np.concatenate([_percentile(box[:, :2], 100 - MOST), _percentile(box[:, 2:], MOST)]),
        float(np.concatenate(depths).mean(dtype=np.float64)) if faces else np.nan,
        _percentile(box[:, 2:] - box[:, :2], MOST),
        oval / faces if faces else np.full_like(oval, np.nan),
        lowest,
    )


def _percentile(values: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    """Of each column; NaN of nothing."""
    if not len(values):
        return np.full(values.shape[1], np.nan)
    return np.asarray(np.percentile(values.astype(np.float64), share, axis=0))

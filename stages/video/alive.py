"""Which of the faces in a picture are alive: a portrait on a slide, however large, is not the one that talks.

A face is cut out of two samples that lie half of all samples apart, and the two are laid upon each other: in place, and
under the best affine map, as one would lay a photograph upon itself that was moved. What then correlates almost fully
is a still.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image

Grey = NDArray[np.uint8]
Faces = NDArray[np.float32]
Patch = NDArray[np.float32]
"""What is compared of a picture: [SIDE, SIDE]."""

SIDE = 48
"""Pixels along a side of what is compared: more is noise, less hides lips and lids."""

GROWN = 1.3
"""Side of it in sizes of the face."""

ALIKE = 0.9955
"""Median correlation from which on a face is a still. Photographs come to 0.997, under strong grain, to 1; people to
0.84 to 0.98, one who keeps still but for the eyes to 0.994.
"""

FEWEST = 4
"""Samples that it takes to tell."""

SEARCH = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-4)
"""When to end the search for the best map: after so many steps, or where they add so little."""


@dataclass(frozen=True)
class Sample:
    """A sampled frame: its `faces` [n, 5] in display pixels, and it in grey, `scale` times as large as displayed."""

    faces: Faces
    grey: Grey
    scale: float

    @classmethod
    def of(cls, image: Image, scale: float, faces: Faces) -> "Sample":
        """Of an RGB picture [height, width, 3], so many times as large as displayed."""
        return cls(faces, np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8), scale)

    def patch(self, face: Faces) -> Patch:
        """What lies around a box in display pixels."""
        return patch(self.grey, [float(value) * self.scale for value in face[:4]])


def patch(grey: Grey, face: Sequence[float]) -> Patch:
    """What lies around a face (x, y, width, height in px of the picture)."""
    x, y, width, height = face
    factor = SIDE / (GROWN * max(width, height))
    shift = SIDE / 2 - factor * np.array([x + width / 2, y + height / 2])
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.4 / factor) if factor < 1 else grey
    cut = np.array([[factor, 0, shift[0]], [0, factor, shift[1]]])
    found = cv2.warpAffine(smooth, cut, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found.astype(np.float32)


def is_still(samples: Sequence[Sample], seen: Sequence[int], boxes: Sequence[Faces]) -> bool:
    """Whether a face, in `boxes` of the samples of these numbers, is one and the same picture throughout."""
    if len(seen) < FEWEST:
        return False
    half = len(seen) // 2
    place = np.median(np.stack(boxes), axis=0)
    looks = list(zip([samples[number] for number in seen], boxes, strict=True))
    likeness: list[float] = []
    for one, other in zip(looks, looks[half:], strict=False):
        likeness.append(_likeness(*one, *other, place))
        if sum(value < ALIKE for value in likeness) > (len(looks) - half) / 2:
            return False  # whatever the others are, so is the median
    return bool(np.median(likeness) >= ALIKE)


def _likeness(one: Sample, one_box: Faces, other: Sample, other_box: Faces, place: Faces) -> float:
    """The greater correlation of a face with itself in another sample: in place, or each in its box, registered."""
    in_place = np.corrcoef(one.patch(place).ravel(), other.patch(place).ravel())[0, 1]
    return float(max(np.nan_to_num(in_place), registered(one.patch(one_box), other.patch(other_box))))


def registered(one: Patch, other: Patch) -> float:
    """Correlation under the best affine map (Evangelidis and Psarakis, IEEE PAMI 30, 2008, 1858); 0 without one."""
    start, inside = np.eye(2, 3, dtype=np.float32), np.full((SIDE, SIDE), 255, np.uint8)
    try:
        return float(cv2.findTransformECC(one, other, start, cv2.MOTION_AFFINE, SEARCH, inside, 3)[0])
    except cv2.error:
        return 0.0

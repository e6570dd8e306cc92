"""The faces of 256 px that MuseTalk repaints: from the middle of the face as far up as down to the chin.

Source: https://github.com/TMElyralab/MuseTalk, musetalk/utils/preprocessing.py (`get_landmark_and_bbox`, without a
shift) and scripts/inference.py. Of 68 landmarks it takes the outermost, and number 29, on the bridge of the nose.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE, Image
from portrait_prep.stages.face.geometry import Floats
from portrait_prep.stages.face.points import BROWS, JAW, LIPS, NOSE_RIDGE

SIDE = 256
OUTLINE = np.unique(np.concatenate([JAW, BROWS, NOSE_RIDGE, LIPS]))
"""Points that reach as far as its 68 landmarks (iBUG 300-W), also where the head is turned."""
BRIDGE = 5
"""Where number 29 of these, counted from 0, lies."""


class MuseTalk:
    """Cuts the frames of one video."""

    side = SIDE
    none = np.zeros(4, np.int32)
    """The box where no face is: its `coord_placeholder`."""

    def places(self, landmarks: Floats) -> NDArray[np.int32]:
        """Boxes int32 [n, 4] in px of the frame: left, top, and the first px to the right and below.

        Of landmarks [n, 478, 3]; zeros where these are NaN. A box that would reach beyond the frame ends there.
        """
        found = np.isfinite(landmarks).all(axis=(1, 2))
        points = landmarks[found, :, :2].clip(-SIZE, 2 * SIZE).astype(np.int32)
        middle, outline = points[:, BRIDGE, 1], points[:, OUTLINE]
        (left, _), (right, bottom) = outline.min(axis=1).T, outline.max(axis=1).T
        boxes = np.zeros((len(landmarks), 4), np.int32)
        boxes[found] = np.column_stack([left, middle - (bottom - middle), right, bottom]).clip(0, SIZE)
        boxes[(boxes[:, 2:] <= boxes[:, :2]).any(axis=1)] = 0
        return boxes

    def cut(self, image: Image, place: NDArray[np.int32]) -> Image:
        """What is at a place of an RGB frame: uint8 [256, 256, 3]."""
        left, top, right, bottom = place.tolist()
        part = np.ascontiguousarray(image[top:bottom, left:right])
        return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LANCZOS4), np.uint8)

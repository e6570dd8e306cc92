"""A small 2.5-D animator: moves the head of one still picture by a known pose, opens its mouth, shuts its eyes."""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from demo.field import HeadField, face_width
from demo.motion import Pose
from demo.slide import eyelids, lower_lip

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

WIDEST = 0.2
"""Distance of the lips when `mouth` is 1, in face widths."""


class Animator:
    """Animates `still`, RGB uint8 [height, width, 3], by its face mesh `points`, float32 [478, 3] in its pixels."""

    def __init__(self, still: Image, points: Array) -> None:
        self._still = still
        face = face_width(points)
        self._widest = WIDEST * face
        self._lip, self._lids = lower_lip(still, points, face), eyelids(still, points, face)
        self._field = HeadField(still.shape[:2], points, face)

    def frame(self, pose: Pose) -> Image:
        """The picture of one moment, like the still in shape: lips and lids slide, then the head turns."""
        picture = self._still.copy()
        self._lip.draw(picture, pose.mouth * self._widest)
        for lid in self._lids:
            lid.draw(picture, (1 - pose.blink) * lid.gap)
        x, y = self._field.inverse(pose)
        return cast("Image", cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))

"""A small 2.5-D animator: moves the head of one still picture by a known pose, opens its mouth, shuts its eyes.

The picture is a portrait of NASA's; mirrored and in other colours it is a second subject.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.field import HeadField, face_width
from portrait_prep.demo.motion import Pose
from portrait_prep.demo.slide import eyelids, lower_lip
from portrait_prep.media.picture import Image

Array = NDArray[np.float32]

WIDEST = 0.2
"""Distance of the lips when `mouth` is 1, in face widths."""
LICENCE = "public domain (NASA portrait of Eileen Collins, from scikit-image)"
SUBJECTS = ("astronaut", "double")
"""As she is, and mirrored and recoloured."""


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


def portrait(subject: str) -> Image:
    """The subject's picture, RGB uint8 [512, 512, 3]."""
    from skimage.data import astronaut  # noqa: PLC0415 - only who makes the demo needs scikit-image

    picture = cast("Image", astronaut())
    return picture if subject == SUBJECTS[0] else _recoloured(np.ascontiguousarray(picture[:, ::-1]))


def crop(picture: Image, window: tuple[int, int, int, int], size: tuple[int, int]) -> Image:
    """Cut the window (x, y, width, height) out and resize it to `size` (width, height)."""
    x, y, width, height = window
    return cast("Image", cv2.resize(picture[y : y + height, x : x + width], size, interpolation=cv2.INTER_CUBIC))


def _recoloured(picture: Image) -> Image:
    """Turn the strong colours (suit, flag) half round the wheel; darken hair and skin a little and cool the light."""
    hue, saturation, value = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL))
    opposite = cv2.cvtColor(cv2.merge([hue + np.uint8(128), saturation, value]), cv2.COLOR_HSV2RGB_FULL)
    chroma = np.ptp(picture, axis=2).astype(np.float32)
    strong = np.clip((chroma - 100) / 50, 0, 1)[..., None]
    cooled = picture * np.array([0.78, 0.80, 0.88])
    return np.asarray(cooled + strong * (0.8 * opposite - cooled), np.uint8)

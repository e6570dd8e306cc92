"""The two subjects of the demo: a public-domain portrait, and the same mirrored and recoloured."""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

LICENCE = "public domain (NASA portrait of Eileen Collins, from scikit-image)"
SUBJECTS = ("astronaut", "double")


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

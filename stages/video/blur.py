"""How blurred a picture is, told without another to compare it with.

Crété-Roffet et al.: The Blur Effect, Proc. SPIE 6492, 2007. Blurring a sharp picture takes away much of what differs
from pixel to pixel, blurring a blurred one next to nothing. Being a ratio, it depends neither on contrast nor on
brightness; taken along rows and along columns, it also sees the blur of motion.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LENGTH = 9
"""Pixels of the mean filter that the picture is blurred with."""


def blur(luma: NDArray[Any]) -> float | None:
    """Blur of a picture [height, width], 0 (sharp) to 1, the greater of the two directions; None where all is even."""
    picture = luma.astype(np.float32)
    along = (_blur_along(picture, axis) for axis in (0, 1))
    return max((value for value in along if value is not None), default=None)


def _blur_along(picture: NDArray[np.float32], axis: int) -> float | None:
    size = (1, LENGTH) if axis == 0 else (LENGTH, 1)
    blurred = cv2.blur(picture, size, borderType=cv2.BORDER_REFLECT)
    before, after = (np.abs(np.diff(values, axis=axis)) for values in (picture, blurred))
    variation = float(before.sum(dtype=np.float64))
    lost = float(np.maximum(before - after, 0).sum(dtype=np.float64))
    return 1 - lost / variation if variation else None

"""Squares cut out of pictures."""

import cv2
import numpy as np
from numpy.typing import NDArray


def cut(image: NDArray[np.uint8], square: tuple[int, int, int], size: int) -> NDArray[np.uint8]:
    """A square (left, top, side in px) of RGB [height, width, 3], scaled to uint8 [size, size, 3].

    Black where it lies beyond the image.
    """
    left, top, side = square
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    part = cv2.warpAffine(image, shift, (side, side), flags=cv2.INTER_NEAREST)
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (size, size), interpolation=way), np.uint8)

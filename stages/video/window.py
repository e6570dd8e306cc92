"""The window in which one face is followed: to the network it is large there, and others are out of sight."""

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.box import Box
from portrait_prep.media.picture import Image

SIDE = 3.0
"""Side of the square, in sizes of the face."""


def window_around(face: NDArray[np.float32], image: Image) -> Box:
    """The square around a face [4 or 5] (x, y, width, height in px) that lies inside the image."""
    x, y, width, height = face[:4]
    side = int(min(SIDE * max(width, height), *image.shape[:2]))
    left = int(np.clip(x + width / 2 - side / 2, 0, image.shape[1] - side))
    top = int(np.clip(y + height / 2 - side / 2, 0, image.shape[0] - side))
    return Box(left, top, side, side)


def cut(image: Image, box: Box) -> Image:
    """What of an image lies in a box inside it."""
    return np.ascontiguousarray(image[box.y : box.y + box.h, box.x : box.x + box.w])

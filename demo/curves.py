"""The curve by which all things of the animator fade."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def smoothstep(x: Array) -> Array:
    """From 0 at 0 to 1 at 1, level at both ends and beyond."""
    x = np.clip(x, 0, 1)
    return np.asarray(x * x * (3 - 2 * x))

"""What the picture of every normalized video is like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FPS = 25
SIZE = 512
"""Side in pixels of every normalized video."""

Image = NDArray[np.uint8]
"""RGB uint8 [height, width, 3]."""

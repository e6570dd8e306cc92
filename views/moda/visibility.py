"""Which shoulders were seen: those that were not are filled by the torso stage, and are no truth to learn from."""

import numpy as np
from numpy.typing import NDArray

from portrait_prep.views.exporting.about import VISIBLE
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.windows import Window

SEEN = 0.9
"""Least share of frames in which either shoulder must be seen for a stretch to be learnt from. What is missing then is
interpolated over moments; a shoulder that is often out of sight is at the edge of the picture, and mostly invented."""


def shares(visible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of frames in which each shoulder was seen, float64 [2], of bool [n, 2]; 0 of no frames."""
    return np.asarray(visible.sum(axis=0) / max(len(visible), 1))


def seen_shares(reader: Reader, window: Window) -> NDArray[np.float64]:
    """The same of a stretch of a video. Raises what `Reader.read` raises."""
    return shares(reader.read(*window, (VISIBLE,))[VISIBLE])

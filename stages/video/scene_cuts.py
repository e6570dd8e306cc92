"""Scene cuts: the picture becomes another within three frames, and is steady before and after.

Two things must change at once. How much there is of each tone: the Wasserstein distance, which is how far, in grey
levels and on average, the tones of one picture must be moved to become those of another. And what is where: the mean
difference of blocks. What moves within the picture, head or hands, keeps its tones; a head that comes nearer changes
them, but not all over; a fade never is steady on both sides of three frames; after a photographer's flash all is as
before.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image

STRIDE = 8
"""Of so many rows and columns one is looked at: 4096 pixels of a frame."""

BLOCKS = 16
"""Blocks along each side."""

TONES = 8.0
"""Grey levels, mean of red, green and blue, by which the tones must change."""

PLACES = 30.0
"""Grey levels, mean of all blocks and colours, by which these must change: twice what people who talk come to."""

RESTLESS = 0.4
"""Share of either change that there may be in two frames before, and in two after."""

OLDER, OLD, NEW, NEWER = 0, 2, 5, 7
"""Frames, of the last eight, that are compared: a cut may be blended over the two between OLD and NEW."""


@dataclass(frozen=True)
class Look:
    """Of one frame the cumulative distributions of red, green and blue, [3, 256], and block means [16, 16, 3]."""

    tones: NDArray[np.float64]
    places: NDArray[np.float32]

    def change(self, other: "Look") -> NDArray[np.float64]:
        """By how much another differs in tones and places, in units of what makes a cut: [2]."""
        tones = np.abs(self.tones - other.tones).sum() / len(self.tones)
        places = np.abs(self.places - other.places).mean()
        return np.array([tones / TONES, places / PLACES])


class Cuts:
    """Finds the cuts of one video, frame by frame; one within the last three frames is not seen.

    `frames`: the first of the new picture of each.
    """

    def __init__(self) -> None:
        self.frames: list[int] = []
        self._added = 0
        self._last: deque[Look] = deque(maxlen=NEWER + 1)
        self._changing = False

    def add(self, image: Image) -> None:
        """Take in the next frame, RGB [height, width, 3]."""
        look = _look(image)
        self._last.extend([look] * (1 if self._last else NEWER + 1))
        changing = self._is_cut()
        if changing and not self._changing:
            self.frames.append(max(self._added - (NEWER - NEW), 0))
        self._changing = changing
        self._added += 1

    @property
    def count(self) -> int:
        """How many."""
        return len(self.frames)

    def _is_cut(self) -> bool:
        older, old, new, newer = (self._last[place] for place in (OLDER, OLD, NEW, NEWER))
        change = old.change(new)
        if change.min() < 1:
            return False
        restless = np.maximum(older.change(old), new.change(newer))
        return bool((restless <= RESTLESS * change).all())


def _look(image: Image) -> Look:
    sparse = np.ascontiguousarray(image[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE])
    counts = np.array(
        [cv2.calcHist([sparse], [color], None, [256], [0, 256]).ravel() for color in range(3)], np.float64
    )
    blocks = cv2.resize(sparse.astype(np.float32), (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    return Look(np.cumsum(counts, axis=1) / (sparse.size // 3), blocks.astype(np.float32, copy=False))

"""Scene cuts: the picture becomes another within three frames, and is steady before and after.

Two things must change at once. How much there is of each tone: the Wasserstein distance, which is how far, in grey
levels and on average, the tones of one picture must be moved to become those of another. And what is where: the mean
difference of blocks. What moves within the picture, head or hands, keeps its tones; a head that comes nearer changes
them, but not all over; a fade never is steady on both sides of three frames; after a photographer's flash all is as
before.
"""

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.video.sampled import thinned

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


@dataclass(frozen=True, eq=False)
class Look:
    """What one frame was like: `pixels` [64, 64, 3], those that are looked at."""

    pixels: Image

    @cached_property
    def places(self) -> NDArray[np.float32]:
        """Means of blocks [16, 16, 3]."""
        blocks = cv2.resize(self.pixels.astype(np.float32), (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
        return blocks.astype(np.float32, copy=False)

    @cached_property
    def tones(self) -> NDArray[np.float64]:
        """The cumulative distributions of red, green and blue, [3, 256]."""
        counts = [cv2.calcHist([self.pixels], [color], None, [256], [0, 256]).ravel() for color in range(3)]
        return np.cumsum(np.array(counts, np.float64), axis=1) / (self.pixels.size // 3)

    def moved(self, other: "Look") -> float:
        """By how much another differs in places, in units of what makes a cut."""
        return float(np.abs(self.places - other.places).mean() / PLACES)

    def change(self, other: "Look") -> NDArray[np.float64]:
        """By how much another differs in tones and places, in units of what makes a cut: [2]."""
        tones = np.abs(self.tones - other.tones).sum() / len(self.tones)
        return np.array([tones / TONES, self.moved(other)])


class Cuts:
    """Finds the cuts of one video, frame by frame; one within the last three frames is not seen.

    `frames`: the first of the new picture of each.
    """

    def __init__(self) -> None:
        self.frames: list[int] = []
        self._added = 0
        self._last: deque[Look] = deque(maxlen=NEWER + 1)
        self._changing = False

    def add(self, pixels: Image) -> None:
        """Take in the next frame, as `sampled` gives it."""
        look = Look(thinned(pixels))
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
        if old.moved(new) < 1:  # as nearly always: then tones, which take longer, need no look
            return False
        change = old.change(new)
        if change.min() < 1:
            return False
        restless = np.maximum(older.change(old), new.change(newer))
        return bool((restless <= RESTLESS * change).all())

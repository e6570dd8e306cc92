"""Shots of a recording: where one picture cuts to another, and which frames show two of them or none.

What is taken for a cut, and is none: a caption in the upper two thirds that pops in, an object that covers the picture
within a frame. What is not seen: a jump between two moments that look alike, a dissolve between such, a wipe with no
straight edge or while the camera moves, and of pushes most.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.recordings.blends import CONTEXT
from portrait_prep.stages.recordings.cuts import AROUND
from portrait_prep.stages.recordings.difference import HEIGHT, WIDTH

SIZE = (WIDTH, HEIGHT)
"""Width and height to which pictures are to be scaled, by means of areas, whatever their shape."""

SURE = 0.5
"""From which certainty on it is taken for one."""

CONTEXT_SECONDS, CONTEXT_FRAMES = CONTEXT, AROUND + 1
"""How much of a recording, and how many frames at least, are to be read before a part and after it, to give the same as
if the whole was read."""


def shots(cut: NDArray[np.float32], blend: NDArray[np.float32]) -> list[range]:
    """The frames of each shot of a recording, from the columns [n] of those names that the stage `scan` gives."""
    blended = blend >= SURE
    border = (cut >= SURE) | np.diff(blended, prepend=False)
    starts = [0, *np.flatnonzero(border), len(cut)]
    return [range(int(a), int(b)) for a, b in pairwise(starts) if a < b and not blended[a]]

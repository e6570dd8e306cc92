"""Shots of a recording: where one picture cuts to another, and which frames show two of them or none.

What is taken for a cut, and is none: a caption in the upper two thirds that pops in, an object that covers the picture
within a frame. What is not seen: a jump between two moments that look alike, a dissolve between such, wipes.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise, tee

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.recordings.blends import CONTEXT, blends
from portrait_prep.stages.recordings.cuts import AROUND, cuts
from portrait_prep.stages.recordings.difference import HEIGHT, WIDTH, luma_of

SIZE = (WIDTH, HEIGHT)
"""Width and height to which pictures are to be scaled, by means of areas, whatever their shape."""

SURE = 0.5
"""From which certainty on it is taken for one."""

CONTEXT_SECONDS, CONTEXT_FRAMES = CONTEXT, AROUND + 1
"""How much of a recording, and how many frames at least, are to be read before a part and after it, to give the same as
if the whole was read."""


def transitions(frames: Iterable[tuple[float, Image]]) -> Iterator[tuple[float, float]]:
    """For each frame (time in seconds, RGB uint8 [36, 64, 3]) how sure a new shot begins with it, and it is in none.

    Both are 0 to 1, and 0.5 where it is as likely as not. Times are those of the recording. Answers come up to
    CONTEXT_SECONDS later than frames, and so much is kept.
    """
    for_cuts, for_blends = tee((time, luma_of(picture)) for time, picture in frames)
    return zip(cuts(luma for _, luma in for_cuts), blends(for_blends), strict=True)


def shots(cut: NDArray[np.float32], blend: NDArray[np.float32]) -> list[range]:
    """The frames of each shot of a recording, from the two columns [n] that `transitions` gives."""
    blended = blend >= SURE
    border = (cut >= SURE) | np.diff(blended, prepend=False)
    starts = [0, *np.flatnonzero(border), len(cut)]
    return [range(int(a), int(b)) for a, b in pairwise(starts) if a < b and not blended[a]]

"""In which half of a side-by-side picture the person sits whose voice is heard: the one whose lips move with it.

What tells is how much the opening of the lips goes up and down while there is voice, in face heights: speech does so
syllable by syllable, at 2 to 7 Hz (Chandrasekaran et al. 2009, The natural statistics of audiovisual speech, PLoS
Comput. Biol. 5(7), e1000436), and goes on; smiles and turns of the head are slower, or come once. The two halves are
compared with each other, never with a fixed level, since people differ. The correlation of lips and loudness is left
out: over 4 s, that of lips with their own voice (0.0 on average, deviation 0.2, on clips of people who talk to a
camera) is not told from that with somebody else's (0.0, 0.2).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from portrait_prep.stages.speaker_side.lips import Lips

Side = Literal["left", "right"]
LEFT: Side = "left"
RIGHT: Side = "right"

SLOW = 0.4
"""Seconds of the moving mean that is taken off: what is slower than some 1.5 Hz goes, syllables stay."""

LATELY = 0.6
"""Seconds over which liveliness is taken, two or three syllables; its median counts, so that a sudden grin does not."""

NOISE = 0.2
"""px, rms, by which the lips of a still picture seem to open and shut when it is moved about.

Measured on faces of 50 to 90 px: 0.02 to 0.2 px in MPEG-4 at 1.2 Mbit/s, up to 0.3 at 0.5, whatever their size.
"""

MARGIN = 3.0
"""How many times as lively the one mouth must be as the other.

People who talk are unlike: rms 0.015 to 0.05 face heights. Where both talk, the one may be thrice as lively by nature.
"""

SEEN = 0.5
"""Share of the moments with voice in which a half must show a face."""

HEARD = 1.0
"""Seconds of voice it takes: some four syllables."""


@dataclass(frozen=True)
class Speaking:
    """Who speaks in a stretch of video: a side, or None and `why` not.

    `voice` seconds in which it is heard; `faces` share of them in which the left and the right half show a face;
    `activity` how lively the left and the right lips are in them: median rms of their opening, in face heights.
    """

    voice: float
    faces: tuple[float, float] = (0.0, 0.0)
    activity: tuple[float | None, float | None] = (None, None)
    side: Side | None = None
    why: str | None = None


def speaking_side(lips: Lips, voice_activity: NDArray[np.bool_]) -> Speaking:
    """Decide from the lips at n moments, evenly spaced, and `voice_activity` bool [n]: whether there is voice then."""
    step = float(np.median(np.diff(lips.times))) if len(lips.times) > 1 else 0.0
    voice = float(voice_activity.sum()) * step
    if voice < HEARD:
        return Speaking(voice, why="too little voice is heard")
    left, right = (float(np.isfinite(opening[voice_activity]).mean()) for opening in lips.opening)
    if min(left, right) < SEEN:
        return Speaking(voice, (left, right), why=f"too little of a face is seen on the {_unseen(left, right)}")
    activity = [_activity(lips.opening[k] / lips.size[k], voice_activity, step) for k in (0, 1)]
    noise = [NOISE / float(np.nanmedian(lips.size[k])) for k in (0, 1)]
    side = _livelier(*np.maximum(activity, noise))
    why = None if side else "neither mouth moves much more than the other"
    return Speaking(voice, (left, right), (activity[0], activity[1]), side, why)


def _unseen(left: float, right: float) -> str:
    return " and on the ".join(side for side, share in ((LEFT, left), (RIGHT, right)) if share < SEEN)


def _activity(opening: NDArray[np.float64], voice_activity: NDArray[np.bool_], step: float) -> float:
    """Median, over the moments with voice, of the rms around them of the opening [n] less its moving mean.

    Moments are `step` seconds apart. Gaps are bridged and do not count.
    """
    seen = np.isfinite(opening)
    bridged = np.interp(np.arange(len(opening)), np.flatnonzero(seen), opening[seen])
    lively = bridged - _moving_mean(bridged, SLOW / step)
    power = np.maximum(_moving_mean(lively**2, LATELY / step), 0.0)  # its running sum may fall short of 0 by a hair
    return float(np.sqrt(np.median(power[voice_activity & seen])))


def _moving_mean(values: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    return np.asarray(uniform_filter1d(values, max(round(window), 2), mode="nearest"))


def _livelier(left: float, right: float) -> Side | None:
    if left >= MARGIN * right:
        return LEFT
    return RIGHT if right >= MARGIN * left else None

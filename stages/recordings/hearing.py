"""What is heard of a recording, window by window: how probably somebody speaks, and the bands of the sound.

Windows lie at fixed moments from what players call zero, and each is decoded and heard by itself, with what comes
before it. So it does not matter at all where a part of a recording begins. It would: the network tells music from
speech by a hair now and then, and a decoder that joins elsewhere places sound up to half a millisecond off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.wav import FULL_SCALE, RATE, Pcm
from portrait_prep.stages.models.silero import BLOCK, CONTEXT, LEAD, SPAN, STEP, voice_detector
from portrait_prep.stages.sound.lip_sync import BANDS
from portrait_prep.stages.speech import FilterBank

Floats = NDArray[np.float64]

WINDOW = 8 * BLOCK * STEP
"""Samples of a window (64 s). The network hears its eight blocks at once, at half the cost of one by one."""

LATENESS = STEP
"""Samples by which the network is late: what it says of a step is true of the one before. Measured on clean speech,
whose level tells when somebody speaks: the two agree best 30 ms apart."""

BEFORE = LEAD * STEP + CONTEXT - LATENESS
"""Samples heard before a window; and `LATENESS` after it."""

LENGTH = BEFORE + WINDOW + LATENESS
"""Samples that it takes to tell of a window."""

SHIFT = 320
"""Samples of one frame of the filter bank."""

CLOSE = 1e-5
"""Seconds by which a part may reach into a window that is not heard for it: times are sums of fractions."""


@dataclass(frozen=True)
class Course:
    """Values float64 [n, …] of intervals that follow each other, `step` samples each, from sample `first` on."""

    first: int
    step: int
    values: Floats

    def mean(self, begin: Floats, end: Floats) -> Floats:
        """The mean within m intervals, `begin` < `end` [m] in seconds: [m, …]. Beyond its ends there is 0."""
        whole = np.concatenate([np.zeros((1, *self.values.shape[1:])), self.values.cumsum(axis=0)])
        steps = (end - begin) * RATE / self.step
        return (self._until(whole, end) - self._until(whole, begin)) / self._wide(steps)

    def _until(self, whole: Floats, time: Floats) -> Floats:
        """The sum of the values up to some moments; part of an interval counts as such a part of its value."""
        place = np.clip((time * RATE - self.first) / self.step, 0, len(self.values))
        index = np.minimum(place.astype(int), len(self.values) - 1)
        return np.asarray(whole[index] + self._wide(place - index) * self.values[index])

    def _wide(self, numbers: Floats) -> Floats:
        return numbers.reshape(-1, *(1,) * (self.values.ndim - 1))


@dataclass(frozen=True)
class Heard:
    """How probably somebody `speaks` [n], and the powers of the `bands` [m, 8]."""

    speaks: Course
    bands: Course


Listen = Callable[[float, float], Pcm]
"""From a moment (seconds, as players count; it may lie before zero) and so many seconds from it on to samples [n].

Where the sound ends early there may be fewer.
"""


def hear(listen: Listen, begin: float, end: float) -> Heard:
    """What is heard between two moments, in seconds as players count, and around them."""
    numbers = range(int(begin * RATE // WINDOW), int((end - CLOSE) * RATE // WINDOW) + 1)
    probabilities, powers = zip(*(_window(listen, number) for number in numbers), strict=True)
    first = numbers.start * WINDOW
    return Heard(Course(first, STEP, np.concatenate(probabilities)), Course(first, SHIFT, np.concatenate(powers)))


def _window(listen: Listen, number: int) -> tuple[Floats, Floats]:
    """Probabilities [2000] and powers [3200, 8] of one window."""
    pcm = listen((number * WINDOW - BEFORE) / RATE, LENGTH / RATE)[:LENGTH]
    pcm = np.pad(pcm, (0, LENGTH - len(pcm)))
    samples = pcm.astype(np.float32) / np.float32(FULL_SCALE)
    blocks = np.lib.stride_tricks.sliding_window_view(samples, SPAN)[: WINDOW : BLOCK * STEP]
    return voice_detector()(blocks).reshape(-1).astype(np.float64), _powers(pcm)


def _powers(pcm: Pcm) -> Floats:
    """Of the samples of a window with what is around them."""
    lead = BEFORE // SHIFT * SHIFT
    energies = np.exp(FilterBank().accept(pcm[BEFORE - lead :], last=True).astype(np.float64))
    powers = energies.reshape(len(energies), BANDS, -1).mean(axis=2)
    return np.asarray(powers[lead // SHIFT :][: WINDOW // SHIFT])

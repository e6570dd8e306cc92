"""When somebody speaks: the level of a sound around given moments."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.source_sound import read_samples
from portrait_prep.media.wav import RATE

AROUND = 0.3
"""Seconds over which a level is taken: lips move up to 0.3 s ahead of the voice (Chandrasekaran et al. 2009)."""

LOUD = 95
"""Percentile of the levels that counts as the voice's own: a door that slams does not set it."""

RANGE = 20.0
"""Decibels below it down to which there still is voice; what lies lower is a pause."""

SILENT = -60.0
"""dBFS below which nobody speaks, whatever else there is."""


def voice_activity(path: Path, times: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether there is voice around each of `times` [n], ascending, in seconds from the beginning of the sound.

    False throughout where the file has no sound that can be decoded there.
    """
    if len(times) == 0:
        return np.zeros(0, np.bool_)
    levels = _levels(path, times)
    return np.asarray(levels > max(float(np.percentile(levels, LOUD)) - RANGE, SILENT))


def _levels(path: Path, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square around each moment in dBFS (0 = full-scale square wave)."""
    begin = float(times[0]) - AROUND / 2
    samples = read_samples(path, begin, float(times[-1]) + AROUND / 2)
    power = np.concatenate([[0.0], np.cumsum(samples**2)])
    first = np.clip(np.rint((times - AROUND / 2 - begin) * RATE).astype(int), 0, len(samples))
    last = np.clip(first + round(AROUND * RATE), 0, len(samples))
    return np.asarray(10 * np.log10(np.maximum((power[last] - power[first]) / (AROUND * RATE), 1e-12)))

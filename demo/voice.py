"""A synthetic voice: glottal pulses through formants, syllable by syllable; the mouth opens with the syllables.

Source-filter synthesis after Klatt (1980), "Software for a cascade/parallel formant synthesizer".
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

RATE = 48_000
"""Samples a second."""

Array = NDArray[np.float64]

FORMANTS = np.array([[730, 1090, 2440], [570, 840, 2410], [530, 1840, 2480], [300, 2200, 2960]], np.float64)
"""Hz, of the vowels a, o, e, i (Peterson and Barney, 1952)."""
BANDWIDTHS = np.array([80, 100, 140], np.float64)
OPENNESS = np.array([1.0, 0.7, 0.6, 0.35])
"""How far each vowel opens the mouth, 0 to 1."""


@dataclass(frozen=True)
class Voice:
    """What one clip says: seconds of syllables in short phrases; the same seed says the same."""

    seconds: float
    pitch: float
    seed: int

    @cached_property
    def _syllables(self) -> Array:
        """Rows of (start, length, vowel, loudness); times in seconds."""
        random = np.random.default_rng(self.seed)
        rows: list[tuple[float, float, float, float]] = []
        start = 0.25
        while start < self.seconds - 0.5:
            length = random.uniform(0.2, 0.34)
            rows.append((start, length, float(random.integers(len(FORMANTS))), random.uniform(0.7, 1.0)))
            pause = random.uniform(0.3, 0.5) if len(rows) % 5 == 0 else 0.0
            start += 0.85 * length + pause
        return np.array(rows)

    def _envelopes(self, times: Array) -> Array:
        """Loudness of each vowel, 0 to 1: [vowels, times]."""
        envelopes = np.zeros((len(FORMANTS), len(times)))
        for start, length, vowel, loudness in self._syllables:
            phase = np.clip((times - start) / length, 0, 1)
            np.maximum(envelopes[int(vowel)], loudness * np.sin(np.pi * phase) ** 2, out=envelopes[int(vowel)])
        return envelopes

    def opening(self, times: Array) -> Array:
        """How far the mouth is open at `times` in seconds, 0 to 1."""
        return np.asarray(np.max(OPENNESS[:, None] * self._envelopes(times), axis=0))

    def samples(self) -> NDArray[np.int16]:
        """The whole voice, int16 [seconds * RATE]."""
        times = np.arange(round(self.seconds * RATE)) / RATE
        pulses = self._glottis(times)
        waveform = sum(
            envelope * openness * _formants(pulses, formants)
            for envelope, openness, formants in zip(self._envelopes(times), OPENNESS, FORMANTS, strict=True)
        )
        return np.asarray(np.rint(12_000 * waveform / np.max(np.abs(waveform))), np.int16)

    def _glottis(self, times: Array) -> Array:
        """A pulse a period, with vibrato and a falling melody, and a breath of noise."""
        frequency = self.pitch * (1.1 - 0.15 * times / self.seconds + 0.03 * np.sin(2 * np.pi * 5 * times))
        periods = np.floor(np.cumsum(frequency) / RATE)
        pulses = np.diff(periods, prepend=0.0)
        breath = np.random.default_rng(self.seed + 1).normal(0, 0.002, len(times))
        return np.asarray(lfilter([1.0], [1.0, -0.97], pulses + breath))


def _formants(source: Array, frequencies: Array) -> Array:
    """Three resonators in a row, each of unit gain at zero frequency."""
    for frequency, bandwidth in zip(frequencies, BANDWIDTHS, strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2]
        source = np.asarray(lfilter([sum(poles)], poles, source))
    return np.asarray(source / np.sqrt(np.mean(source**2)))

"""Sound of one or two channels on its way to one: the mean, and what is lost by it."""

from collections.abc import Iterator
from typing import IO

import numpy as np

from portrait_prep.media.wav import Pcm

INAUDIBLE = 3
"""A track whose samples never exceed this (-80 dB of full scale) is digital silence."""

CANCELLED = 0.01
"""Share of the channels' power left in their mean (-20 dB) below which they are in opposite phase."""

CHUNK = 1 << 18


class Mixdown:
    """The mean of so many channels, taken as they come; measures the channels and their mean on the way."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._peak = 0
        self._mean_power = self._channel_power = 0.0

    def blocks(self, pipe: IO[bytes]) -> Iterator[Pcm]:
        """The mean int16 [n] of each piece of the interleaved PCM16 from `pipe`; a torn last sample is dropped."""
        rest = b""
        while chunk := pipe.read(CHUNK):
            chunk = rest + chunk
            whole = len(chunk) - len(chunk) % (2 * self.channels)
            rest = chunk[whole:]
            samples = np.frombuffer(chunk[:whole], "<i2").reshape(-1, self.channels)
            mean = samples[:, 0] if self.channels == 1 else _mean(samples)
            self._measure(samples, mean)
            yield mean

    def _measure(self, samples: Pcm, mean: Pcm) -> None:
        """Take in samples [n, channels] and their mean [n]."""
        self._peak = max(self._peak, int(np.abs(samples.astype(np.int32)).max(initial=0)))
        self._mean_power += float(np.square(mean, dtype=np.float64).sum())
        self._channel_power += float(np.square(samples, dtype=np.float64).sum() / self.channels)

    @property
    def silent(self) -> bool:
        """Whether the track is digital silence."""
        return self._peak <= INAUDIBLE

    @property
    def cancelled(self) -> bool:
        """Whether the channels' mean lost nearly all of what the channels hold."""
        return not self.silent and self._mean_power < CANCELLED * self._channel_power


def _mean(samples: Pcm) -> Pcm:
    return np.asarray(np.rint(samples.mean(axis=1, dtype=np.float64)), np.int16)

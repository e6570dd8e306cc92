"""Sound on its way to disk: 16-bit samples stream in, a WAV file of an exact length comes out."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

RATE = 16000
"""Samples a second."""

SAMPLES_PER_FRAME = 640
"""Samples of one video frame at 25 frames a second."""

INAUDIBLE = 3
"""A track whose samples never exceed this (-80 dB of full scale) is digital silence."""

CANCELLED = 0.01
"""Share of the channels' power left in their mean (-20 dB) below which they are in opposite phase."""

HEADER = 44
CHUNK = 1 << 18


@dataclass
class Level:
    """What was heard: the greatest magnitude, and the power of the channels' mean and of the channels themselves."""

    peak: int = 0
    mean_power: float = 0.0
    channel_power: float = 0.0

    @property
    def silent(self) -> bool:
        """Whether the track is digital silence."""
        return self.peak <= INAUDIBLE

    @property
    def cancelled(self) -> bool:
        """Whether the channels' mean lost nearly all of what the channels hold."""
        return not self.silent and self.mean_power < CANCELLED * self.channel_power

    def hear(self, samples: NDArray[np.int16], mean: NDArray[np.int16]) -> None:
        """Take in samples [n, channels] and their mean [n]."""
        self.peak = max(self.peak, int(np.abs(samples.astype(np.int32)).max(initial=0)))
        self.mean_power += float(np.square(mean, dtype=np.float64).sum())
        self.channel_power += float(np.square(samples, dtype=np.float64).sum() / samples.shape[1])


def receive(pipe: IO[bytes], path: Path, channels: int) -> Level:
    """Write PCM16 from `pipe`, `channels` interleaved, as mono into `path` after room for a header."""
    level = Level()
    with path.open("wb") as file:
        file.write(bytes(HEADER))
        for samples in _blocks(pipe, channels):
            mean = samples[:, 0] if channels == 1 else np.rint(samples.mean(axis=1, dtype=np.float64)).astype(np.int16)
            level.hear(samples, mean)
            file.write(mean.astype("<i2").tobytes())
    return level


def _blocks(pipe: IO[bytes], channels: int) -> Iterator[NDArray[np.int16]]:
    """Samples [n, channels] as they come; a torn last sample is dropped."""
    rest = b""
    while block := pipe.read(CHUNK):
        block = rest + block
        whole = len(block) - len(block) % (2 * channels)
        rest = block[whole:]
        yield np.frombuffer(block[:whole], "<i2").reshape(-1, channels)


def finish(path: Path, samples: int) -> None:
    """Cut or fill with silence to just `samples` samples and write the header: canonical RIFF WAVE, 44 bytes.

    Format: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991); PCM, mono, 16 bit.
    """
    size = 2 * samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    with path.open("r+b") as file:
        file.truncate(HEADER + size)
        file.write(
            struct.pack("<4sI4s", b"RIFF", HEADER - 8 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)
        )

"""The workspace's own sound: 16 kHz mono PCM16 in a canonical WAV file, 640 samples for each frame of the video."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.file import File
from portrait_prep.media.picture import FPS

RATE = 16_000
"""Samples a second."""

SAMPLES_PER_FRAME = RATE // FPS
"""Samples of one video frame: 640."""

FULL_SCALE = 1 << 15
"""16-bit samples over this are -1..1."""

Pcm = NDArray[np.int16]
"""16-bit samples."""

BYTES = 2
"""Of one sample."""

HEADER_BYTES = 44


def write_wav(path: Path, blocks: Iterable[Pcm]) -> int:
    """Write samples as they come, in arrays of any shape; return how many there were."""
    samples = 0
    with path.open("wb") as file:
        file.write(bytes(HEADER_BYTES))
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<i2").data)
            samples += block.size
        file.seek(0)
        file.write(_header(samples))
    return samples


def resize_wav(path: Path, samples: int) -> None:
    """Cut a written file to just so many samples, or fill it with silence."""
    with path.open("r+b") as file:
        file.truncate(HEADER_BYTES + BYTES * samples)
        file.write(_header(samples))


def count_samples(path: Path) -> int:
    """Samples of a written file, by its size. Raises OSError where it is gone."""
    return (path.stat().st_size - HEADER_BYTES) // BYTES


def _header(samples: int) -> bytes:
    """Canonical RIFF WAVE, 44 bytes: PCM, mono, 16 bit.

    Format: IBM and Microsoft, Multimedia Programming Interface and Data Specifications 1.0 (1991).
    """
    size = BYTES * samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, BYTES * RATE, BYTES, 8 * BYTES)
    return struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


class WavReader:
    """A written file, read at any frame: there is no position, so that forked processes may share it."""

    def __init__(self, path: Path, frames: int) -> None:
        """Raise Damaged where it is gone, or does not have the header and the length of so many video frames."""
        self.frames = frames
        try:
            self._file = File(path)
        except FileNotFoundError as error:
            raise Damaged(f"{path} is gone: run again.") from error
        header = _header(frames * SAMPLES_PER_FRAME)
        size = HEADER_BYTES + frames * SAMPLES_PER_FRAME * BYTES
        if self._file.status.st_size != size or self._file.read(0, HEADER_BYTES) != header:
            raise Damaged(
                f"{path} is not 16 kHz mono PCM16 of {frames} frames with {SAMPLES_PER_FRAME} samples each: "
                "normalize again."
            )

    def read(self, first: int, frames: int) -> Pcm:
        """Samples of frames `first` to `first + frames - 1`, int16 [frames, 640]: sample 640k begins frame k.

        Raises Damaged when the file ends before.
        """
        samples = np.empty((frames, SAMPLES_PER_FRAME), "<i2")
        self._file.read_into(samples, HEADER_BYTES + first * SAMPLES_PER_FRAME * BYTES)
        return samples.astype(np.int16, copy=False)

    def blocks(self, frames: int) -> Iterator[Pcm]:
        """All samples in order, int16 [n, 640], so many frames at a time. Raises as `read` does."""
        for first in range(0, self.frames, frames):
            yield self.read(first, min(frames, self.frames - first))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

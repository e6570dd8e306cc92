"""The workspace's sound at the rate of its source: mono FLAC (RFC 9639), without loss, as long as the video."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av import FFmpegError
from av.container import InputContainer
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.container import NotAVideo, opened
from portrait_prep.media.picture import FPS

HIGHEST_RATE = 655_350
"""Samples a second that any reader of FLAC takes; a faster sound is brought down to it."""

FLAC: Mapping[str, Any] = {
    "format": "flac",
    "acodec": "flac",
    "threads": 1,
    "map_metadata": -1,
    "flags:a": "+bitexact",
    "fflags": "+bitexact",
}
"""Options of every file: the same samples give the same bytes."""


def samples_of(frames: int, rate: int) -> int:
    """Samples that sound while so many video frames are shown."""
    return round(frames / FPS * rate)


def measure_flac(path: Path) -> tuple[int, int]:
    """Samples a second of a written file, and how many samples decode. Raises Damaged, OSError where it is gone."""
    try:
        with opened(path, "sound file") as container:
            stream = container.streams.audio[0]
            return stream.sample_rate, sum(frame.samples for frame in container.decode(stream))
    except NotAVideo as error:
        raise Damaged(f"{path} {error}: delete it and run again.") from error


def read_flac(path: Path, first: int, frames: int) -> tuple[int, NDArray[np.float64]]:
    """Samples a second, and the samples, -1 to 1, of video frames `first` to `first + frames - 1` of a written file.

    Raises Damaged where they do not decode.
    """
    try:
        with _opened_at(path, first / FPS) as container:
            stream = container.streams.audio[0]
            rate = stream.sample_rate
            start, stop = samples_of(first, rate), samples_of(first + frames, rate)
            pieces, found = [np.empty(0)], start
            for frame in container.decode(stream):
                values = frame.to_ndarray()[0]
                at = frame.pts or 0
                part = values[max(found - at, 0) : max(stop - at, 0)]
                pieces.append(part / -float(np.iinfo(part.dtype).min))
                found += len(part)
                if found >= stop:
                    break
    except (NotAVideo, FFmpegError, OSError) as error:
        raise Damaged(f"{path} cannot be decoded ({error}): delete it and run again.") from error
    if not rate or found < stop:
        raise Damaged(f"{path} does not hold the sound of {first + frames} frames: delete it and run again.")
    return rate, np.concatenate(pieces)


@contextmanager
def _opened_at(path: Path, second: float) -> Iterator[InputContainer]:
    """The file, at or before a moment. Not every place of a short one can be sought: then it is at its beginning."""
    with opened(path, "sound file") as container:
        try:
            container.seek(int(second * av.time_base))
        except FFmpegError:
            pass
        else:
            yield container
            return
    with opened(path, "sound file") as container:
        yield container

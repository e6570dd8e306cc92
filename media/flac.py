"""The workspace's sound at the rate of its source: mono FLAC (RFC 9639), without loss, as long as the video."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

"""Samples out of the user's own files, of whatever format."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.container import NotAVideo, opened
from portrait_prep.media.probe_sound import is_decodable
from portrait_prep.media.wav import FULL_SCALE, RATE, Pcm


def read_samples(path: Path, start: float, end: float) -> NDArray[np.float64]:
    """Mono sound at 16 kHz between two moments, in seconds from what players call zero: float64 [n], -1 to 1.

    Zero where there is none: outside of the sound, or where the file has none that can be decoded.
    """
    samples = np.zeros(round((end - start) * RATE))
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        with opened(path, "sound file") as container:
            stream = next(filter(is_decodable, container.streams.audio), None)
            if stream is None:
                return samples
            origin = (container.start_time or 0) / av.time_base
            container.seek(max(int((origin + start) / (stream.time_base or 1)), 0), stream=stream)
            for frame in container.decode(stream):
                begins = (frame.time or 0.0) - origin
                if begins >= end:
                    break
                for piece in resampler.resample(frame):
                    _put(samples, round((float(piece.time or 0.0) - origin - start) * RATE), piece.to_ndarray()[0])
    except (NotAVideo, OSError):
        return samples
    return samples


def _put(samples: NDArray[np.float64], at: int, piece: Pcm) -> None:
    """Write a piece into the samples, where the two meet."""
    first, last = max(at, 0), min(at + len(piece), len(samples))
    if first < last:
        samples[first:last] = piece[first - at : last - at] / FULL_SCALE

"""Looking at a demo clip with PyAV, as a player would show it: not with the pipeline's own reader."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray


def shown(path: Path) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Time in seconds and RGB picture of each frame, upright and with square pixels."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stretch = float(stream.sample_aspect_ratio or 1)
        for frame in container.decode(stream):
            picture = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
            upright = cv2.resize(np.ascontiguousarray(picture), None, fx=stretch, fy=1)
            assert frame.time is not None
            yield frame.time, np.asarray(upright, np.uint8)


def heard(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times in seconds and samples of the first sound track, mono, -1..1."""
    times, samples = [], []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="mono")
        for frame in container.decode(audio=0):
            for mono in resampler.resample(frame):
                assert mono.time is not None
                part = mono.to_ndarray()[0].astype(np.float64)
                times.append(mono.time + np.arange(len(part)) / mono.sample_rate)
                samples.append(part)
    return np.concatenate(times), np.concatenate(samples)

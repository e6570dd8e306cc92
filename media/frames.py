"""Decoding: one pass over a video, frame by frame, on one thread."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from portrait_prep.errors import Damaged

FPS = 25
SIZE = 512
"""Side in pixels of every normalized video."""

Image = NDArray[np.uint8]


def read_frames(path: Path, size: int | None = None) -> Iterator[Image]:
    """Yield the frames of a video as RGB uint8 [height, width, 3], resized to `size` x `size` when given.

    Raises Damaged when the file, one of the workspace's own, cannot be decoded.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            # One reformatter for all frames: a new one each time would set up its conversion anew, a third of the cost.
            convert = VideoReformatter().reformat
            for frame in container.decode(stream):
                image = convert(frame, width=size, height=size, format="rgb24").to_ndarray()
                yield image.astype(np.uint8, copy=False)
    except (av.FFmpegError, IndexError) as error:
        raise Damaged(f"{path} cannot be decoded ({error}): delete it and run again.") from error

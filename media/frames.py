"""The workspace's own videos: their frames, decoded one by one on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from portrait_prep.errors import Damaged
from portrait_prep.media.container import open_container
from portrait_prep.media.file import regular
from portrait_prep.media.picture import FPS, Image


def read_frames(
    path: Path, size: int | None = None, numbers: range | None = None, expected: int | None = None
) -> Iterator[Image]:
    """Yield the frames of a video as RGB uint8 [height, width, 3], resized to `size` x `size` when given.

    All of them; or those of `numbers`, of a video of 25 fps, without decoding what lies before the nearest key frame.
    `expected` is how many the whole video was written with: who takes just so many need not ask for another one, since
    the last one comes only where the video ends with it.

    Raises Damaged when the file, one of the workspace's own, cannot be decoded, or holds other frames than these.
    """
    return (picture() for picture in read_pictures(path, size, numbers, expected))


def read_pictures(
    path: Path, size: int | None = None, numbers: range | None = None, expected: int | None = None
) -> Iterator[Callable[[], Image]]:
    """Yield for each of the frames of `read_frames` what makes it: who looks at few saves resizing and conversion.

    Raises Damaged as `read_frames` does.
    """
    wanted, count = expected if numbers is None else len(numbers), 0
    # One reformatter for all frames: a new one each time would set up its conversion anew, a third of the cost.
    convert = VideoReformatter().reformat

    def picture(frame: VideoFrame) -> Image:
        with _told(path):
            image = convert(frame, width=size, height=size, format="rgb24").to_ndarray()
        return image.astype(np.uint8, copy=False)

    with _told(path), open_container(regular(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        frames = container.decode(stream) if numbers is None else _numbered(container, stream, numbers)
        for frame in frames:
            count += 1
            if count == wanted and next(frames, None) is not None:
                raise _miscounted(path, numbers, expected)
            yield partial(picture, frame)
    if wanted not in (None, count):
        raise _miscounted(path, numbers, expected)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Tells in a sentence that a video cannot be decoded."""
    try:
        yield
    except (av.FFmpegError, OSError, IndexError) as error:
        raise Damaged(f"{path} cannot be decoded ({error}): delete it and run again.") from error


def _numbered(container: InputContainer, stream: VideoStream, numbers: range) -> Iterator[VideoFrame]:
    """The frames of these ascending numbers, as far as they are there: frame k is the one that is shown at k/25 s."""
    container.seek(numbers.start * (av.time_base // FPS))
    for frame in container.decode(stream):
        number = -1 if frame.time is None else round(frame.time * FPS)
        if number in numbers:
            yield frame
        if number >= numbers.stop - 1:
            return


def _miscounted(path: Path, numbers: range | None, expected: int | None) -> Damaged:
    if numbers is None:
        return Damaged(f"{path} does not hold {expected} frames: delete it and run normalize again.")
    return Damaged(f"{path} has no frames {numbers.start} to {numbers.stop - 1}: delete it and run again.")


def count_frames(path: Path) -> int:
    """Frames of a video, counted by its packets, without decoding."""
    with open_container(regular(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))

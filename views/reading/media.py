"""Sound and pictures of a normalized video by frame number, without reading what lies before."""

from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.frames import FPS, SIZE
from portrait_prep.media.wav import HEADER, RATE, SAMPLES_PER_FRAME
from portrait_prep.views.reading.files import File

FRAME_BYTES = 2 * SAMPLES_PER_FRAME


def open_sound(path: Path, frames: int) -> File:
    """Open a wav. Raises Damaged unless it is 16 kHz mono PCM16 with 640 samples for each of so many frames.

    The header is the canonical one of 44 bytes, which the normalize stage writes.
    """
    try:
        file = File(path)
    except FileNotFoundError as error:
        raise Damaged(f"{path} is gone: run again.") from error
    header = file.read(0, HEADER)
    form = (header[:4], header[8:16], *np.frombuffer(header, "<u2", 2, 20), *np.frombuffer(header, "<u4", 1, 24))
    told = int.from_bytes(header[40:44], "little")
    if form != (b"RIFF", b"WAVEfmt ", 1, 1, RATE) or not told == file.status.st_size - HEADER == frames * FRAME_BYTES:
        raise Damaged(f"{path} is not 16 kHz mono PCM16 of {frames} frames with 640 samples each: normalize again.")
    return file


def read_sound(file: File, first: int, frames: int) -> NDArray[np.int16]:
    """The samples of frames `first` to `first + frames - 1`, int16 [frames, 640]: sample 640k begins frame k."""
    samples = np.empty((frames, SAMPLES_PER_FRAME), "<i2")
    file.read_into(samples, HEADER + first * FRAME_BYTES)
    return samples


def read_images(path: Path, first: int, frames: int, size: int = SIZE) -> NDArray[np.uint8]:
    """Frames `first` to `first + frames - 1` of a 25 fps video, RGB uint8 [frames, size, size, 3].

    Decodes from the key frame before, so that the cost does not grow with the length of the video. Raises Damaged.
    """
    images = np.empty((frames, size, size, 3), np.uint8)
    found = 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            container.seek(first * (av.time_base // FPS))
            convert = VideoReformatter().reformat
            for frame in container.decode(stream):
                number = -1 if frame.time is None else round(frame.time * FPS)
                if first <= number < first + frames:
                    images[number - first] = convert(frame, width=size, height=size, format="rgb24").to_ndarray()
                    found += 1
                if number >= first + frames - 1:
                    break
    except (av.FFmpegError, OSError, IndexError) as error:
        raise Damaged(f"{path} cannot be decoded ({error}): delete it and run again.") from error
    if found != frames:
        raise Damaged(f"{path} has no frames {first} to {first + frames - 1}: delete it and run again.")
    return images

"""Writing an mp4 for people and programs: frames and their sound in step, one frame at a time."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from portrait_prep.media.picture import FPS, SIZE, Image
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME, Pcm

VIDEO_OPTIONS = {"preset": "veryfast", "crf": "18", "threads": "1"}
SOUND_BITS = 96_000
BT709 = 1
"""Code point of its primaries, transfer and matrix (ITU-T H.273, 8)."""


class Mp4Writer:
    """H.264 of `size` x `size` px at 25 fps, BT.709, and AAC, both from zero on. To be used as a context.

    The same frames and samples give the same bytes. Raises OSError where the file cannot be written.
    """

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._video = _video_stream(self._container, size)
        self._voice = self._container.add_stream("aac", rate=RATE, layout="mono")
        self._voice.bit_rate = SOUND_BITS
        self._convert = VideoReformatter().reformat
        self._frames = 0

    def add(self, image: Image, samples: Pcm) -> None:
        """Add a frame, RGB uint8 [size, size, 3], and its samples, int16 [1, 640]."""
        frame = self._convert(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts = self._frames
        self._container.mux(self._video.encode(frame))
        self._container.mux(self._voice.encode(_audio_frame(samples, self._frames)))
        self._frames += 1

    def __enter__(self) -> Self:
        self._container.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._video.encode(None))
                self._container.mux(self._voice.encode(None))
        finally:
            self._container.__exit__(kind, error, trace)


def write_mp4(path: Path, frames: Iterable[Image], sound: Iterable[Pcm]) -> None:
    """Write frames of 512 x 512 px, each with its samples, as `Mp4Writer` does. Raises OSError as it does."""
    with Mp4Writer(path) as writer:
        for image, samples in zip(frames, sound, strict=True):
            writer.add(image, samples)


def _video_stream(container: OutputContainer, size: int) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options=VIDEO_OPTIONS)
    stream.width = stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = ColorRange.MPEG
    return stream


def _audio_frame(samples: Pcm, number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = RATE
    frame.time_base = Fraction(1, RATE)
    frame.pts = number * SAMPLES_PER_FRAME
    return frame

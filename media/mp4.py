"""Writing a video for people to watch: frames and their sound in step, one frame at a time."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from portrait_prep.media.picture import FPS, SIZE, Image
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME, Pcm

VIDEO_OPTIONS = {"preset": "veryfast", "crf": "18", "threads": "1"}
SOUND_BITS = 96_000


def write_mp4(path: Path, frames: Iterable[Image], sound: Iterable[Pcm]) -> None:
    """Write H.264 of 512 x 512 px at 25 fps and AAC, both from zero on: each frame with its samples, int16 [1, 640].

    Raises OSError when it cannot be written.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = _video_stream(container)
        voice = container.add_stream("aac", rate=RATE, layout="mono")
        voice.bit_rate = SOUND_BITS
        for number, (image, samples) in enumerate(zip(frames, sound, strict=True)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
            container.mux(voice.encode(_audio_frame(samples, number)))
        container.mux(video.encode(None))
        container.mux(voice.encode(None))


def _video_stream(container: OutputContainer) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options=VIDEO_OPTIONS)
    stream.width = stream.height = SIZE
    stream.pix_fmt = "yuv420p"
    return stream


def _audio_frame(samples: Pcm, number: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = RATE
    frame.time_base = Fraction(1, RATE)
    frame.pts = number * SAMPLES_PER_FRAME
    return frame

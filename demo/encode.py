"""Frames and a voice into a video file, by the static ffmpeg: one codec, container and clock per clip."""

import tempfile
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.voice import RATE
from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.files import TEMPORARY
from portrait_prep.media.picture import Image

TICKS = 90_000
"""Ticks a second of a variable clock."""
RHYTHM = 0.4
"""Radians a frame by which a variable clock speeds up and slows down."""


@dataclass(frozen=True)
class Format:
    """How a clip is stored. `video` and `audio` are ffmpeg's options; no `audio`, no sound track.

    `wobble` > 0 makes the frame rate variable: frames come up to so many seconds early or late. `turned` stores the
    picture lying on its side with a rotation tag. `squeezed` is the stored width of a picture with non-square pixels.
    The sound track starts `delay` seconds after the picture.
    """

    suffix: str
    rate: Fraction
    video: Mapping[str, str]
    audio: Mapping[str, str] = field(default_factory=dict)
    wobble: float = 0.0
    turned: bool = False
    squeezed: int | None = None
    delay: float = 0.0

    def times(self, seconds: float) -> NDArray[np.float64]:
        """When each frame of a clip is shown, in seconds."""
        frames = np.arange(round(seconds * self.rate))
        return np.asarray(frames / float(self.rate) + self.wobble * np.sin(RHYTHM * frames))


def encode(path: Path, frames: Iterable[Image], size: tuple[int, int], sound: NDArray[np.int16], form: Format) -> None:
    """Write RGB frames of `size` (width, height) and 48 kHz mono sound to `path`; the same input gives the same bytes.

    Raises MissingPrerequisite when ffmpeg cannot write the file.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=TEMPORARY) as folder:
        streams = [_picture(size, form)]
        if form.audio:
            streams.append(_sound(Path(folder) / "voice.wav", sound, form.delay))
        command = ffmpeg.output(*streams, str(path), **_options(size, form)).global_args("-nostdin", "-v", "error")
        process = command.overwrite_output().run_async(
            cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdin=True, pipe_stderr=True
        )
        try:
            for frame in frames:
                process.stdin.write(frame.tobytes())
        except BrokenPipeError:
            pass  # ffmpeg gave up; its own words follow
        finally:
            _, log = process.communicate()
    if process.returncode:
        reason = log.decode(errors="replace").strip().rpartition("\n")[2]
        raise MissingPrerequisite(f"ffmpeg could not write {path.name}: {reason}; 'portrait-prep doctor' says more.")


def _picture(size: tuple[int, int], form: Format) -> ffmpeg.Stream:
    tag = {"noautorotate": None, "display_rotation:v": 90} if form.turned else {}
    raw = {"format": "rawvideo", "pix_fmt": "rgb24", "video_size": size, "framerate": form.rate}
    return ffmpeg.input("pipe:", **raw, **tag)


def _sound(path: Path, sound: NDArray[np.int16], delay: float) -> ffmpeg.Stream:
    with wave.open(str(path), "wb") as track:
        track.setnchannels(1)
        track.setsampwidth(2)
        track.setframerate(RATE)
        track.writeframes(sound[round(delay * RATE) :].astype("<i2").tobytes())
    return ffmpeg.input(str(path), itsoffset=delay)


def _options(size: tuple[int, int], form: Format) -> dict[str, str | int]:
    """ffmpeg's options besides its inputs; bit-exact, so that no date and no version gets into the file."""
    exact: dict[str, str | int] = {
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
        "flags:a": "+bitexact",
        "map_metadata": -1,
    }
    clock = {"fps_mode": "passthrough", "enc_time_base:v": f"1:{TICKS}"} if form.wobble else {}
    filters = {"filter:v": ",".join(_filters(size, form))}
    return {"threads": 1, "pix_fmt": "yuv420p", **form.video, **form.audio, **exact, **clock, **filters}


def _filters(size: tuple[int, int], form: Format) -> list[str]:
    filters = []
    if form.squeezed:
        filters += [f"scale={form.squeezed}:{size[1]}", f"setsar={Fraction(size[0], form.squeezed)}"]
    if form.turned:
        filters.append("transpose=clock")
    if form.wobble:
        filters += [f"settb=1/{TICKS}", f"setpts=(N/({form.rate})+{form.wobble}*sin({RHYTHM}*N))/TB"]
    return filters or ["null"]

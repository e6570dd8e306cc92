"""The stage `normalize` run on a clip, and what came out of it read by other means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.video import Video
from portrait_prep.stages.normalize import STAGE, NormalizeParams
from tests.clips import Image, number_of, portrait
from tests.memory_job import MemoryJob, collect

FACE = portrait(192, 192)
SECOND = 16000
QUICK = NormalizeParams(preset="ultrafast", samples=6)


@dataclass(frozen=True)
class Normalized:
    """What came out, read by PyAV and by hand."""

    row: dict[str, Any]
    metrics: dict[str, Any]
    mp4: Path
    wav: bytes

    @cached_property
    def frames(self) -> list[Image]:
        with av.open(str(self.mp4)) as container:
            return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]

    @property
    def numbers(self) -> list[int]:
        return [number_of(frame) for frame in self.frames]

    @property
    def sound(self) -> NDArray[np.int16]:
        return np.frombuffer(self.wav[44:], "<i2").astype(np.int16)

    @property
    def box(self) -> list[int]:
        return [int(self.row[f"crop_{edge}"]) for edge in "xywh"]


DOWNLOADED: Mapping[str, str | None] = {"file": "v", "sha256": "abc", "sound_file": None, "sound_sha256": "def"}
"""What the stage before says, by column."""


def normalize(
    path: Path,
    folder: Path,
    params: NormalizeParams = QUICK,
    downloaded: Mapping[str, str | None] = DOWNLOADED,
    **catalogue: Any,
) -> Normalized:
    """Run the stage and check what must hold for every video."""
    folder.mkdir(exist_ok=True)
    video = Video(video_id="v", corpus="folder", subject="s", **({"source": str(path)} | catalogue))
    columns = {f"download.{name}": np.array([value], object) for name, value in downloaded.items()}
    job = MemoryJob(params, folder, source=path, video=video, columns=columns)
    row = {name: values[0] for name, values in collect(STAGE, job).items()}
    frames = check_mp4(job.outputs["mp4"])
    assert row["n_frames"] == job.frames == job.metrics["n_frames"] == frames
    check_wav(job.outputs["wav"], 640 * frames)
    return Normalized(row, job.metrics, job.outputs["mp4"], job.outputs["wav"].read_bytes())


def check_mp4(path: Path) -> int:
    """512x512 square pixels, a frame at each 1/25 s; returns their number."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.base_rate) == (Fraction(25), Fraction(25))
        assert stream.sample_aspect_ratio == 1
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        shown = [(frame.time, frame.width, frame.height) for frame in container.decode(stream)]
    np.testing.assert_allclose([time for time, _, _ in shown], np.arange(len(shown)) / 25, atol=1e-6)
    assert {(width, height) for _, width, height in shown} == {(512, 512)}
    return len(shown)


def check_wav(path: Path, samples: int) -> None:
    """16 kHz mono PCM16 behind the canonical header of 44 bytes."""
    with av.open(str(path)) as container:
        track = container.streams.audio[0]
        assert (track.codec_context.name, track.sample_rate, track.channels) == ("pcm_s16le", SECOND, 1)
    data = path.read_bytes()
    assert len(data) == 44 + 2 * samples
    assert data[4:8] == (len(data) - 8).to_bytes(4, "little")
    assert data[36:44] == b"data" + (2 * samples).to_bytes(4, "little")


def peak_near(sound: NDArray[np.int16], sample: float, reach: int = 320) -> int:
    """Where the loudest sample around `sample` is."""
    start = max(round(sample) - reach, 0)
    return start + int(np.abs(sound[start : round(sample) + reach].astype(int)).argmax())


def make_still(path: Path, image: Image, seconds: float = 0.6) -> Path:
    """A clip of one unmarked picture."""
    height, width = image.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "12"})
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        for _ in range(round(25 * seconds)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def reference_cut(image: Image, x: int, y: int, w: int, h: int) -> NDArray[np.int64]:
    """The square cut out with OpenCV, black beyond the picture."""
    height, width = image.shape[:2]
    canvas = np.zeros((h, w, 3), np.uint8)
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    canvas[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return cv2.resize(canvas, (512, 512), interpolation=cv2.INTER_AREA if w > 512 else cv2.INTER_CUBIC).astype(np.int64)


def tone(channels: Sequence[float], rate: int = 16000, seconds: float = 1.5) -> NDArray[np.int16]:
    wave = 20000 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)
    return np.asarray(np.rint(wave[:, None] * np.array(channels)), np.int16)


def overwritten(data: bytes, share: float, length: int) -> bytes:
    """The same with random bytes in the middle of the media data."""
    start = data.index(b"mdat") + 4
    at = start + round((len(data) - start) * share)
    return data[:at] + np.random.default_rng(0).bytes(length) + data[at + length :]

"""Clips for tests: a public-domain portrait whose every frame carries its number, with clicks in the sound."""

import subprocess
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import skimage.data
from numpy.typing import NDArray

SHARED = Path(__file__).parents[1].parent / "shared"
BITS = 10
CLOCK = Fraction(1, 90000)
Image = NDArray[np.uint8]


@lru_cache
def portrait(width: int, height: int, face: float = 0.36, at: tuple[float, float] = (0.5, 0.5)) -> Image:
    """RGB [height, width, 3]: the face is `face` times the shorter side large, its middle at `at` (shares)."""
    scale = face * min(width, height) / 112
    x, y = at[0] * width - 220 * scale, at[1] * height - 117 * scale
    image = cv2.warpAffine(
        skimage.data.astronaut(),
        np.array([[scale, 0, x], [0, scale, y]]),
        (width, height),
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(image, np.uint8)


def numbered(image: Image, number: int) -> Image:
    """A copy with `number` in black and white blocks along the bottom."""
    height, width = image.shape[:2]
    marked = image.copy()
    edges = np.linspace(0, width, BITS + 1).astype(int)
    for bit, (left, right) in enumerate(pairwise(edges)):
        marked[height * 7 // 8 :, left:right] = 255 * (number >> bit & 1)
    return marked


def number_of(image: Image) -> int:
    """Read it back."""
    height, width = image.shape[:2]
    middles = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    bits = image[height * 15 // 16, middles].mean(axis=1) > 127
    return int((bits << np.arange(BITS)).sum())


def clicks(seconds: float, rate: int, times: Sequence[float]) -> NDArray[np.int16]:
    """Silence [samples, 1] with one strong sample at each of `times`."""
    samples = np.zeros((round(seconds * rate), 1), np.int16)
    samples[np.round(np.array(times) * rate).astype(int)] = 30000
    return samples


def write_clip(
    path: Path,
    times: Sequence[float],
    image: Image,
    *,
    sound: NDArray[np.int16] | None = None,
    sound_start: float = 0.0,
    rate: int = 48000,
    codec: str = "libx264",
    audio_codec: str = "aac",
    clock: Fraction = CLOCK,
) -> Path:
    """Write numbered frames at `times` (seconds) and `sound` [samples, channels] from `sound_start` on."""
    height, width = image.shape[:2]
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(codec, rate=25, options={"preset": "ultrafast", "crf": "20"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = video.time_base = clock
        audio: Any = None
        if sound is not None:
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.shape[1]]
            audio = container.add_stream(audio_codec, rate=rate, layout=layout)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(image, number), format="rgb24")
            frame.pts, frame.time_base = round(time / clock), clock
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if audio is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=audio.layout)
            block.sample_rate, block.pts, block.time_base = rate, round(sound_start * rate), Fraction(1, rate)
            for packet in (*audio.encode(block), *audio.encode()):
                container.mux(packet)
    return path


def steady(rate: float, seconds: float) -> list[float]:
    """Times of frames at a constant rate."""
    return [number / rate for number in range(round(rate * seconds))]


def make(*arguments: str | Path) -> None:
    """Run ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)

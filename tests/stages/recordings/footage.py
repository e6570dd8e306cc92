"""Recordings made for tests: shots joined by cuts, dissolves and fades, with the truth of every frame.

Pictures come from clips, from the demo's animator, or from FFmpeg's test sources. What disturbs a shot without ending
it (a flash, a caption, a hand before the lens, light, motion of the camera) is laid over its pictures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count, islice, repeat
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.animator import Animator, crop, portrait
from portrait_prep.demo.motion import perform
from portrait_prep.demo.voice import Voice
from portrait_prep.media.picture import Image
from portrait_prep.stages.models.mediapipe import FaceMesh

Pictures = Iterator[Image]


@dataclass(frozen=True)
class Join:
    """How a shot follows the one before: by a cut, or over `frames` that show both, or black between both.

    `wiped` by an edge that sweeps over the picture from left to right.
    """

    frames: int = 0
    through_black: bool = False
    wiped: bool = False

    def mix(self, before: Image, after: Image, number: int) -> Image:
        """The frame `number` of the join."""
        share = (number + 1) / (self.frames + 1)
        if self.wiped:
            edge = round(share * after.shape[1])
            return np.hstack([after[:, :edge], before[:, edge:]])
        if not self.through_black:
            return _blend(before, after, share)
        return _blend(before if share < 0.5 else after, np.zeros_like(after), 1 - abs(2 * share - 1))


CUT = Join()


@dataclass(frozen=True)
class Shot:
    """`frames` during which it alone is seen, after `join`; `pictures` must have more where it takes part in joins."""

    pictures: Pictures
    frames: int
    join: Join = CUT


@dataclass(frozen=True)
class Truth:
    """What is true of a made recording, in numbers of frames."""

    shots: tuple[range, ...]
    """Frames that show one shot alone."""

    joins: tuple[range, ...]
    """Of all shots but the first, the frames that belong to it and to the one before; none of a cut."""

    @property
    def cuts(self) -> list[int]:
        """The first frame of each shot that follows upon a cut."""
        return [join.start for join in self.joins if not join]

    @property
    def gradual(self) -> list[range]:
        """The frames of each dissolve and fade."""
        return [join for join in self.joins if join]


def frames_of(shots: Sequence[Shot]) -> Pictures:
    """All frames of a recording."""
    for number, shot in enumerate(shots):
        if number:
            before = shots[number - 1].pictures
            for blended in range(shot.join.frames):
                yield shot.join.mix(next(before), next(shot.pictures), blended)
        yield from islice(shot.pictures, shot.frames)


def truth_of(shots: Sequence[Shot]) -> Truth:
    """Where they lie."""
    joins, alone, reached = [], [], 0
    for number, shot in enumerate(shots):
        begin = reached + (shot.join.frames if number else 0)
        if number:
            joins.append(range(reached, begin))
        reached = begin + shot.frames
        alone.append(range(begin, reached))
    return Truth(tuple(alone), tuple(joins))


def write(
    path: Path,
    pictures: Pictures,
    size: tuple[int, int],
    fps: Fraction = Fraction(25),
    options: dict[str, str] | None = None,
    sound: NDArray[np.int16] | None = None,
) -> Path:
    """Encode pictures, and 16 kHz mono `sound` [samples] beside them; by default as a phone or a site would."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=fps, options=options or {"preset": "veryfast", "crf": "26"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio: Any = None if sound is None else container.add_stream("aac", rate=16000, layout="mono")
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(covering(picture, size), format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            block = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = 16000, 0, Fraction(1, 16000)
            container.mux([*audio.encode(block), *audio.encode()])
    return path


def covering(picture: Image, size: tuple[int, int]) -> Image:
    """A picture scaled to cover `size` = (width, height); what stands out is cut off, less of it above than below."""
    width, height = size
    scale = max(width / picture.shape[1], height / picture.shape[0])
    left, top = (picture.shape[1] * scale - width) / 2, (picture.shape[0] * scale - height) / 4
    if (scale, left, top) == (1, 0, 0):
        return picture
    return _moved(picture, scale, left, top, size)


def fitting(picture: Image, size: tuple[int, int]) -> Image:
    """A picture scaled to fit into `size` = (width, height), in the middle of grey."""
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    fitted, left, top = np.full((height, width, 3), 90, np.uint8), (width - inner[0]) // 2, (height - inner[1]) // 2
    fitted[top : top + inner[1], left : left + inner[0]] = covering(picture, inner)
    return fitted


# Where pictures come from


def of_clip(path: Path, start: int = 0) -> Pictures:
    """A clip's frames from one on, at its own rate or whatever it is written with; forth and back without an end."""
    with av.open(str(path)) as container:
        pictures = [
            frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in islice(container.decode(video=0), 400)
        ]
    there_and_back = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    return (pictures[there_and_back[number % len(there_and_back)]] for number in count(start))


def of_animator(subject: str, size: tuple[int, int], seed: int = 0, fps: float = 25, seconds: float = 20) -> Pictures:
    """The demo's portrait, talking and turning."""
    still = crop(portrait(subject), (96, 0, 288, 288), (size[1], size[1]))
    animator = Animator(still, FaceMesh(tracking=False)(still)[0])
    times = np.arange(round(seconds * fps)) / fps
    return (covering(animator.frame(pose), size) for pose in perform(times, Voice(seconds, 200.0, seed), seed))


def of_source(name: str, size: tuple[int, int], fps: float = 25) -> Pictures:
    """One of FFmpeg's moving test sources (testsrc2, mandelbrot, life, …), without an end."""
    with av.open(f"{name}=size={size[0]}x{size[1]}:rate={fps}", format="lavfi") as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8)


def of_still(picture: Image) -> Pictures:
    """The same picture, without an end."""
    return repeat(picture)


# What disturbs a shot and does not end it

Change = Callable[[Image, int], Image]
"""A picture, and how many frames ago the disturbance began."""


def disturbed(pictures: Pictures, change: Change, start: int, frames: int | None = None) -> Pictures:
    """Pictures, changed from the frame `start` on, for so many frames or to the end."""
    before = islice(pictures, start)
    if frames is None:
        return chain(before, (change(picture, number) for number, picture in enumerate(pictures)))
    during = (change(picture, number) for number, picture in enumerate(islice(pictures, frames)))
    return chain(before, during, pictures)


def flash(strength: float = 0.8) -> Change:
    """The light of a photographer's flash."""
    return lambda picture, number: _blend(picture, np.full_like(picture, 255), strength * 0.6**number)


def light(to: float, frames: int = 1) -> Change:
    """The picture becomes `to` times as bright within so many frames, and stays so."""
    return lambda picture, number: cv2.convertScaleAbs(picture, alpha=1 + (to - 1) * min((number + 1) / frames, 1))  # type: ignore[return-value]


def caption(text: str = "Somebody, who speaks") -> Change:
    """A band with a name, that pops in."""

    def change(picture: Image, number: int) -> Image:
        height, width = picture.shape[:2]
        drawn = picture.copy()
        top, bottom = height * 3 // 4, height * 9 // 10
        drawn[top:bottom, width // 12 : width * 2 // 3] = (20, 30, 120)
        at = (width // 10, (top + bottom) // 2 + height // 40)
        return np.asarray(
            cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_DUPLEX, height / 500, (255, 255, 255), 1), np.uint8
        )

    return change


def hand(frames: int = 14, reach: float = 0.75) -> Change:
    """Something of the colour of skin, out of focus, comes up before the lens and goes down again."""

    def change(picture: Image, number: int) -> Image:
        height, width = picture.shape[:2]
        up = np.sin(np.pi * (number + 1) / (frames + 1)) * reach
        mask = np.zeros((height, width), np.float32)
        centre = (int(width * 0.55), int(height * (1.25 - up)))
        cv2.ellipse(mask, centre, (int(width * 0.28), int(height * 0.55)), 15, 0, 360, 1.0, -1)
        share = np.asarray(cv2.GaussianBlur(mask, (0, 0), height / 60))[..., None]
        return np.asarray(picture * (1 - share) + share * np.array([196, 150, 128]), np.uint8)

    return change


def pan(pixels: float, zoom: float = 1.4) -> Change:
    """The camera, nearer by `zoom`, swings by so many pixels a frame, there and back."""

    def change(picture: Image, number: int) -> Image:
        height, width = picture.shape[:2]
        room = width * (zoom - 1)
        way = (number * pixels) % (2 * room)
        return _moved(picture, zoom, min(way, 2 * room - way), height * (zoom - 1) / 2, (width, height))

    return change


def shaken(pixels: float, seed: int = 0, zoom: float = 1.1) -> Change:
    """A camera in the hand: so many pixels, standard deviation, every way in every frame."""

    def change(picture: Image, number: int) -> Image:
        height, width = picture.shape[:2]
        x, y = np.random.default_rng((seed, number)).normal(0, pixels, 2)
        left, top = np.clip(width * (zoom - 1) / 2 + x, 0, width * (zoom - 1)), height * (zoom - 1) / 2 + y
        return _moved(picture, zoom, float(left), float(np.clip(top, 0, height * (zoom - 1))), (width, height))

    return change


def nearer(zoom: float) -> Change:
    """The same scene, cropped to its upper middle: what editors do to hide a jump."""
    return lambda picture, number: _moved(
        picture,
        zoom,
        picture.shape[1] * (zoom - 1) / 2,
        picture.shape[0] * (zoom - 1) / 3,
        (picture.shape[1], picture.shape[0]),
    )


def _moved(picture: Image, scale: float, left: float, top: float, size: tuple[int, int]) -> Image:
    """Scaled, then cut out from there."""
    matrix = np.array([[scale, 0, -left], [0, scale, -top]])
    flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _blend(one: Image, other: Image, share: float) -> Image:
    return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0), np.uint8)

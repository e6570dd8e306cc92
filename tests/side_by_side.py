"""Dialogs for tests, as IEMOCAP films them: two people side by side, each in a half; who speaks moves the mouth.

720x480 at 29.97 frames a second, MPEG-4 in AVI at 1.2 Mbit/s; two pictures of 360x240 in its middle, black above and
below.
"""

import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from portrait_prep.demo.animator import Animator, crop, portrait
from portrait_prep.demo.motion import Pose, perform
from portrait_prep.demo.voice import RATE as VOICE_RATE
from portrait_prep.demo.voice import Voice
from portrait_prep.manifests.corpora.iemocap.catalogue import half
from portrait_prep.manifests.video import Video
from portrait_prep.stages.models.mediapipe import FaceMesh, face_detector

Image = NDArray[np.uint8]
Sound = NDArray[np.int16]
Person = Callable[[float], Image]
"""From a moment in seconds to RGB [240, 360, 3]."""

FPS = Fraction(30000, 1001)
RATE = 16000
WIDTH, HEIGHT = 360, 240
TURNS = ((0.0, 2.5, "F"), (2.5, 5.0, "M"))
SECONDS = 5.0
FACE = 70.0
"""Height in px of a filmed person's face."""


@cache
def _mesh() -> FaceMesh:
    return FaceMesh(tracking=False)


@cache
def speech(speaker: str, begin: float, end: float) -> Voice:
    """What a drawn speaker says in a turn."""
    return Voice(end - begin, {"F": 210.0, "M": 120.0}[speaker], seed=round(10 * begin))


def drawn(subject: str, speaker: str | None) -> Person:
    """The portrait of a subject of the demo, which talks in the turns of the speaker and always moves its head."""
    still = crop(portrait(subject), (0, 0, 512, 341), (WIDTH, HEIGHT))
    animator = Animator(still, _mesh()(still)[0])
    seed = len(subject)

    def at(time: float) -> Image:
        pose = perform(np.array([time]), Voice(60, 100, 0), seed)[0]
        mouth = 0.0
        for begin, end, who in TURNS:
            if who == speaker and begin <= time < end:
                mouth = float(speech(who, begin, end).opening(np.array([time - begin]))[0])
        return animator.frame(Pose(**{**vars(pose), "yaw": pose.yaw / 2, "roll": pose.roll / 2, "mouth": mouth}))

    return at


def filmed(clip: Path, speaker: str | None) -> Person:
    """A real person, whose clip runs in the turns of the speaker; else its first picture, moved about."""
    pictures, rate = _pictures(clip)
    scale, middle = _face(pictures[0])

    def at(time: float) -> Image:
        talking = any(who == speaker and begin <= time < end for begin, end, who in TURNS)
        number = round(time * rate) % len(pictures) if talking else 0
        turn = cv2.getRotationMatrix2D(middle, 0 if talking else 4 * np.sin(2.5 * time), scale)
        sway = (0, 0) if talking else (4 * np.sin(2 * time), 3 * np.sin(3.3 * time) + np.sin(7 * time))
        turn[:, 2] += np.array([WIDTH / 2, HEIGHT / 2]) - middle + sway
        small = cv2.GaussianBlur(pictures[number], (0, 0), 0.4 / scale)
        moved = cv2.warpAffine(small, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)

    return at


def _pictures(clip: Path) -> tuple[list[Image], float]:
    with av.open(str(clip)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in container.decode(video=0)], rate


def _face(picture: Image) -> tuple[float, tuple[float, float]]:
    """The scale that makes the largest face as high as FACE, and its middle."""
    x, y, width, height = max(face_detector()(picture).tolist(), key=lambda face: float(face[2]))[:4]
    return FACE / height, (x + width / 2, y + height / 2)


def nobody(time: float) -> Image:
    """A wall, on which a light goes on and off."""
    return np.full((HEIGHT, WIDTH, 3), 100 + 40 * np.sin(9 * time), np.uint8)


def write_dialog(path: Path, left: Person, right: Person, seconds: float = SECONDS, sound: Sound | None = None) -> Path:
    """Write so much of the two; `sound` [samples] 16 kHz mono makes a track of its own."""
    with av.open(str(path), "w", format="avi") as container:
        video: Any = container.add_stream("mpeg4", rate=FPS, options={"g": "250"})
        video.width, video.height, video.pix_fmt, video.bit_rate = 2 * WIDTH, 480, "yuv420p", 1_200_000
        track: Any = None if sound is None else container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number in range(round(seconds * FPS)):
            time = float(number / FPS)
            picture = np.zeros((480, 2 * WIDTH, 3), np.uint8)
            picture[120:360] = np.hstack([left(time), right(time)])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / FPS
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None:
            block = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE, 0, Fraction(1, RATE)
            for packet in (*track.encode(block), *track.encode()):
                container.mux(packet)
    return path


def spoken(turn: tuple[float, float, str]) -> Sound:
    """The sound of a drawn speaker's turn, 16 kHz."""
    begin, end, speaker = turn
    loud = resample_poly(speech(speaker, begin, end).samples().astype(float), RATE, VOICE_RATE)
    return np.asarray(np.clip(loud, -32768, 32767), np.int16)


def recorded(clip: Path, begin: float, end: float) -> Sound:
    """The sound of a clip between two moments, 16 kHz mono; it begins anew at its end."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(clip)) as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    return np.asarray(np.resize(samples, round(end * RATE))[round(begin * RATE) :], np.int16)


def write_wav(path: Path, samples: Sound) -> Path:
    """16 kHz mono PCM16."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def rows(source: Path, sounds: Sequence[Path | None], left: str = "F") -> list[Video]:
    """The catalogue's rows of as many turns as there are sounds, if `left` says who sits on the left."""
    return [
        Video(
            video_id=f"{source.stem}_{who}{number:03d}",
            corpus="iemocap",
            subject=f"Ses01{who}",
            shard="iemocap-00000",
            source=str(source),
            sound=sound and str(sound),
            start=begin,
            end=end,
            crop_x=x,
            crop_y=y,
            crop_w=w,
            crop_h=h,
            source_height=480,
        )
        for number, ((begin, end, who), sound) in enumerate(zip(TURNS, sounds, strict=False))
        for x, y, w, h in (half((2 * WIDTH, 480), "left" if who == left else "right"),)
    ]

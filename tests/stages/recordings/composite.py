"""A recording with all that one may be made of, from the shared clips, and where in it somebody is seen and speaks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS, Image
from portrait_prep.media.source_sound import read_samples
from portrait_prep.media.wav import FULL_SCALE, RATE
from tests.clips import SHARED
from tests.stages.recordings import footage
from tests.stages.recordings.footage import Join, Pictures, Shot, Truth, covering, fitting, of_source, of_still

CLIPS = SHARED / "data" / "clips"
SIZE = (640, 360)
HALF = (SIZE[0] // 2, SIZE[1])
SOUND = RATE // FPS
"""Samples of a frame."""

Samples = NDArray[np.float64]
ANN, BEA, EVA = "WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000", "fullhd_demo1"
"""They speak; who is in these does not."""
LISTENER, GRAVE, CHEERFUL = "portrait_d14", "portrait_d19", "portrait_d0"


@dataclass(frozen=True)
class Scene:
    """A shot with its sound, and why it is not kept; where it is, `speaker` is the middle of the face (share of the
    width) and `other` that of somebody else."""

    shot: Shot
    sound: Samples
    reason: str | None = None
    speaker: float = 0.5
    other: float | None = None


def scenes() -> list[Scene]:
    """All of it; the pictures can be taken once."""
    return [
        Scene(Shot(_fitted(ANN), 150), voice(ANN)),
        Scene(Shot(of_source("mandelbrot", SIZE), 75, Join(15)), voice(BEA), "no face"),
        Scene(Shot(_beside(BEA, LISTENER), 140), voice(BEA), speaker=0.25, other=0.75),
        Scene(Shot(of_still(next(_covered(EVA))), 100, Join(12, through_black=True)), voice(ANN), "not alive"),
        Scene(Shot(_fitted(GRAVE), 75), np.zeros(0), "silent"),
        Scene(Shot(_fitted(CHEERFUL), 75, Join(20)), chords(4), "silent"),
        Scene(Shot(_covered(EVA), 150, Join(15, wiped=True)), voice(EVA)),
        Scene(Shot(_fitted(GRAVE), 90), voice(EVA), "off screen"),
        Scene(Shot(_beside(LISTENER, ANN), 130, Join(10)), voice(ANN), speaker=0.75, other=0.25),
    ]


def write(path: Path, made: Sequence[Scene]) -> Truth:
    """Encode them one after another; what is true of their frames."""
    shots = [scene.shot for scene in made]
    truth = footage.truth_of(shots)
    sound = np.zeros(truth.shots[-1].stop * SOUND)
    for scene, alone in zip(made, truth.shots, strict=True):
        begin, end = (alone.start - scene.shot.join.frames) * SOUND, alone.stop * SOUND
        said = scene.sound[: end - begin]
        sound[begin : begin + len(said)] = said
    pcm = np.asarray(sound * (FULL_SCALE - 1), np.int16)
    footage.write(path, footage.frames_of(shots), SIZE, sound=pcm)
    return truth


def voice(name: str) -> Samples:
    """What is heard in a clip."""
    return read_samples(CLIPS / f"{name}.mp4", 0, 12).astype(np.float64)


def chords(seconds: int) -> Samples:
    """Four notes a second, and a drum."""
    times = np.arange(seconds * RATE) / RATE
    beat = times % 1
    notes = sum(np.sin(2 * np.pi * 220 * step * 2 ** (times // 1 / 6) * beat) for step in (1, 1.25, 1.5, 2))
    drum = np.random.default_rng(0).normal(0, 1, len(times)) * np.exp(-(times % 0.5) * 60)
    return np.asarray(0.08 * notes * np.exp(-1.5 * beat) + 0.2 * drum)


def _shown(name: str, show: Callable[[Image, tuple[int, int]], Image], size: tuple[int, int]) -> Pictures:
    return (show(picture, size) for picture in footage.of_clip(CLIPS / f"{name}.mp4"))


def _fitted(name: str) -> Pictures:
    return _shown(name, fitting, SIZE)


def _covered(name: str) -> Pictures:
    return _shown(name, covering, SIZE)


def _beside(left: str, right: str) -> Iterator[Image]:
    sides = zip(_shown(left, covering, HALF), _shown(right, covering, HALF), strict=True)
    return (np.hstack(pair) for pair in islice(sides, 400))

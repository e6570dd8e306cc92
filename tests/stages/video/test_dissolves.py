"""Dissolves, and what is none: light, motion, and what people do."""

from collections.abc import Callable, Sequence
from itertools import islice, permutations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.stages.video.dissolves import Dissolves
from portrait_prep.stages.video.sampled import sampled
from tests.clips import portrait
from tests.whole.runs import CLIPS

RANDOM = np.random.default_rng(0)
ONE, OTHER = (
    cv2.resize(RANDOM.integers(low, high, (24, 24, 3)).astype(np.uint8), (768, 768)).astype(np.uint8)
    for low, high in ((60, 255), (0, 190))
)
BEFORE, AFTER = ONE[:512, :512], OTHER[:512, :512]


def found(frames: Sequence[Image]) -> list[int]:
    counter = Dissolves()
    for frame in frames:
        counter.add(sampled(frame))
    return counter.frames


def steps(frames: int, start: int, length: int) -> NDArray[np.float64]:
    return np.clip((np.arange(frames) - start) / length, 0, 1)


def mixed(one: Sequence[Image], other: Sequence[Image], length: int) -> list[Image]:
    """The middle `length` frames turn from the one into the other."""
    shares = steps(len(one), (len(one) - length) // 2, length)
    return [(a * (1 - share) + b * share).astype(np.uint8) for a, b, share in zip(one, other, shares, strict=True)]


@pytest.mark.parametrize("length", [10, 20, 35, 50])
def test_a_dissolve_counts_once_and_says_where(length: int) -> None:
    (middle,) = found(mixed([BEFORE] * 90, [AFTER] * 90, length))
    assert abs(middle - 45) <= length / 2


def test_each_of_two_dissolves_counts() -> None:
    there = mixed([BEFORE] * 100, [AFTER] * 100, 20)
    assert len(found([*there, *there[::-1]])) == 2


def test_a_cut_is_none() -> None:
    assert found([BEFORE] * 40 + [AFTER] * 40) == []


LIGHT: dict[str, Callable[[NDArray[np.float64], float], NDArray[np.float64]]] = {
    "from black": lambda frame, share: frame * share,
    "to white": lambda frame, share: frame * (1 - share) + 255 * share,
    "lamp": lambda frame, share: frame * (0.35 + 0.65 * share),
    "exposure": lambda frame, share: frame * (1 + 0.9 * share),
    "from the side": lambda frame, share: frame * np.linspace(1 - 0.6 * share, 0.4 + 0.6 * share, 512)[:, None],
}


@pytest.mark.parametrize("kind", LIGHT)
@pytest.mark.parametrize("length", [8, 20, 40])
def test_light_is_none(kind: str, length: int) -> None:
    shares = steps(90, 25, length)
    assert found([np.clip(LIGHT[kind](BEFORE.astype(float), share), 0, 255).astype(np.uint8) for share in shares]) == []


@pytest.mark.parametrize("length", [8, 20, 40])
def test_pans_and_zooms_are_none(length: int) -> None:
    moves: dict[str, Callable[[float], list[list[float]]]] = {
        "pan": lambda share: [[1, 0, -250 * share], [0, 1, -60 * share]],
        "zoom": lambda share: [[1 + share, 0, -256 * share], [0, 1 + share, -256 * share]],
    }
    scene = portrait(768, 768, face=0.4)
    for move in moves.values():
        at = [np.array(move(share), np.float64) for share in steps(90, 25, length)]
        assert found([np.asarray(cv2.warpAffine(scene, where, (512, 512)), np.uint8) for where in at]) == []


def test_a_picture_that_stays_is_none() -> None:
    assert found([BEFORE] * 80) == []


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips of ../shared")
def test_people_who_talk_have_none_and_those_who_turn_into_others_have_one() -> None:
    names = ("WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000", "portrait_d0", "portrait_d14")
    clips = {name: list(islice(read_frames(CLIPS / f"{name}.mp4"), 78)) for name in names}
    assert [found(frames) for frames in clips.values()] == [[]] * len(names)
    assert [found(frames[::2]) for frames in clips.values()] == [[]] * len(names)
    for length in (10, 20):
        counts = [len(found(mixed(clips[one], clips[other], length))) for one, other in permutations(names, 2)]
        assert max(counts) == 1
        assert sum(counts) >= 11

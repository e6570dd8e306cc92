"""Who speaks, from lips and voice alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.speaker_side.lips import LIP_PAIRS, Lips, measure
from portrait_prep.stages.speaker_side.sides import NOISE, speaking_side
from tests.stages.shoulders.drawn_person import face

RATE = 15.0
MOMENTS = 60
TIMES = np.arange(MOMENTS) / RATE
ALWAYS = np.ones(MOMENTS, np.bool_)
SIZE = 45.0

Floats = NDArray[np.float64]


def syllables(rms: float, rate: float = 4.1) -> Floats:
    """Lips that go up and down, in face heights."""
    return np.asarray(0.1 + rms * np.sqrt(2) * np.sin(2 * np.pi * rate * TIMES))


def noise(pixels: float, seed: int = 0) -> Floats:
    """Lips that only seem to, in face heights."""
    return np.random.default_rng(seed).normal(0.01, pixels / SIZE, MOMENTS)


def lips(left: Floats, right: Floats, size: float = SIZE) -> Lips:
    sizes = np.full((2, MOMENTS), size)
    return Lips(TIMES, np.stack([left, right]) * sizes, sizes)


def test_the_half_whose_lips_go_up_and_down_speaks() -> None:
    assert speaking_side(lips(syllables(0.025), noise(NOISE / 2)), ALWAYS).side == "left"
    assert speaking_side(lips(noise(NOISE / 2), syllables(0.025)), ALWAYS).side == "right"


@given(st.floats(0.0, 0.05), st.floats(0.0, 0.05), st.floats(20, 200))
def test_neither_half_is_favoured(left: float, right: float, size: float) -> None:
    mirrored = {"left": "right", "right": "left", None: None}
    one = speaking_side(lips(syllables(left), syllables(right), size), ALWAYS).side
    other = speaking_side(lips(syllables(right), syllables(left), size), ALWAYS).side
    assert other == mirrored[one]


@given(st.floats(0.001, 0.1), st.floats(0.5, 2.0))
def test_mouths_that_move_alike_are_not_told_apart(rms: float, factor: float) -> None:
    found = speaking_side(lips(syllables(rms), syllables(factor * rms)), ALWAYS)
    assert (found.side, found.why) == (None, "neither mouth moves much more than the other")


@given(st.integers(0, 1000), st.floats(0, NOISE), st.floats(0, NOISE))
def test_noise_never_speaks(seed: int, left: float, right: float) -> None:
    assert speaking_side(lips(noise(left, seed), noise(right, seed + 1)), ALWAYS).side is None


def test_small_faces_take_livelier_lips() -> None:
    """What is a plain movement on a large face lies within the noise of a small one."""
    still = np.zeros(MOMENTS)
    assert speaking_side(lips(syllables(0.02), still, size=60), ALWAYS).side == "left"
    assert speaking_side(lips(syllables(0.02), still, size=15), ALWAYS).side is None


def test_a_slow_smile_is_no_speech() -> None:
    smile = 0.1 * np.sin(2 * np.pi * 0.25 * TIMES)
    assert speaking_side(lips(syllables(0.025), smile), ALWAYS).side == "left"


def test_a_sudden_grin_is_no_speech() -> None:
    grin = np.where((TIMES > 1) & (TIMES < 3), 0.2, 0.0)
    assert speaking_side(lips(grin, syllables(0.025)), ALWAYS).side == "right"
    assert speaking_side(lips(grin, np.zeros(MOMENTS)), ALWAYS).side is None


def test_only_lips_that_move_with_the_voice_count() -> None:
    """The right one chews while nobody speaks."""
    voice_activity = TIMES < 2
    left, right = np.where(voice_activity, syllables(0.025), 0.0), np.where(TIMES < 2.4, 0.0, syllables(0.1))
    assert speaking_side(lips(left, right), voice_activity).side == "left"
    assert speaking_side(lips(left, right), ~voice_activity).side == "right"


def test_a_half_without_a_face_is_told_and_never_loses() -> None:
    unseen = np.full(MOMENTS, np.nan)
    for left, right, where in (
        (syllables(0.03), unseen, "the right"),
        (unseen, syllables(0.03), "the left"),
        (unseen, unseen, "the left and on the right"),
    ):
        found = speaking_side(lips(left, right), ALWAYS)
        assert (found.side, found.why) == (None, f"too little of a face is seen on {where}")


def test_a_face_that_is_lost_now_and_then_still_counts() -> None:
    torn = syllables(0.025)
    torn[::5] = np.nan
    assert speaking_side(lips(torn, noise(NOISE / 2)), ALWAYS).side == "left"
    gaps = noise(NOISE / 2)
    gaps[::5] = np.nan
    assert speaking_side(lips(gaps, noise(NOISE / 2, seed=1)), ALWAYS).side is None


@pytest.mark.parametrize("moments", [0, 1, 10])
def test_without_voice_nobody_speaks(moments: int) -> None:
    voice_activity = np.arange(MOMENTS) < moments
    assert speaking_side(lips(syllables(0.03), noise(0.1)), voice_activity).why == "too little voice is heard"


def test_nothing_to_look_at() -> None:
    nothing = Lips(np.zeros(0), np.zeros((2, 0)), np.zeros((2, 0)))
    assert speaking_side(nothing, np.zeros(0, np.bool_)).why == "too little voice is heard"


@given(st.floats(-60, 60), st.floats(10, 200), st.floats(0, 0.5))
def test_a_tilted_or_larger_face_has_lips_as_far_apart(roll: float, unit: float, opening: float) -> None:
    angle = np.deg2rad(roll)
    up = np.array([np.sin(angle), -np.cos(angle)], np.float32) * np.float32(unit)
    points = face(unit=unit, roll=roll)
    points[10, :2], points[2, :2] = up, 0
    points[LIP_PAIRS[:, 0], :2], points[LIP_PAIRS[:, 1], :2] = -0.3 * up, -(0.3 + opening) * up
    assert measure(points) == pytest.approx((opening * unit, unit), abs=1e-3)

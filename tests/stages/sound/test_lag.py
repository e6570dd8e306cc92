import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.sound.lag import ALIKE, Lag, lag_between
from tests.side_by_side import recorded, spoken
from tests.whole.runs import CLIPS

RATE = 16000


def syllables(seed: int, seconds: float = 4.0) -> NDArray[np.int16]:
    """Jitter that swells and fades some five times a second."""
    random = np.random.default_rng(seed)
    knots = random.uniform(0, 1, round(seconds * 10) + 2) ** 2
    swell = np.interp(np.arange(round(seconds * RATE)) / RATE * 10, np.arange(len(knots)), knots)
    return np.asarray(random.normal(size=len(swell)) * swell * 4000, np.int16)


@given(st.integers(0, 20), st.integers(-180, 180))
def test_the_same_later_or_earlier(seed: int, steps: int) -> None:
    sound, by = syllables(seed), abs(steps) * 80
    one, other = (sound[by:], sound) if steps >= 0 else (sound, sound[by:])
    found = lag_between(one, other, RATE)
    assert found.seconds == pytest.approx(steps * 0.005, abs=0.0051)
    assert found.likeness is not None
    assert found.likeness >= ALIKE


@given(st.integers(0, 100))
def test_what_has_nothing_in_common(seed: int) -> None:
    assert lag_between(syllables(seed), syllables(seed + 1000), RATE).seconds is None


def test_another_microphone_polarity_and_level() -> None:
    random = np.random.default_rng(0)
    sound = spoken((0.0, 2.5, "F"))
    echo = random.normal(size=300) * np.exp(-np.arange(300) / 60)
    heard = np.convolve(sound.astype(float), echo)[: len(sound)]
    other = np.asarray(-3000 * heard / heard.std() + random.normal(size=len(heard)) * 300, np.int16)
    found = lag_between(sound, other, RATE)
    assert found.seconds == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize("one", [np.zeros(0, np.int16), np.zeros(64000, np.int16), syllables(1, 0.9)])
def test_of_too_little_or_silence_nothing_is_said(one: NDArray[np.int16]) -> None:
    assert lag_between(one, syllables(1), RATE) == Lag(None, None)
    assert lag_between(syllables(1), one, RATE) == Lag(None, None)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips of ../shared")
def test_real_voices() -> None:
    one, other = (recorded(CLIPS / f"{name}.mp4", 0.5, 4.5) for name in ("fullhd_demo1", "portrait_d14"))
    assert lag_between(one, other, RATE).seconds is None
    assert lag_between(one[1600:], one, RATE).seconds == pytest.approx(0.1)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_prep.stages.face.jitter import Jitter, Jumps
from portrait_prep.stages.face.place import Place


@settings(deadline=None)
@given(st.floats(0.1, 5), st.integers(0, 2**32 - 1))
def test_jitter_is_the_noise_of_one_coordinate(sigma: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(0, sigma, (60, 478, 3)) + 7 * np.arange(60)[:, None, None]
    rows[20:24] = np.nan
    noise = Jitter()
    for start in range(0, 60, 7):
        noise.add(rows[start : start + 7].astype(np.float32))
    assert noise.rms == pytest.approx(sigma, rel=0.05)


@given(st.lists(st.integers(1, 7), min_size=1, max_size=30))
def test_jitter_does_not_depend_on_how_a_video_is_cut(lengths: list[int]) -> None:
    rows = np.random.default_rng(0).normal(size=(sum(lengths) + 3, 4, 2))
    whole, parts = Jitter(), Jitter()
    whole.add(rows)
    for part in np.split(rows, np.cumsum(lengths)):
        parts.add(part)
    assert parts.rms == pytest.approx(whole.rms, rel=1e-12)


def test_where_nothing_is_seen_there_is_no_noise() -> None:
    noise = Jitter()
    noise.add(np.zeros((2, 5, 2)))
    noise.add(np.full((3, 5, 2), np.nan))
    assert noise.rms is None


def test_the_greatest_steps_are_told() -> None:
    jumps = Jumps()
    for x, size in ((100, 50), (105, 50), (105, 60), (85, 60), (86, 60)):
        jumps.add(Place(x, 200, size))
    assert jumps.metrics() == {"landmark_jump": pytest.approx(1 / 3), "scale_jump": pytest.approx(1.2)}


@pytest.mark.parametrize(("missing", "moved"), [(0, 0.6), (1, 0.6), (2, None), (50, None)])
def test_a_face_that_was_away_for_more_than_a_frame_may_be_elsewhere(missing: int, moved: float | None) -> None:
    jumps = Jumps()
    jumps.add(Place(100, 200, 50))
    for _ in range(missing):
        jumps.add(None)
    jumps.add(Place(130, 200, 50))
    assert jumps.metrics()["landmark_jump"] == (None if moved is None else pytest.approx(moved))

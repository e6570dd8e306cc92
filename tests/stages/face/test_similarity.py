"""The similarity that carries points onto a template: found again, whatever turned, scaled and shifted them."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.face.similarity import Scale, similarity

SCALES = get_args(Scale)
Floats = NDArray[np.float64]


def moved(points: Floats, angle: float, scale: float, shift: tuple[float, float]) -> Floats:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * points @ turn.T + shift)


def carried(matrix: Floats, points: Floats) -> Floats:
    return points @ matrix[:, :2].T + matrix[:, 2]


SHIFT = st.floats(-500, 500)
SHAPES = (
    st.lists(st.tuples(SHIFT, SHIFT), min_size=2, max_size=8).map(np.array).filter(lambda p: np.ptp(p, 0).max() > 1)
)
MOVES = st.tuples(st.floats(-np.pi, np.pi), st.floats(0.1, 10), st.tuples(SHIFT, SHIFT))


@pytest.mark.parametrize("scale", SCALES)
@given(template=SHAPES, move=MOVES)
def test_what_was_moved_is_carried_back(
    scale: Scale, template: Floats, move: tuple[float, float, tuple[float, float]]
) -> None:
    points = moved(template, *move)
    np.testing.assert_allclose(carried(similarity(points, template, scale), points), template, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
@given(points=SHAPES, move=MOVES, seed=st.integers(0, 1000))
def test_points_that_move_are_carried_to_the_same_places(
    scale: Scale, points: Floats, move: tuple[float, float, tuple[float, float]], seed: int
) -> None:
    template = np.random.default_rng(seed).normal(0, 30, points.shape) + points / 5
    before = carried(similarity(points, template, scale), points)
    after = moved(points, *move)
    np.testing.assert_allclose(carried(similarity(after, template, scale), after), before, atol=1e-4)


@given(points=SHAPES, seed=st.integers(0, 1000), nudge=MOVES)
def test_no_other_similarity_leaves_less_over(
    points: Floats, seed: int, nudge: tuple[float, float, tuple[float, float]]
) -> None:
    template = np.random.default_rng(seed).normal(0, 50, points.shape)
    best = carried(similarity(points, template), points)
    angle, scale, shift = nudge
    other = moved(best, angle / 100, scale ** (1 / 100), (shift[0] / 100, shift[1] / 100))
    assert ((best - template) ** 2).sum() <= ((other - template) ** 2).sum() + 1e-6


@given(points=SHAPES, seed=st.integers(0, 1000))
def test_by_spread_they_spread_as_far_as_the_template(points: Floats, seed: int) -> None:
    template = np.random.default_rng(seed).normal(0, 50, points.shape)
    found = carried(similarity(points, template, "spread"), points)
    assert np.var(found, axis=0).sum() == pytest.approx(np.var(template, axis=0).sum(), rel=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), template.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_many_at_once_are_as_one_by_one_and_what_is_missing_is_nan(scale: Scale) -> None:
    generator = np.random.default_rng(0)
    points, template = generator.normal(0, 100, (4, 5, 2)), generator.normal(0, 100, (5, 2))
    points[1, 2, 0], points[2] = np.nan, 7.0
    matrices = similarity(points, template, scale)
    assert matrices.shape == (4, 2, 3)
    assert np.isnan(matrices).all(axis=(1, 2)).tolist() == [False, True, True, False]
    np.testing.assert_allclose(matrices[3], similarity(points[3], template, scale))

"""What moves on a face, beyond what moves it as a whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.stages.face.motion import FaceMotion
from portrait_prep.stages.face.points import EXPRESSIVE
from portrait_prep.stages.headpose import mean_face

FRAMES = 100
TIMES = np.arange(FRAMES) / 25


def motion(points: NDArray[np.float64], *cuts: int) -> float | None:
    measure = FaceMotion()
    for part in np.split(points, cuts):
        measure.add(part)
    return measure.rms


def still() -> NDArray[np.float64]:
    return np.repeat(mean_face()[np.newaxis], FRAMES, axis=0)


def expressive(size: float) -> NDArray[np.float64]:
    """Eyes, brows and lips go up and down by `size` px, once in a second."""
    points = still()
    points[:, EXPRESSIVE, 1] += size * np.sin(2 * np.pi * TIMES)[:, np.newaxis]
    return points


def test_a_photograph_that_is_moved_turned_stretched_and_sheared_has_none() -> None:
    swing = np.sin(TIMES)[:, np.newaxis]
    x, y, z = np.moveaxis(still(), -1, 0)
    moved = np.stack([x * (1 + swing / 5) + swing * y / 9 + 20 * swing, y * (1 - swing / 8) - 9 * swing, z], axis=-1)
    assert motion(moved) == pytest.approx(0, abs=1e-6)


def test_what_eyes_brows_and_lips_do_is_measured() -> None:
    # One of two coordinates moves; a mean of 5 frames leaves 94 % of one swing a second; corners of eyes are bone, too.
    assert motion(expressive(4.0)) == pytest.approx(4 / np.sqrt(2) / np.sqrt(2) * 0.938, rel=0.1)


def test_noise_of_the_network_counts_little() -> None:
    noisy = still() + np.random.default_rng(0).normal(0, 0.5, (FRAMES, 478, 3))
    assert (motion(noisy) or 0) < 0.3


@pytest.mark.parametrize("cuts", [(1,), (3, 50), (2, 4, 6, 99)])
def test_where_batches_end_leaves_no_trace(cuts: tuple[int, ...]) -> None:
    assert motion(expressive(3.0), *cuts) == pytest.approx(motion(expressive(3.0)), rel=1e-9)


def test_frames_without_a_face_do_not_count() -> None:
    points = expressive(3.0)
    points[40:60] = np.nan
    assert motion(points) == pytest.approx(motion(expressive(3.0)), rel=0.1)
    assert motion(np.full((FRAMES, 478, 3), np.nan)) is None
    assert motion(points[:3]) is None

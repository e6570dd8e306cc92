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
    return measure.metrics()["face_motion"]


def still() -> NDArray[np.float64]:
    return np.repeat(mean_face()[np.newaxis], FRAMES, axis=0)


def expressive(size: float) -> NDArray[np.float64]:
    """Eyes, brows and lips go up and down by `size` px, once in a second."""
    points = still()
    points[:, EXPRESSIVE, 1] += size * np.sin(2 * np.pi * TIMES)[:, np.newaxis]
    return points


def tilted(points: NDArray[np.float64], seconds: NDArray[np.float64] = TIMES) -> NDArray[np.float64]:
    """The points as a picture that swings toward the camera and away from it, zoomed and shifted: a homography."""
    swing = np.sin(seconds)[:, np.newaxis]
    x, y, z = np.moveaxis(points - points.mean(axis=(0, 1)), -1, 0)
    depth = 1 + swing * (x / 700 - y / 900)
    x, y = x * (1 + swing / 5) + swing * y / 9 + 20 * swing, y * (1 - swing / 8) - 9 * swing
    return np.stack([x / depth, y / depth, z], axis=-1)


def test_a_photograph_that_is_moved_turned_stretched_and_tilted_has_none() -> None:
    assert motion(tilted(still())) == pytest.approx(0, abs=1e-6)


def test_what_eyes_brows_and_lips_do_is_measured_on_any_of_them() -> None:
    # One of two coordinates moves; a mean of 5 frames leaves 94 % of one swing a second; some of it looks like a move.
    most = 4 / np.sqrt(2) / np.sqrt(2) * 0.938
    assert 0.6 * most < (motion(expressive(4.0)) or 0) < most
    assert motion(tilted(expressive(4.0))) == pytest.approx(motion(expressive(4.0)), rel=0.2)


def test_a_head_that_turns_without_a_word_is_no_picture() -> None:
    depth, swing = mean_face()[:, 2] - mean_face()[:, 2].mean(), np.sin(3 * TIMES)[:, np.newaxis]
    turning = still()
    turning[..., 0] += depth * 0.15 * swing
    assert (motion(turning) or 0) > 1


def test_what_all_points_do_alike_is_noise() -> None:
    slow = np.repeat(np.random.default_rng(1).normal(0, 0.5, (FRAMES // 20, 478, 3)), 20, axis=0)
    assert (motion(still() + slow) or 0) < 0.2


@pytest.mark.parametrize(("seconds", "times"), [(1, 3.5), (2, 1.75), (4, 1)])
def test_of_a_short_piece_it_is_scaled_up(seconds: int, times: float) -> None:
    # Whole swings have the same deviation however many they are; windows of 5 frames leave the last ones incomplete.
    longest = motion(np.concatenate([expressive(4.0)] * 2)) or 0
    assert motion(expressive(4.0)[: 25 * seconds]) == pytest.approx(longest * times, rel=0.1)


def test_noise_of_the_network_counts_little() -> None:
    noisy = still() + np.random.default_rng(0).normal(0, 0.5, (FRAMES, 478, 3))
    assert (motion(noisy) or 0) < 0.3


@pytest.mark.parametrize("cuts", [(1,), (3, 50), (2, 4, 6, 99)])
def test_where_batches_end_leaves_no_trace(cuts: tuple[int, ...]) -> None:
    assert motion(expressive(3.0), *cuts) == pytest.approx(motion(expressive(3.0)), rel=1e-9)


def test_frames_without_a_face_do_not_count() -> None:
    longer = np.concatenate([expressive(3.0)] * 2)
    points = longer.copy()
    points[40:60] = np.nan
    assert motion(points) == pytest.approx(motion(longer), rel=0.1)
    assert motion(np.full((FRAMES, 478, 3), np.nan)) is None
    assert motion(points[:3]) is None


@pytest.mark.parametrize("frames", [1, 8, 24])
def test_less_than_a_second_tells_nothing(frames: int) -> None:
    assert motion(expressive(4.0)[:frames]) is None
    assert motion(expressive(4.0)[:25]) is not None

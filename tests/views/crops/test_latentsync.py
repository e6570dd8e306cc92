"""LatentSync's aligned faces, beside its rule written out plainly, frame by frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from portrait_prep.stages.headpose import mean_face
from portrait_prep.views.crops.latentsync import LatentSync

Floats = NDArray[np.float64]
RATIO = 256 / 256 * 2.8
TEMPLATE = np.array([[19 - 2, 30 - 10], [56 + 2, 30 - 10], [37.5, 45 - 5]]) * RATIO


def moved(points: Floats, angle: float, scale: float, shift: tuple[float, float]) -> Floats:
    """Points [..., 3], turned about the middle of the frame, scaled and shifted in its plane."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plane = scale * (points[..., :2] - 256) @ turn.T + 256 + np.array(shift)
    return np.concatenate([plane, scale * points[..., 2:]], axis=-1)


def talking(frames: int) -> NDArray[np.float32]:
    """Landmarks [n, 478, 3] of a face that nods its head sideways."""
    generator = np.random.default_rng(2)
    faces = [moved(mean_face(), 0.3 * np.sin(k / 7), 0.8, (k % 11, -k % 5)) for k in range(frames)]
    return (np.array(faces) + generator.normal(0, 0.7, (frames, 478, 1))).astype(np.float32)


def by_rule(landmarks: NDArray[np.float32]) -> Floats:
    """Its matrices [n, 2, 3]: rotation by Kabsch's decomposition, scale by the deviations, the shift smoothed."""
    matrices, before = [], None
    for face in landmarks.astype(np.float64):
        parts = ([70, 63, 105, 66, 107], [336, 296, 334, 293, 300], [5, 129, 4, 358])
        points = np.array([face[part, :2].mean(axis=0) - 0.5 for part in parts])
        source, target = points - points.mean(axis=0), TEMPLATE - TEMPLATE.mean(axis=0)
        deviations = source.std(ddof=1), target.std(ddof=1)
        u, _, vt = np.linalg.svd((source / deviations[0]).T @ (target / deviations[1]))
        rotation = (vt.T * [1, np.sign(np.linalg.det(vt.T @ u.T))]) @ u.T
        turn = deviations[1] / deviations[0] * rotation
        bias = (target / deviations[1])[2] - (source / deviations[0])[2]
        before = bias if before is None else 0.2 * before + 0.8 * bias
        matrices.append(np.column_stack([turn, TEMPLATE.mean(axis=0) - turn @ points.mean(axis=0) + before]))
    return np.array(matrices)


def test_matrices_are_those_of_its_rule() -> None:
    landmarks = talking(40)
    found = LatentSync().places(landmarks)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_rule(landmarks), atol=1e-3)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_how_frames_are_cut_into_batches_does_not_matter(sizes: list[int]) -> None:
    landmarks, cutter = talking(sum(sizes)), LatentSync()
    parts = np.split(landmarks, np.cumsum(sizes)[:-1])
    np.testing.assert_array_equal(
        np.concatenate([cutter.places(part) for part in parts]), LatentSync().places(landmarks)
    )


def test_after_a_gap_it_begins_anew() -> None:
    landmarks = talking(30)
    landmarks[12:17] = np.nan
    found = LatentSync().places(landmarks)
    assert np.isnan(found).all(axis=(1, 2)).tolist() == [12 <= k < 17 for k in range(30)]
    np.testing.assert_array_equal(found[17:], LatentSync().places(landmarks[17:]))


def carried(face: Floats) -> Floats:
    """Where the points of a face come to lie in the aligned one: [478, 2] px."""
    (matrix,) = LatentSync().places(face[np.newaxis])
    return np.asarray((face[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2])


@given(st.floats(-3, 3), st.floats(0.3, 3), st.tuples(st.floats(-200, 200), st.floats(-200, 200)))
def test_a_face_comes_to_the_same_place_wherever_it_is(angle: float, scale: float, shift: tuple[float, float]) -> None:
    """But for its smoothed shift, in which it does not turn with the head: that is of at most 3 px."""
    np.testing.assert_allclose(
        carried(moved(mean_face(), angle, scale, shift)), carried(mean_face()), atol=0.05 + 3 * abs(np.sin(angle / 2))
    )


@pytest.mark.parametrize("channel", range(3))
def test_the_picture_is_sampled_where_the_matrix_says(channel: int) -> None:
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (16, 16, 3))
    grid = np.linspace(0, 15, 512)
    smooth = [map_coordinates(coarse[..., c], np.meshgrid(grid, grid, indexing="ij"), order=1) for c in range(3)]
    image = np.stack(smooth, axis=-1).astype(np.uint8)
    cutter = LatentSync()
    (matrix,) = cutter.places(talking(1))
    crop = cutter.cut(image, matrix)
    assert crop.shape == (256, 256, 3)
    rows, columns = np.mgrid[20:230:15, 20:230:15]
    aligned = np.stack([(columns + 0.5) * 210 / 256 - 0.5, (rows + 0.5) * 280 / 256 - 0.5])
    x, y = np.einsum("ij,jrc->irc", np.linalg.inv(matrix[:, :2]), aligned - matrix[:, 2][:, None, None])
    expected = map_coordinates(image[..., channel].astype(float), [y, x], order=1)
    assert np.abs(crop[rows, columns, channel] - expected).mean() < 2


def test_beyond_the_frame_it_is_grey() -> None:
    cutter = LatentSync()
    (matrix,) = cutter.places(talking(1) + np.array([400, 0, 0], np.float32))
    assert (cutter.cut(np.zeros((512, 512, 3), np.uint8), matrix)[:, -20:] == 127).all()

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from portrait_prep.stages.face import geometry
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.stages.face.points import CENTRE, EXPRESSIVE, EYE_PAIRS, EYES, LIPS, RIGID, RIGID_WEIGHTS
from portrait_prep.stages.headpose import mean_face

ANGLES = st.tuples(st.floats(-85, 85), st.floats(-170, 170), st.floats(-170, 170))
SEEDS = st.integers(0, 2**32 - 1)


def image_of(euler: NDArray[np.floating], scale: float = 1.2, shift: tuple[float, ...] = (260.0, 240.0, 5.0)) -> Pose:
    rows = len(euler)
    return Pose(
        euler.astype(np.float32),
        np.tile(np.array(shift, np.float32), (rows, 1)),
        np.full(rows, scale, np.float32),
    )


@given(ANGLES)
def test_rotation_is_scipys_intrinsic_xyz(angles: tuple[float, float, float]) -> None:
    yaw, pitch, roll = angles
    expected = Rotation.from_euler("XYZ", [pitch, yaw, roll], degrees=True).as_matrix()
    np.testing.assert_allclose(geometry.rotation_from_euler(np.array(angles)), expected, atol=1e-12)


@given(ANGLES)
def test_euler_and_rotation_are_inverse(angles: tuple[float, float, float]) -> None:
    back = geometry.euler_from_rotation(geometry.rotation_from_euler(np.array(angles)))
    np.testing.assert_allclose(back, angles, atol=1e-6)


@pytest.mark.parametrize("sine", [1 + 1e-9, -1 - 1e-9])
def test_a_head_in_full_profile_has_angles_whatever_the_rounding(sine: float) -> None:
    rotation = np.array([[0.0, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, 0.0]])
    assert geometry.euler_from_rotation(rotation)[0] == np.sign(sine) * 90


@pytest.mark.parametrize(
    ("euler", "part", "axis", "sign"),
    [
        ((20, 0, 0), "nose", 0, -1),  # yaw > 0: the nose points to image left
        ((0, 20, 0), "nose", 1, +1),  # pitch > 0: nose down
        ((0, 0, 20), "top", 0, -1),  # roll > 0: the top of the head tilts to image left
    ],
)
def test_signs_of_the_angles(euler: tuple[float, ...], part: str, axis: int, sign: int) -> None:
    away = {"nose": (0.0, 0.0, 100.0), "top": (0.0, -100.0, 0.0)}[part]
    points = geometry.CANONICAL_CENTRE + np.array([[(0.0, 0.0, 0.0), away]])
    origin, tip = geometry.to_image(points, image_of(np.array([euler])))[0]
    assert np.sign((tip - origin)[axis]) == sign


@given(ANGLES, st.floats(0.4, 4), SEEDS)
def test_canonical_and_image_are_inverse(angles: tuple[float, float, float], scale: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-50, 560, (1, 30, 3))
    pose = image_of(np.array([angles]), scale)
    np.testing.assert_allclose(geometry.to_image(geometry.to_canonical(points, pose), pose), points, atol=1e-8)


@given(ANGLES, st.floats(0.3, 3), SEEDS)
def test_fit_recovers_rotation_and_the_residual_is_the_noise(
    angles: tuple[float, float, float], scale: float, seed: int
) -> None:
    model = np.random.default_rng(seed).normal(0, 50, (40, 3))
    rotation = geometry.rotation_from_euler(np.array(angles))
    points = (model / scale) @ rotation + 300.0
    found, residual = geometry.fit_similarity(points[None], model, np.ones(40))
    np.testing.assert_allclose(found[0], rotation, atol=1e-8)
    assert residual[0] < 1e-4


@given(SEEDS)
def test_fit_agrees_with_scipy_on_noisy_weighted_points(seed: int) -> None:
    random = np.random.default_rng(seed)
    model, points, weights = random.normal(0, 50, (20, 3)), random.normal(0, 50, (20, 3)), random.uniform(0.1, 1, 20)
    found, _ = geometry.fit_similarity(points[None], model, weights)
    target, source = (cloud - np.average(cloud, axis=0, weights=weights) for cloud in (model, points))
    expected = Rotation.align_vectors(target, source, weights=weights)[0]
    np.testing.assert_allclose(found[0], expected.as_matrix(), atol=1e-6)
    assert np.linalg.det(found[0]) == pytest.approx(1)


@given(SEEDS)
def test_residual_is_what_a_least_squares_similarity_leaves(seed: int) -> None:
    random = np.random.default_rng(seed)
    model, weights = random.normal(0, 50, (20, 3)), random.uniform(0.1, 1, 20)
    points = model[None] / 2 + random.normal(0, 3, (1, 20, 3))
    rotation, residual = geometry.fit_similarity(points, model, weights)
    centred, target = (cloud - np.average(cloud, axis=0, weights=weights) for cloud in (points[0], model))
    turned = target @ rotation[0]
    size = np.average((turned * centred).sum(1), weights=weights) / np.average((turned**2).sum(1), weights=weights)
    rest = np.sqrt(np.average(((centred - size * turned) ** 2).sum(1), weights=weights))
    assert residual[0] == pytest.approx(rest, rel=1e-6)


@settings(max_examples=30)
@given(st.lists(ANGLES, min_size=1, max_size=5), st.floats(0.4, 4), SEEDS)
def test_identities_hold_when_recomputed_from_stored_columns(
    angles: list[tuple[float, float, float]], scale: float, seed: int
) -> None:
    faces = geometry.to_image(np.repeat(mean_face()[None], len(angles), axis=0), image_of(np.array(angles), scale))
    faces += np.random.default_rng(seed).normal(0, 1, faces.shape)
    landmarks = faces.astype(np.float32)
    pose, residual = geometry.head_pose(landmarks, mean_face())
    canonical = geometry.to_canonical(landmarks, pose).astype(np.float32)
    assert {part.dtype for part in (pose.euler, pose.translation, pose.scale, residual)} == {np.dtype(np.float32)}
    centre = canonical[:, CENTRE].mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(centre, np.tile([256, 232, 128], (len(angles), 1)), atol=1e-3)
    eyes = np.abs(canonical[:, EYE_PAIRS[:, 0], 0] - canonical[:, EYE_PAIRS[:, 1], 0]).mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(eyes, 120, atol=1e-3)
    np.testing.assert_allclose(geometry.to_image(canonical, pose), landmarks, atol=1e-2)


@given(st.floats(-60, 60), st.floats(-40, 40), st.floats(-60, 60), st.floats(0.4, 4))
def test_pose_of_a_posed_mean_face_is_that_pose(yaw: float, pitch: float, roll: float, scale: float) -> None:
    posed = geometry.to_image(mean_face()[None], image_of(np.array([[yaw, pitch, roll]]), scale))
    pose, residual = geometry.head_pose(posed, mean_face())
    np.testing.assert_allclose(pose.euler[0], [yaw, pitch, roll], atol=1e-3)
    assert pose.scale[0] == pytest.approx(scale, rel=1e-4)
    assert residual[0] < 1e-2


def test_frames_without_a_face_are_nan_and_do_not_touch_the_others() -> None:
    faces = geometry.to_image(np.repeat(mean_face()[None], 3, axis=0), image_of(np.zeros((3, 3))))
    whole, _ = geometry.head_pose(faces, mean_face())
    faces[1] = np.nan
    pose, residual = geometry.head_pose(faces, mean_face())
    np.testing.assert_array_equal(np.isnan(pose.euler).all(axis=1), [False, True, False])
    np.testing.assert_array_equal(np.isnan([pose.scale, residual]), [[False, True, False]] * 2)
    np.testing.assert_array_equal(pose.translation[[0, 2]], whole.translation[[0, 2]])
    nothing, _ = geometry.head_pose(np.full((2, 478, 3), np.nan, np.float32), mean_face())
    assert np.isnan(nothing.euler).all()


def test_the_mean_face_stands_in_the_canonical_frame_and_is_symmetrical() -> None:
    face = mean_face()
    np.testing.assert_allclose(face[CENTRE].mean(axis=0), [256, 232, 128], atol=1e-3)
    assert geometry.eye_distance(face[None])[0] == pytest.approx(120, abs=1e-3)
    left, right = face[EYE_PAIRS[:, 0]] - [256, 0, 0], face[EYE_PAIRS[:, 1]] - [256, 0, 0]
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-3)
    assert face[1, 2] - face[[234, 454], 2].mean() > 100, "the nose is nearer to the camera than the ears"
    assert face[10, 1] < face[1, 1] < face[152, 1], "forehead above nose above chin"
    assert face[263, 0] > face[33, 0], "the subject's left is image right"


def test_index_sets_are_those_that_training_systems_read() -> None:
    assert (len(EYES), len(LIPS), len(EYE_PAIRS), len(RIGID)) == (60, 40, 16, len(RIGID_WEIGHTS))
    assert EYES[[0, 4, 20, 30, 34, 50, 59]].tolist() == [474, 249, 276, 469, 7, 46, 107]
    assert LIPS.tolist() == sorted(LIPS.tolist())
    assert not set(RIGID.tolist()) & set(LIPS.tolist())
    assert {468, 473} <= set(EXPRESSIVE.tolist())
    assert not set(CENTRE.tolist()) & set(EXPRESSIVE.tolist())

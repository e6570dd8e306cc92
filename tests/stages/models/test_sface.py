"""The recogniser beside OpenCV's own class, with a small network of random weights."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.stages.models import registry, sface
from portrait_prep.stages.models.registry import digests
from tests.stages.models.random_sface import by_hand, publish, register

POINTS = np.array([[200.0, 220], [300, 210], [255, 280], [215, 330], [300, 325]])


def picture(seed: int = 0) -> NDArray[np.uint8]:
    blots = np.random.default_rng(seed).integers(0, 256, (512, 512, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(blots, (0, 0), 3), np.uint8)


def test_faces_are_aligned_and_recognised_as_opencv_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = cv2.FaceRecognizerSF.create(str(publish(tmp_path, monkeypatch)), "")
    detected = np.zeros((1, 15), np.float32)
    detected[0, 4:14] = (POINTS - 0.5).ravel()
    image = picture()
    theirs = reference.alignCrop(np.ascontiguousarray(image[..., ::-1]), detected)
    ours = sface.aligned(image, POINTS)
    assert ours.shape == (112, 112, 3)
    assert np.abs(theirs[..., ::-1].astype(int) - ours).max() <= 1
    (found,) = sface.recogniser()(np.asarray(theirs[np.newaxis, ..., ::-1], np.uint8))
    expected = reference.feature(theirs)[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-5)


def test_embeddings_are_of_length_1_and_those_of_the_network_computed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, monkeypatch)
    faces = np.stack([sface.aligned(picture(seed), POINTS) for seed in range(3)])
    found, raw = sface.recogniser()(faces), by_hand(faces)
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(found[1], sface.recogniser()(faces[1:2])[0])


def test_the_five_points_are_eyes_nose_and_mouth_and_the_eyes_do_not_move_with_the_gaze() -> None:
    landmarks = np.random.default_rng(0).normal(256, 50, (2, 478, 3))
    points = sface.five_points(landmarks)
    assert points.shape == (2, 5, 2)
    np.testing.assert_allclose(points[1, 1], (landmarks[1, 362, :2] + landmarks[1, 263, :2]) / 2)
    np.testing.assert_array_equal(points[0, 3], landmarks[0, 61, :2])
    landmarks[:, 468:] += 9
    np.testing.assert_array_equal(sface.five_points(landmarks), points)


def test_a_file_that_is_not_there_is_told_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"sface_2021dec\.onnx is missing: run 'portrait-prep models fetch s"):
        sface.recogniser()


@pytest.mark.parametrize("kept", [0, 1000, None], ids=["empty", "truncated", "altered"])
def test_another_file_is_refused_in_a_sentence(
    kept: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(tmp_path, monkeypatch)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x" if kept is None else content[:kept])
    for refused in (sface.recogniser, lambda: digests(sface.NAME)):
        with pytest.raises(MissingPrerequisite, match=r"^[^\n]*is not the registered sface[^\n]*\.$"):
            refused()


@pytest.mark.parametrize("content", [b"", b"no network", os.urandom(5000)])
def test_what_is_no_network_is_refused_in_a_sentence(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where somebody has registered it."""
    path = tmp_path / registry.MODELS[sface.NAME].file
    path.write_bytes(content)
    register(path, monkeypatch)
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*cannot be loaded by ONNX Runtime[^\n]*\.$"):
        sface.recogniser()

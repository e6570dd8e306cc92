"""The face landmarker behind the stage: same person, same frame, nothing remembered; scores go with the points."""

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.stage import BadVideo, Batch
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.landmarks import STAGE, LandmarksParams
from portrait_prep.stages.models import mediapipe, registry
from portrait_prep.stages.models.blendshapes import COUNT, INDEX, NAMES, mirrored
from portrait_prep.stages.models.mediapipe import FaceLandmarker
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.test_landmarks import PORTRAIT, scene, write_video

MODELS = Path(__file__).parents[3].parent / "shared" / "data" / "models"
FILE = MODELS / "face_landmarker.task"
PARAMS = LandmarksParams(backend="face_landmarker")

needs_file = pytest.mark.skipif(not FILE.is_file(), reason="face_landmarker.task of ../shared is not here")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> FaceLandmarker:
    """The process's own, from the shared folder."""
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(MODELS))
    return mediapipe.face_landmarker()


def run(folder: Path, frames: list[Image], params: LandmarksParams = PARAMS) -> tuple[Batch, dict[str, Any]]:
    path = write_video(folder / "v.mp4", frames)
    job = MemoryJob(params, folder, frames=len(frames), files={"mp4": path})
    columns = collect(STAGE, job)
    assert claims_hold(STAGE, columns)
    return columns, job.metrics


# --- the file ------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_one_sentence_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    assert STAGE.models is not None
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*'portrait-prep models fetch face_landmarker -w [^\n]*\.$"):
        STAGE.models(PARAMS)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not the one"])
def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    (tmp_path / FILE.name).write_bytes(content)
    assert STAGE.models is not None
    with pytest.raises(MissingPrerequisite, match="is not the registered face_landmarker"):
        STAGE.models(PARAMS)


@needs_file
def test_the_fingerprint_carries_the_files_of_the_backend(network: FaceLandmarker) -> None:
    assert STAGE.models is not None
    assert set(STAGE.models(LandmarksParams())) == {
        "face_landmark_with_attention",
        "face_detection_short_range",
        "face_detection_full_range_sparse",
    }
    found = STAGE.models(PARAMS)
    assert set(found) == {"face_landmarker", "face_detection_full_range_sparse"}
    assert found["face_landmarker"] == registry.MODELS["face_landmarker"].sha256


# --- the network ---------------------------------------------------------------------------------------------------


@needs_file
def test_names_are_those_of_the_network_in_its_order(network: FaceLandmarker) -> None:
    rgb = network._mediapipe.Image(image_format=network._mediapipe.ImageFormat.SRGB, data=scene((PORTRAIT, 96, 60)))
    (categories,) = network._network.detect(rgb).face_blendshapes
    assert [category.category_name for category in categories] == list(NAMES)
    assert [category.index for category in categories] == list(range(COUNT))


def test_every_sided_name_has_another_side() -> None:
    assert len(set(NAMES)) == COUNT == 52
    assert {mirrored(name) for name in NAMES} == set(NAMES)
    assert all(mirrored(mirrored(name)) == name for name in NAMES)
    assert mirrored("jawOpen") == "jawOpen"
    assert mirrored("mouthLeft") == "mouthRight"


@needs_file
def test_a_frame_does_not_depend_on_the_frames_around_it(network: FaceLandmarker) -> None:
    pictures = [scene((PORTRAIT, 96, 60)), scene((PORTRAIT, 110, 75)), scene(), scene((PORTRAIT[:, ::-1], 20, 150))]
    alone = [FaceLandmarker(FILE).find(picture) for picture in pictures]
    assert [len(faces) for faces in alone] == [1, 1, 0, 1]
    for order in permutations(range(4)):
        for k in order:
            for face, expected in zip(network.find(pictures[k]), alone[k], strict=True):
                np.testing.assert_array_equal(face.landmarks, expected.landmarks)
                np.testing.assert_array_equal(face.blendshapes, expected.blendshapes)


@needs_file
@settings(max_examples=15, deadline=None)
@given(x=st.integers(0, 190), y=st.integers(0, 190))
def test_points_move_with_the_picture_and_scores_do_not(x: int, y: int) -> None:
    network = FaceLandmarker(FILE)
    (here,), (there,) = network.find(scene((PORTRAIT, 96, 60))), network.find(scene((PORTRAIT, x, y)))
    moved = there.landmarks[:, :2] - here.landmarks[:, :2]
    assert np.abs(moved - (x - 96, y - 60)).max() < 6, "px"
    assert np.abs(there.blendshapes - here.blendshapes).mean() < 0.05


@needs_file
def test_it_sees_what_the_face_mesh_sees(network: FaceLandmarker) -> None:
    picture = scene((PORTRAIT, 96, 60))
    (mine,), (other,) = network.find(picture), mediapipe.FaceMesh(tracking=False).find(picture)
    assert np.abs(mine.landmarks - other.landmarks).mean(axis=0) == pytest.approx((0, 0, 0), abs=3)
    assert mine.blendshapes[INDEX["mouthSmileLeft"]] > 0.5, "she smiles"
    assert mine.blendshapes[INDEX["mouthSmileRight"]] > 0.5
    assert other.blendshapes.shape == (0,)


# --- the stage -----------------------------------------------------------------------------------------------------


@needs_file
def test_scores_are_there_and_missing_as_the_landmarks(network: FaceLandmarker, tmp_path: Path) -> None:
    face, turned, nobody = scene((PORTRAIT, 96, 60)), scene((PORTRAIT[:, ::-1], 96, 60)), scene()
    hidden = {10, 11, 12, *range(30, 38)}
    pictures = [nobody if k in hidden else (face if k < 11 else turned) for k in range(50)]
    columns, metrics = run(tmp_path, pictures)
    scores = columns["blendshapes"]
    assert scores.shape == (50, COUNT)
    np.testing.assert_array_equal(np.flatnonzero(~columns["detected"]), sorted(hidden))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(scores).any(axis=1)), np.arange(30, 38))
    assert metrics["gaps"] == [[30, 38]]
    for k, share in ((10, 0.25), (11, 0.5), (12, 0.75)):
        for name in ("blendshapes", "landmarks"):
            before, after = columns[name][9], columns[name][13]
            np.testing.assert_allclose(columns[name][k], before + share * (after - before), rtol=1e-4, atol=1e-4)


@needs_file
def test_the_column_is_absent_with_the_face_mesh(tmp_path: Path) -> None:
    columns, _ = run(tmp_path, [scene((PORTRAIT, 96, 60))] * 3, LandmarksParams())
    assert set(columns) == {"landmarks", "detected"}


@needs_file
def test_the_second_of_two_people_is_left_alone(network: FaceLandmarker, tmp_path: Path) -> None:
    left, right = PORTRAIT[:300, 40:290], PORTRAIT[:300, 40:290][:, ::-1]
    both, one = scene((left, 6, 130), (right, 262, 0)), scene((right, 262, 0))
    columns, metrics = run(tmp_path, [both] * 10 + [one] * 8 + [both] * 10)
    x = columns["landmarks"][:, :, 0].mean(axis=1)
    assert x[0] < 256, "the left one is the more central"
    assert np.abs(x[np.isfinite(x)] - x[0]).max() < 10
    assert not columns["detected"][10:18].any()
    assert metrics["stray_frames"] == 8
    assert metrics["identity_jumps"] == 0
    smile = columns["blendshapes"][:, INDEX["mouthSmileLeft"]]
    assert np.nanmax(np.abs(smile - smile[0])) < 0.1, "the scores are those of the same person"


@needs_file
def test_nothing_lags(network: FaceLandmarker, tmp_path: Path) -> None:
    shift = np.round(30 * np.sin(np.arange(60) / 5)).astype(int)
    columns, _ = run(tmp_path, [scene((PORTRAIT, 96 + dx, 60)) for dx in shift])
    x = columns["landmarks"][:, :, 0].mean(axis=1, dtype=np.float64)
    truth = shift + (x - shift).mean()
    speed = np.gradient(truth)
    assert abs(((x - truth) * speed).sum() / (speed**2).sum()) < 0.1, "frames"


@needs_file
def test_the_same_video_gives_the_same_bytes_whatever_came_before(network: FaceLandmarker, tmp_path: Path) -> None:
    mine = [scene((PORTRAIT, 90 + k, 60)) for k in range(8)]
    first, _ = run(tmp_path, mine)
    run(tmp_path, [scene((PORTRAIT, 20, 180))] * 5)
    again, _ = run(tmp_path, mine)
    for name in ("landmarks", "blendshapes"):
        np.testing.assert_array_equal(first[name], again[name])


@needs_file
def test_no_face_is_a_bad_video(network: FaceLandmarker, tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="no face was found in any of its 6 frames"):
        run(tmp_path, [scene()] * 6)

"""MODA's renderer: lines that lie on the face, the mouth, pictures of the training part, and time."""

import pickle
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmark, NormalizedLandmarkList
from mediapipe.python.solutions import drawing_styles, drawing_utils, face_mesh_connections
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.stages.face.mesh import EDGES
from portrait_prep.views.moda.parts import MOUTH, SEMANTIC, indices
from portrait_prep.views.moda.renderer import SHOULDERS, feature_image, mouth_mask, renderer, time_position
from portrait_prep.views.reading.reader import Reader
from tests.views import moving_faces
from tests.views.moving_faces import DRAWN, FRAMES, GAP

SAMPLE = {
    "mesh": ((3, 512, 512), "float32"),
    "example": ((12, 512, 512), "float32"),
    "time_position": ((13, 512, 512), "float32"),
    "face": ((3, 512, 512), "float32"),
    "weight_mask": ((1, 512, 512), "float32"),
}
CONTOURS = {
    "face_oval": face_mesh_connections.FACEMESH_FACE_OVAL,
    "lips": face_mesh_connections.FACEMESH_LIPS,
    "left_eye": face_mesh_connections.FACEMESH_LEFT_EYE,
    "right_eye": face_mesh_connections.FACEMESH_RIGHT_EYE,
    "left_eyebrow": face_mesh_connections.FACEMESH_LEFT_EYEBROW,
    "right_eyebrow": face_mesh_connections.FACEMESH_RIGHT_EYEBROW,
}
IRISES = {
    "left_iris": face_mesh_connections.FACEMESH_LEFT_IRIS,
    "right_iris": face_mesh_connections.FACEMESH_RIGHT_IRIS,
}


@pytest.fixture
def workspace(moving_workspace: Path) -> Path:
    return moving_workspace


def picture(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """-1..1 [channels, 512, 512] -> uint8 [512, 512, channels]."""
    return np.asarray(np.rint((values.transpose(1, 2, 0) + 1) * 127.5), np.uint8)


def decoded(path: Path) -> NDArray[np.uint8]:
    """All frames, by PyAV, RGB."""
    with av.open(str(path)) as container:
        return np.array([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def drawn_by_mediapipe(points: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """The face alone, as the original draws it: on a BGR canvas in MediaPipe's default styles; returns RGB."""
    canvas = np.zeros((512, 512, 3), np.uint8)
    marks = NormalizedLandmarkList(
        landmark=[NormalizedLandmark(x=x / 512, y=y / 512) for x, y in points[:, :2].tolist()]
    )
    for lines, style in (
        (face_mesh_connections.FACEMESH_TESSELATION, drawing_styles.get_default_face_mesh_tesselation_style()),
        (face_mesh_connections.FACEMESH_CONTOURS, drawing_styles.get_default_face_mesh_contours_style()),
        (face_mesh_connections.FACEMESH_IRISES, drawing_styles.get_default_face_mesh_iris_connections_style()),
    ):
        drawing_utils.draw_landmarks(canvas, marks, lines, None, style)
    return np.asarray(canvas[..., ::-1])


def test_lines_are_mediapipes() -> None:
    known = {"tesselation": face_mesh_connections.FACEMESH_TESSELATION, **CONTOURS, **IRISES}
    for name, lines in known.items():
        assert {frozenset(line) for line in EDGES[name].tolist()} == {frozenset(line) for line in lines}, name
    assert {frozenset(line) for part in SEMANTIC["Contours"] for line in EDGES[part].tolist()} == {
        frozenset(line) for line in face_mesh_connections.FACEMESH_CONTOURS
    }
    counts = {"Contours": 128, "FaceOval": 36, "LeftIris": 4, "LeftEye": 16, "LeftEyebrow": 10}
    counts |= {"RightIris": 4, "RightEye": 16, "RightEyebrow": 10, "Lips": 40, "Tesselation": 468}
    assert {name: len(indices(parts)) for name, parts in SEMANTIC.items()} == counts
    assert tuple(MOUTH) == (
        *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
    )


@pytest.mark.parametrize("frame", [0, 25, 50])
def test_a_face_is_drawn_as_mediapipe_draws_it(frame: int) -> None:
    """But for the order in which lines that cross are drawn, which there is that of a set."""
    points = moving_faces.landmarks(DRAWN)[frame]
    ours = feature_image(points, np.full((2, 9, 2), -99.0))
    theirs = drawn_by_mediapipe(points)
    np.testing.assert_array_equal(ours.any(axis=2), theirs.any(axis=2))
    assert (ours == theirs).all(axis=2)[theirs.any(axis=2)].mean() > 0.98


def test_shoulders_are_drawn_between_their_points() -> None:
    lines = moving_faces.shoulders(DRAWN)[0]
    drawn = feature_image(np.full((478, 3), -99.0), lines)
    colour, width = SHOULDERS
    assert colour == (225, 225, 225)
    assert {tuple(each) for each in drawn.reshape(-1, 3).tolist()} == {(0, 0, 0), colour}
    rows, across = np.nonzero(drawn.any(axis=2))
    assert np.ptp(across) == pytest.approx(np.ptp(lines[..., 0]), abs=2 + width)
    assert not drawn[:, 200:310].any()
    middles = lines.mean(axis=1).astype(int)
    assert drawn[middles[:, 1], middles[:, 0]].all()
    assert rows.min() >= lines[..., 1].min() - 3


def test_what_lies_beyond_the_picture_is_left_out() -> None:
    far = np.full((478, 3), 1e30)
    far[::2] = -1e30
    assert feature_image(far, np.full((2, 9, 2), 1e9)).shape == (512, 512, 3)
    assert mouth_mask(far).dtype == np.uint8


def test_the_mask_is_the_mouth_widened_by_22_px() -> None:
    points = moving_faces.landmarks(DRAWN)[10]
    mask = mouth_mask(points)
    assert set(np.unique(mask)) == {0, 255}
    outer = points[list(MOUTH), :2].astype(int)
    filled = cv2.fillPoly(np.zeros((512, 512), np.uint8), [outer.astype(np.int32)], 1)
    rows, across = np.nonzero(filled)
    expected = np.zeros_like(mask)
    for y, x in zip(rows.tolist(), across.tolist(), strict=True):
        expected[max(y - 22, 0) : y + 23, max(x - 22, 0) : x + 23] = 255
    np.testing.assert_array_equal(mask, expected)


def test_a_sample_is_as_the_contract_has_it(workspace: Path) -> None:
    samples = renderer(workspace, video_id=DRAWN)
    sample = samples[7]
    assert {name: (sample[name].shape, sample[name].dtype.name) for name in SAMPLE} == SAMPLE
    assert (set(sample) - set(SAMPLE), sample["frame"], sample["video_id"]) == ({"frame", "video_id"}, 7, DRAWN)
    for name in ("mesh", "example", "face", "weight_mask"):
        assert sample[name].min() >= -1
        assert sample[name].max() <= 1
    assert set(np.unique(sample["weight_mask"])) == {-1, 1}
    frames = decoded(workspace / "media" / f"{DRAWN}.mp4")
    np.testing.assert_array_equal(picture(sample["face"]), frames[7])
    np.testing.assert_array_equal(picture(renderer(workspace, part="val", video_id=DRAWN)[5]["face"]), frames[53])
    # Red lips, so that red comes first; the mask holds all of them.
    red, _, blue = sample["face"]
    lips = red - blue > 0.8
    assert lips.sum() > 300
    assert (sample["weight_mask"][0][lips] == 1).all()
    # White lines lie around them.
    rows, across = np.nonzero(lips)
    drawn = np.argwhere((picture(sample["mesh"]) == 224).all(axis=2))
    for edge in (across.min(), across.max()):
        assert np.abs(drawn[np.abs(drawn[:, 0] - rows.mean()) < 20, 1] - edge).min() <= 2
    copied = pickle.loads(pickle.dumps(samples))
    assert all(np.array_equal(copied[7][name], sample[name]) for name in SAMPLE)


def test_time_is_encoded_in_seven_numbers_and_their_cosines(workspace: Path) -> None:
    sample = renderer(workspace, video_id=DRAWN)[21]["time_position"]
    assert (np.ptp(sample.reshape(13, -1), axis=1) == 0).all()
    expected = [0.021]
    for octave in range(6):
        expected += [np.sin(0.021 * 2**octave), np.cos(0.021 * 2**octave)]
    np.testing.assert_allclose(sample[:, 5, 9], expected, atol=1e-6)
    published = renderer(workspace, video_id=DRAWN, time_offset=1.0)[21]["time_position"]
    np.testing.assert_array_equal(published, time_position(1.021))


def test_the_last_fifth_is_for_validation(workspace: Path) -> None:
    for video_id, frames in FRAMES.items():
        bound = round(0.8 * frames)
        seen = [item.first for item in renderer(workspace, video_id=video_id).items]
        rest = [item.first for item in renderer(workspace, part="val", video_id=video_id).items]
        gap = range(*GAP) if video_id == "bob-gap" else range(0)
        assert seen == [frame for frame in range(bound) if frame not in gap]
        assert rest == list(range(bound, frames))
    with pytest.raises(ValueError, match="'train' or 'val'"):
        renderer(workspace, part="test")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="No video"):
        renderer(workspace, video_id="nobody")


def test_examples_are_different_pictures_of_the_training_part(workspace: Path) -> None:
    frames = decoded(workspace / "media" / f"{DRAWN}.mp4")
    chosen = set()
    for seed in range(3):
        samples = renderer(workspace, part="val", video_id=DRAWN, seed=seed)
        example = samples[0]["example"]
        np.testing.assert_array_equal(samples[11]["example"], example)
        found = [
            [frame for frame in range(60) if np.array_equal(picture(each), frames[frame])]
            for each in example.reshape(4, 3, 512, 512)
        ]
        numbers = [each for (each,) in found]
        assert len(set(numbers)) == 4
        assert max(numbers) < 48
        chosen.add(tuple(numbers))
    assert len(chosen) > 1
    assert renderer(workspace, video_id=DRAWN, examples=1)[0]["example"].shape == (3, 512, 512)
    # More than there are frames: some come twice.
    assert renderer(workspace, video_id=DRAWN, examples=50)[0]["example"].shape == (150, 512, 512)


def test_lines_lie_on_real_faces(clips_workspace: Path) -> None:
    """Inside the lips it is redder than on the cheeks beside them; the drawn face is where the landmarks are."""
    for video_id in ("portrait_d20", "WDA_KatieHill_000"):
        samples = renderer(clips_workspace, accepted=None, video_id=video_id)
        reader = Reader(clips_workspace, ("landmarks.landmarks",), accepted=None, video_id=video_id)
        for number in (3, len(samples) // 2, len(samples) - 1):
            sample = samples[number]
            points = reader.read(0, sample["frame"], 1)["landmarks.landmarks"][0]
            drawn = picture(sample["mesh"]).max(axis=2)
            rows, across = np.nonzero(drawn[: int(points[152, 1])])
            assert across.min() == pytest.approx(points[:, 0].min(), abs=8)
            assert across.max() == pytest.approx(points[:, 0].max(), abs=8)
            assert rows.min() == pytest.approx(points[:, 1].min(), abs=8)
            mouth = (sample["weight_mask"][0] > 0).astype(np.uint8)
            centre = points[[13, 14], :2].mean(axis=0).astype(int)
            assert mouth[centre[1], centre[0]]
            lips = cv2.fillPoly(np.zeros((512, 512), np.uint8), [points[list(MOUTH), :2].astype(np.int32)], 1)
            shown = picture(sample["face"]).astype(float)
            redness = shown[..., 0] / (shown.sum(axis=2) + 1)
            around = (mouth > 0) & (lips == 0)
            assert redness[lips > 0].mean() > redness[around].mean() + 0.005

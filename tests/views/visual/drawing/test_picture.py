from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.views.visual.drawing.picture import annotate, jpeg, resized
from portrait_prep.views.visual.drawing.still import Still, VideoLocation, frame_at
from tests.views.toy import FRAMES, add_videos, face, grey, run

BLACK = np.zeros((512, 512, 3), np.uint8)
SHOULDERS = np.stack([np.linspace((50, 400), (150, 400), 9), np.linspace((350, 400), (450, 400), 9)]).astype(np.float32)


def drawn(**found: Any) -> NDArray[np.bool_]:
    """Where something was drawn on a black frame."""
    return np.asarray(annotate(Still(BLACK, **found)).any(axis=2))


def pose(euler: tuple[float, float, float] = (0, 0, 0), scale: float = 1.0) -> Pose:
    return Pose(np.array([euler], np.float32), np.array([[256, 200, 0]], np.float32), np.array([scale], np.float32))


def test_landmarks_are_drawn_where_they_are_and_nowhere_else() -> None:
    points = face()
    marks = drawn(landmarks=points)
    x, y = np.rint(points[:, :2]).astype(int).T
    assert marks[y, x].all()
    assert not np.delete(marks, np.s_[190:310], axis=0).any()
    assert not np.delete(marks, np.s_[190:310], axis=1).any()


def test_a_shoulder_that_was_seen_is_a_full_line_and_a_filled_one_is_broken() -> None:
    marks = drawn(shoulders=SHOULDERS, visible=np.array([True, False]))
    assert marks[400, 50:151].all()
    gaps = marks[400, 350:451]
    assert gaps.any()
    assert not gaps.all()
    colours = annotate(Still(BLACK, shoulders=SHOULDERS, visible=np.array([True, False])))
    assert not np.array_equal(colours[400, 100], colours[400, 352])


def test_a_level_head_has_its_axes_along_the_image() -> None:
    marks = drawn(pose=pose())
    assert marks[200, 256:350].all()
    assert marks[200:294, 256].all()
    assert not marks[:, :240].any()
    assert not marks[:180].any()


def test_the_nose_of_a_head_that_turns_to_image_left_points_to_image_left() -> None:
    assert drawn(pose=pose(euler=(40, 0, 0)))[200, 200:256].all()


@pytest.mark.parametrize(
    "found",
    [
        {"landmarks": np.full((478, 3), np.nan, np.float32)},
        {"shoulders": np.full((2, 9, 2), np.nan, np.float32), "visible": np.array([False, False])},
        {"pose": pose(euler=(np.nan, np.nan, np.nan), scale=np.nan)},
        {"landmarks": np.full((478, 3), 1e30, np.float32)},
        {},
    ],
)
def test_nothing_is_drawn_of_what_is_not_there(found: dict[str, Any]) -> None:
    assert not drawn(**found).any()


def test_the_frame_itself_is_left_alone() -> None:
    image = BLACK.copy()
    annotate(Still(image, landmarks=face()))
    assert not image.any()


@pytest.mark.parametrize("shape", [(512, 512), (100, 400), (400, 100)])
def test_a_thumbnail_is_a_jpeg_of_the_given_side_in_the_same_colours(shape: tuple[int, int]) -> None:
    image: Image = np.full((*shape, 3), (200, 100, 20), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(jpeg(resized(image, 176)), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    assert max(decoded.shape) == 176
    assert np.abs(decoded.mean(axis=(0, 1)) - (200, 100, 20)).max() < 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Session:
    session = add_videos(tmp_path_factory.mktemp("picture") / "w", ["fine"])
    run(session)
    return session


@pytest.fixture
def media(ran: Session) -> Path:
    return ran.workspace.media("fine", "mp4")


def test_a_place_tells_the_frames_and_the_stages_that_are_current(ran: Session) -> None:
    assert location_of(ran).frames == FRAMES
    assert location_of(ran).stages == ("normalize", "landmarks", "torso")


def location_of(session: Session) -> VideoLocation:
    location = VideoLocation.of(next(session.video_statuses())[0])
    assert location is not None
    return location


@pytest.mark.parametrize("frame", [0, 150, 250, FRAMES - 1])
def test_a_frame_comes_with_its_own_row(ran: Session, frame: int) -> None:
    still = location_of(ran).load(ran.workspace, frame)
    assert still is not None
    assert abs(still.image.mean() - grey(frame)) < 3
    assert still.landmarks is not None
    np.testing.assert_array_equal(still.landmarks[:, :2], face()[:, :2])
    assert (still.landmarks[:, 2] == frame).all()
    assert still.visible is not None
    assert still.visible.tolist() == [True, False]
    assert still.pose is None


@pytest.mark.parametrize("number", [0, 9, 10, 24, 25, 149, FRAMES - 1])
def test_any_frame_is_found_by_its_number(media: Path, number: int) -> None:
    image = frame_at(media, number)
    assert image is not None
    assert abs(image.mean() - grey(number)) < 3


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no video")])
def test_a_frame_that_cannot_be_read_is_none(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    path = tmp_path / "v.mp4"
    path.touch()
    spoil(path)
    assert frame_at(path, 3) is None


def test_a_frame_beyond_the_end_is_none(media: Path) -> None:
    assert frame_at(media, FRAMES) is None

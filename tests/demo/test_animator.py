"""The animator, on single pictures: which way things move, and that nothing tears."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.demo.animator import SUBJECTS, Animator, crop, portrait
from portrait_prep.demo.field import HeadField, face_width
from portrait_prep.demo.motion import Pose
from portrait_prep.stages.models.mediapipe import FaceMesh

Points = NDArray[np.float32]
CHIN, BROW, NOSE, CHEEKS = 152, 10, 1, (234, 454)


@cache
def mesh() -> FaceMesh:
    return FaceMesh(tracking=False)


@cache
def still(subject: str) -> tuple[NDArray[np.uint8], Points]:
    picture = crop(portrait(subject), (64, 0, 384, 288), (512, 384))
    return picture, mesh()(picture)[0]


@cache
def field() -> HeadField:
    picture, points = still("astronaut")
    return HeadField(picture.shape[:2], points, face_width(points))


@cache
def seen(subject: str, pose: Pose) -> Points:
    """The face mesh of the animated picture."""
    picture, points = still(subject)
    (found,) = mesh()(Animator(picture, points).frame(pose))
    return np.asarray(found)


def nose_aside(points: Points) -> float:
    """How far the nose lies to the right of the middle of the face, pixels."""
    return float(points[NOSE, 0] - points[list(CHEEKS), 0].mean())


def nose_below(points: Points) -> float:
    """How far the nose lies below the cheeks, pixels."""
    return float(points[NOSE, 1] - points[list(CHEEKS), 1].mean())


def lean(points: Points) -> float:
    """How far the brow lies to the right of the chin, pixels."""
    return float(points[BROW, 0] - points[CHIN, 0])


@pytest.mark.parametrize("subject", SUBJECTS)
def test_signs_of_the_angles(subject: str) -> None:
    assert nose_aside(seen(subject, Pose(yaw=12))) < nose_aside(seen(subject, Pose(yaw=-12))) - 10
    assert nose_below(seen(subject, Pose(pitch=8))) > nose_below(seen(subject, Pose(pitch=-8))) + 10
    assert lean(seen(subject, Pose(roll=8))) < lean(seen(subject, Pose(roll=-8))) - 20


def test_scale_and_shift() -> None:
    rest, near = seen("astronaut", Pose()), seen("astronaut", Pose(scale=1.1))
    assert face_width(near) / face_width(rest) == pytest.approx(1.1, abs=0.03)
    aside = seen("astronaut", Pose(shift_x=0.2, shift_y=0.1)) - rest
    assert np.median(aside[:, 0]) == pytest.approx(0.2 * face_width(rest), abs=3)
    assert np.median(aside[:, 1]) == pytest.approx(0.1 * face_width(rest), abs=3)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_mouth_opens_and_the_eyes_shut(subject: str) -> None:
    lips = [
        np.linalg.norm(np.subtract(*seen(subject, Pose(mouth=mouth))[[13, 14]])) / face_width(still(subject)[1])
        for mouth in (0.0, 0.3, 0.6, 1.0)
    ]
    assert np.all(np.diff(lips) > 0.03)
    assert lips[0] < 0.02
    for upper, lower in ((159, 145), (386, 374)):
        gaps = [np.subtract(*seen(subject, Pose(blink=blink))[[lower, upper], 1]) for blink in (0.0, 1.0)]
        assert gaps[1] < 0.5 * gaps[0]


def test_an_open_mouth_is_dark_inside() -> None:
    picture, points = still("astronaut")
    frame = Animator(picture, points).frame(Pose(mouth=1.0))
    x, y = seen("astronaut", Pose(mouth=1.0))[[13, 14], :2].mean(axis=0).astype(int)
    assert frame[y + 3, x].mean() < 60


def test_far_from_the_head_nothing_moves() -> None:
    picture, points = still("astronaut")
    frame = Animator(picture, points).frame(Pose(yaw=15, pitch=10, roll=8, mouth=1.0))
    assert np.abs(frame[:, :40].astype(int) - picture[:, :40]).max() <= 1


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-16, 16),
    st.floats(-11, 11),
    st.floats(-9, 9),
    st.floats(0.96, 1.04),
    st.floats(-0.09, 0.09),
    st.floats(-0.06, 0.06),
)
def test_nothing_tears_or_folds(
    yaw: float, pitch: float, roll: float, scale: float, shift_x: float, shift_y: float
) -> None:
    x, y = field().inverse(Pose(yaw, pitch, roll, scale, shift_x, shift_y))
    area = np.diff(x, axis=1)[1:] * np.diff(y, axis=0)[:, 1:] - np.diff(y, axis=1)[1:] * np.diff(x, axis=0)[:, 1:]
    assert area.min() > 0
    assert area.max() < 6

"""Shoulder lines of single frames, on drawn people whose lines are known, and on a published frame."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.models.mediapipe import FaceMesh, person_segmenter
from portrait_prep.stages.shoulders.line import POINTS, mirror, resample, shoulder_lines
from tests.stages.shoulders.drawn_person import (
    LEFT,
    RIGHT,
    Points,
    ellipse,
    face,
    head,
    height_at,
    person,
    polygon,
    torso,
    union,
)

MIN_WIDTH = 25.0
SHARED = Path(__file__).parents[3].parent / "shared"


def found(mask: NDArray[np.float32], landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    return shoulder_lines(mask, landmarks, MIN_WIDTH)


def assert_on(line: NDArray[np.float64], truth: Points, within: float = 1.0, ends: float = 8.0) -> None:
    """The line lies on the drawn one, and begins and ends where that does."""
    assert np.isfinite(line).all()
    assert np.abs(line[:, 1] - height_at(truth, line[:, 0])).max() < within
    xs = sorted(x for x, _ in truth)
    assert line[0, 0] == pytest.approx(xs[0], abs=ends)
    assert line[-1, 0] == pytest.approx(xs[-1], abs=ends)


def test_finds_both_lines_of_a_person_facing_the_camera() -> None:
    left, right = found(person(), face())
    assert_on(left, LEFT)
    assert_on(right, RIGHT)


@pytest.mark.parametrize(("rise", "seen"), [(0.4, False), (0.6, True)])
def test_a_line_where_clothes_are_hardly_told_from_background_is_none(rise: float, seen: bool) -> None:
    mask = np.asarray(0.5 + (person() - 0.5) * rise, np.float32)
    assert np.isfinite(found(mask, face())).all() == seen


def test_reads_the_boundary_between_pixels() -> None:
    left: Points = [(100.0, 165.3), (30.0, 193.3)]
    right: Points = [(156.0, 165.3), (226.0, 193.3)]
    line = found(union(head(), torso(left, right)), face())[0][4:-4]
    assert np.abs(line[:, 1] - height_at(left, line[:, 0])).mean() < 0.2


def test_raised_shoulders_lie_above_the_chin() -> None:
    left: Points = [(84.0, 128.0), (50.0, 124.0), (15.0, 150.0)]
    right: Points = [(172.0, 128.0), (206.0, 124.0), (241.0, 150.0)]
    lines = found(union(head(), torso(left, right)), face())
    chin = 90 + 60
    assert lines[..., 1].max() < chin + 1
    assert_on(lines[0], left)
    assert_on(lines[1], right)


def test_a_tight_crop_shows_thirty_rows_of_shoulder() -> None:
    left: Points = [(85.0, 222.0), (-20.0, 262.0)]
    right: Points = [(171.0, 222.0), (276.0, 262.0)]
    lines = found(union(head(128, 115, 88), torso(left, right)), face(128, 115, 88))
    for line, truth, edge in ((lines[0], left, line_end(left)), (lines[1], right, line_end(right))):
        assert np.abs(line[:, 1] - height_at(truth, line[:, 0])).max() < 1.0
        assert np.abs(line[:, 0] - edge).min() < 8
        assert line[:, 1].max() <= 255


def line_end(truth: Points) -> float:
    """Where a drawn line leaves a frame of 256 x 256, at its side or its foot."""
    (x0, y0), (x1, y1) = truth
    foot = x0 + (255 - y0) / (y1 - y0) * (x1 - x0)
    return float(np.clip(foot, 0, 255))


def test_long_hair_over_a_shoulder_is_never_the_line() -> None:
    hair = polygon((60, 60), (50, 110), (14, 256), (120, 256), (120, 60))
    lines = found(union(person(), hair), face())
    assert np.isnan(lines[0]).all()
    assert_on(lines[1], RIGHT)


def test_hair_to_the_shoulder_leaves_what_lies_beside_it() -> None:
    hair = polygon((70, 60), (66, 110), (66, 215), (110, 215), (110, 60))
    left, right = found(union(person(), hair), face())
    assert_on(left, [(66.0, float(height_at(LEFT, np.array(66.0)))), *LEFT[1:]])
    assert_on(right, RIGHT)


def test_a_bun_beside_the_neck_is_no_shoulder() -> None:
    """It has background beneath it, and the shoulder is the deeper one."""
    left, _ = found(union(person(), ellipse(66, 118, 28, 18)), face())
    assert_on(left, LEFT)


def test_a_shoulder_out_of_the_frame_is_not_found() -> None:
    left: Points = [(20.0, 165.0), (-40.0, 190.0), (-60.0, 206.0)]
    right: Points = [(76.0, 165.0), (136.0, 190.0), (156.0, 206.0)]
    lines = found(union(head(48), torso(left, right)), face(48))
    assert np.isnan(lines[0]).all()
    assert_on(lines[1], right)


def test_a_line_narrower_than_asked_is_not_found() -> None:
    lines = shoulder_lines(person(), face(), 100.0)
    assert np.isnan(lines).all()


@pytest.mark.parametrize(
    "arm",
    [
        [(16, 256), (16, 120), (30, 112), (52, 118), (54, 256)],
        [(2, 256), (2, 118), (10, 108), (48, 108), (56, 118), (56, 256)],
    ],
)
def test_a_hand_raised_before_the_shoulder_leaves_what_lies_inward(arm: Points) -> None:
    left, right = found(union(person(), polygon(*arm)), face())
    assert_on(left, [LEFT[0], (55.0, float(height_at(LEFT, np.array(55.0))))])
    assert_on(right, RIGHT)


def test_a_hand_at_the_cheek_leaves_what_lies_outward() -> None:
    hand = polygon((60, 256), (50, 140), (60, 115), (90, 105), (100, 150), (95, 256))
    left, right = found(union(person(), hand), face())
    assert_on(left, [(53.0, float(height_at(LEFT, np.array(53.0)))), *LEFT[1:]])
    assert_on(right, RIGHT)


def test_a_microphone_stand_is_not_climbed() -> None:
    left, _ = found(union(person(), polygon((58, 110), (63, 110), (63, 256), (58, 256))), face())
    assert np.abs(left[:, 1] - height_at(LEFT, left[:, 0])).max() < 1.0


def test_an_arm_that_is_stretched_upward_ends_the_line() -> None:
    arm = polygon((60, 172), (10, 112), (0, 112), (0, 190), (40, 230))
    left, _ = found(union(person(), arm), face())
    assert_on(left, [LEFT[0], (60.0, float(height_at(LEFT, np.array(60.0))))])


@pytest.mark.parametrize("roll", [-30, -15, 15, 30])
def test_a_tilted_head_does_not_tilt_the_search(roll: float) -> None:
    lines = found(union(head(roll=roll), torso(LEFT, RIGHT)), face(roll=roll))
    assert_on(lines[0], LEFT)
    assert_on(lines[1], RIGHT)


def test_someone_in_the_background_is_not_followed() -> None:
    """Ours stands at the left, turned so that the right shoulder is steep; the other's would do."""
    ours = union(head(50), torso([(22.0, 165.0), (0.0, 175.0)], [(78.0, 165.0), (100.0, 300.0)]))
    body = polygon((110, 256), (125, 160), (125, 140), (145, 140), (145, 160), (200, 178), (205, 256))
    other = union(ellipse(135, 125, 14, 20), body)
    bridge = polygon((90, 240), (90, 256), (120, 256), (120, 240))
    assert np.isnan(found(union(ours, other), face(50))[1]).all()
    assert np.isfinite(found(union(ours, other, bridge), face(50))[1]).all(), "it is only the background between them"


def test_a_thin_thing_is_no_shoulder() -> None:
    """A microphone's arm from beside the neck, where the shoulder itself is too steep."""
    steep = union(head(), torso(LEFT, [(156.0, 165.0), (175.0, 256.0)]))
    arm = polygon((150, 160), (230, 185), (230, 197), (150, 172))
    assert np.isnan(found(union(steep, arm), face())[1]).all()


def test_an_arm_at_the_height_of_the_eyes_is_no_shoulder() -> None:
    salute = polygon((90, 74), (20, 84), (0, 110), (0, 200), (40, 200), (40, 120), (90, 100))
    left, _ = found(union(person(), salute), face())
    assert np.isnan(left).all() or left[:, 1].min() > 120


def test_a_line_is_not_followed_beyond_what_shoulders_measure() -> None:
    small = union(head(128, 90, 24), torso([(116.0, 120.0), (0.0, 150.0)], [(140.0, 120.0), (256.0, 150.0)]))
    lines = found(small, face(128, 90, 24))
    assert lines[..., 0].min() == pytest.approx(128 - 3.2 * 24, abs=4)
    assert lines[..., 0].max() == pytest.approx(128 + 3.2 * 24, abs=4)


def test_a_line_that_begins_far_from_the_neck_is_no_shoulder() -> None:
    cloak = torso([(40.0, 110.0), (33.0, 160.0), (-20.0, 180.0)], [(216.0, 110.0), (223.0, 160.0), (276.0, 180.0)])
    mask = union(head(128, 90, 40), cloak)
    assert np.isnan(found(mask, face(128, 90, 40))).all()
    assert np.isfinite(found(mask, face(128, 90, 50))).all(), "it is only too far for so small a face"


def test_a_black_bar_below_the_person_ends_nothing() -> None:
    mask = person()
    mask[236:] = 0
    lines = found(mask, face())
    assert_on(lines[0], LEFT)
    assert_on(lines[1], RIGHT)


def test_a_collar_between_neck_and_shoulder_belongs_to_the_line() -> None:
    right: Points = [(156.0, 150.0), (180.0, 158.0), (188.0, 174.0), (240.0, 200.0)]
    line = found(union(head(), torso(LEFT, right)), face())[1]
    assert_on(line, right, within=2.5)


def test_an_outline_that_the_segmenter_is_unsure_of_is_not_found() -> None:
    """Dark clothes before a dark wall: the probability passes one half, and hovers there."""
    blurred = cv2.GaussianBlur(person(), (0, 0), 25)
    mask = np.where(np.arange(256)[:, None] > 150, blurred, person()).astype(np.float32)
    assert np.isnan(found(mask, face())).all()


@pytest.mark.parametrize("mask", [np.zeros((256, 256), np.float32), np.ones((256, 256), np.float32)])
def test_without_an_outline_nothing_is_found(mask: NDArray[np.float32]) -> None:
    assert np.isnan(found(mask, face())).all()


@pytest.mark.parametrize("place", [(-200.0, 90.0), (128.0, -90.0), (128.0, 400.0), (500.0, 90.0)])
def test_a_face_outside_the_frame_does_no_harm(place: tuple[float, float]) -> None:
    lines = found(person(), face(*place))
    assert lines.shape == (2, POINTS, 2)


shoulder_offsets = st.tuples(st.floats(26, 45), st.floats(60, 95), st.floats(0.0, 40.0), st.floats(10.0, 45.0))


@settings(max_examples=25, deadline=None)
@given(left=shoulder_offsets, right=shoulder_offsets, x=st.floats(110, 146), roll=st.floats(-25, 25))
def test_lines_are_even_ascending_parted_and_mirror_with_the_image(
    left: tuple[float, ...], right: tuple[float, ...], x: float, roll: float
) -> None:
    def line(side: int, inner: float, outer: float, rise: float, fall: float) -> Points:
        return [(x + side * inner, 180 - rise), (x + side * outer, 180 - rise + fall)]

    mask = union(head(x, roll=roll), torso(line(-1, *left), line(1, *right)))
    landmarks = face(x, roll=roll)
    lines = found(mask, landmarks)
    steps = np.diff(lines[..., 0], axis=-1)
    there = np.isfinite(lines).all(axis=(1, 2))
    assert np.isnan(lines[~there]).all()
    assert (steps[there] > 0).all()
    assert np.ptp(steps[there], axis=-1) == pytest.approx(0, abs=1e-9)
    if there.all():
        assert lines[0, -1, 0] < lines[1, 0, 0]
    flipped = landmarks.copy()
    flipped[:, 0] = 255 - landmarks[:, 0]
    back = mirror(found(mask[:, ::-1], flipped) - (255.0, 0.0))[::-1]
    np.testing.assert_allclose(lines, back, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(dx=st.integers(-15, 15), dy=st.integers(-40, 20))
def test_lines_shift_with_the_person(dx: int, dy: int) -> None:
    left, right = ([(x + dx, y + dy) for x, y in line] for line in (LEFT, RIGHT))
    lines = found(union(head(128 + dx, 90 + dy), torso(left, right)), face(128 + dx, 90 + dy))
    np.testing.assert_allclose(lines, np.add(found(person(), face()), (dx, dy)), atol=0.1)


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(0.6, 1.05))
def test_lines_scale_with_the_person(scale: float) -> None:
    left, right = ([(128 + (x - 128) * scale, y * scale) for x, y in line] for line in (LEFT, RIGHT))
    lines = found(union(head(128, 90 * scale, 60 * scale), torso(left, right)), face(128, 90 * scale, 60 * scale))
    assert_on(lines[0], left, within=1.5)
    assert_on(lines[1], right, within=1.5)


@given(ends=st.tuples(st.floats(-50, 50), st.floats(60, 200)), slope=st.floats(-2, 2))
def test_resampling_a_straight_line_stays_on_it(ends: tuple[float, float], slope: float) -> None:
    x = np.linspace(0, 100, POINTS)
    straight = np.stack([x, 7 + slope * x], axis=-1)
    again = resample(straight, np.array(ends))
    np.testing.assert_allclose(again[[0, -1], 0], ends)
    np.testing.assert_allclose(again[:, 1], 7 + slope * again[:, 0], atol=1e-9)


def test_a_published_frame_has_its_shoulders_where_it_was_published() -> None:
    """Means of the clip that the frame is from: x 9 to 202 and 403 to 505."""
    path = SHARED / "data/moda/cathy_reference.png"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    image = np.asarray(np.asarray(cv2.imread(str(path)))[..., ::-1].copy(), np.uint8)
    landmarks = FaceMesh(tracking=False)(image)[0]
    mask = person_segmenter()(np.asarray(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA), np.uint8))
    lines = shoulder_lines(mask, landmarks / 2 - 0.5, MIN_WIDTH) * 2 + 1
    assert lines[0, [0, -1], 0] == pytest.approx([9, 202], abs=40)
    assert lines[1, [0, -1], 0] == pytest.approx([403, 505], abs=40)

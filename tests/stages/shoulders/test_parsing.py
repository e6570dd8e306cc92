"""Shoulder lines on label maps of drawn people, whose lines are known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.shoulders.line import POINTS, mirror
from portrait_prep.stages.shoulders.parsing import shoulder_lines
from tests.stages.shoulders.drawn_labels import CLOTH, HAIR, NECK, SKIN, Labels, cloth, head, painted, person
from tests.stages.shoulders.drawn_person import LEFT, RIGHT, Points, ellipse, face, height_at, polygon

MIN_WIDTH = 25.0


def found(labels: Labels, landmarks: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    return shoulder_lines(labels, face() if landmarks is None else landmarks, MIN_WIDTH)


def assert_on(line: NDArray[np.float64], truth: Points, within: float = 1.0, ends: float = 8.0) -> None:
    """The line lies on the drawn one, and begins and ends where that does."""
    assert np.isfinite(line).all()
    assert np.abs(line[:, 1] - height_at(truth, line[:, 0])).max() < within
    xs = sorted(x for x, _ in truth)
    assert line[0, 0] == pytest.approx(xs[0], abs=ends)
    assert line[-1, 0] == pytest.approx(xs[-1], abs=ends)


def part(truth: Points, *xs: float) -> Points:
    """The piece of a drawn line between two x."""
    inside = [point for point in truth if min(xs) < point[0] < max(xs)]
    return [*inside, *((x, float(height_at(truth, np.array(x)))) for x in xs)]


def test_finds_both_lines_of_a_person_facing_the_camera() -> None:
    left, right = found(person())
    assert_on(left, LEFT)
    assert_on(right, RIGHT)


STRAIGHT: Points = [(100.0, 170.0), (24.0, 170.0)]
SLANTED: Points = [(100.0, 160.0), (24.0, 220.0)]
SHRUG: Points = [(84.0, 128.0), (50.0, 124.0), (15.0, 150.0)]


@pytest.mark.parametrize("left", [STRAIGHT, SLANTED, SHRUG], ids=["straight", "slanted", "shrug"])
def test_shoulders_of_all_shapes_are_found(left: Points) -> None:
    assert_on(found(person(left))[0], left)


def test_the_neck_is_not_part_of_the_line() -> None:
    """A wide neckline: the trapezius is bare, and slopes just as the shoulder does."""
    bare = polygon((100, 165), (70, 177.5), (70, 230), (128, 240), (128, 100), (104, 100))
    left, right = found(painted(cloth(), (NECK, bare), *head()))
    assert_on(left, part(LEFT, 70.0, 20.0))
    assert_on(right, RIGHT)


def test_hair_that_falls_behind_the_shoulder_is_not_the_line() -> None:
    """Wide, smooth hair: its outline is that of a shoulder, half a head higher."""
    hair = (HAIR, polygon((30, 150), (84, 110), (84, 60), (128, 60), (128, 256), (30, 256)))
    left, _ = found(painted(hair, cloth(), *head()))
    assert np.isnan(left).all() or left[:, 0].max() < 32


@pytest.mark.parametrize(("a", "b"), [(52, 66), (60, 84), (48, 80)])
def test_hair_across_a_shoulder_is_bridged(a: float, b: float) -> None:
    """A lock that stands off the neck and falls over the middle of the shoulder."""
    lock = (HAIR, polygon((84, 60), (a, 110), (a, 230), (b, 230), (b, 130), (96, 60)))
    left, right = found(painted(cloth(), *head(), lock))
    assert_on(left, LEFT, within=1.5)
    assert_on(right, RIGHT)


def test_hair_beside_the_neck_leaves_what_lies_beyond_it() -> None:
    hair = (HAIR, polygon((70, 60), (66, 110), (66, 215), (110, 215), (110, 60)))
    left, right = found(painted(cloth(), *head(), hair))
    assert_on(left, part(LEFT, 66.0, 20.0))
    assert_on(right, RIGHT)


def test_a_shoulder_all_under_hair_is_not_found() -> None:
    hair = (HAIR, polygon((60, 60), (20, 110), (5, 256), (120, 256), (120, 60)))
    left, right = found(painted(cloth(), *head(), hair))
    assert np.isnan(left).all()
    assert_on(right, RIGHT)


def test_background_between_two_pieces_is_not_bridged() -> None:
    """A gap in the clothes, and beyond it a thin strand that falls from the head."""
    gap = (0, polygon((80, 100), (62, 110), (62, 215), (80, 215)))
    strand = (HAIR, polygon((84, 60), (57, 110), (57, 230), (62, 230), (62, 112), (88, 64)))
    left, right = found(painted(cloth(), gap, *head(), strand))
    assert_on(left, part(LEFT, 20.0, 57.0))
    assert_on(right, RIGHT)


def test_what_lies_far_below_beyond_the_hair_is_not_the_same_shoulder() -> None:
    """Past the lock, something else of cloth: the back of a chair."""
    drop: Points = [(100.0, 165.0), (70.0, 177.5), (69.0, 232.0), (20.0, 238.0)]
    lock = (HAIR, polygon((84, 60), (52, 110), (52, 250), (70, 250), (70, 130), (96, 60)))
    left, _ = found(painted(cloth(drop), *head(), lock))
    assert_on(left, part(LEFT, 70.0, 100.0))


def test_a_shoulder_outside_the_picture_is_not_found() -> None:
    labels = person()[:, 96:]
    landmarks = face() - np.array([96, 0, 0], np.float32)
    left, right = found(labels, landmarks)
    assert np.isnan(left).all()
    assert_on(right, [(x - 96, y) for x, y in RIGHT])


def test_a_raised_arm_ends_the_line() -> None:
    arm = (CLOTH, polygon((60, 172), (10, 112), (0, 112), (0, 190), (40, 230)))
    left, right = found(painted(cloth(), arm, *head()))
    assert_on(left, part(LEFT, 60.0, 100.0))
    assert_on(right, RIGHT)


def test_a_hand_before_the_chest_does_not_matter_and_one_on_the_shoulder_is_bridged() -> None:
    chest = (SKIN, ellipse(60, 225, 14, 14))
    shoulder = (SKIN, ellipse(186, 176, 9, 16))
    left, right = found(painted(cloth(), *head(), chest, shoulder))
    assert_on(left, LEFT)
    assert_on(right, RIGHT, within=1.5)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((256, 256), np.uint8),
        np.full((256, 256), CLOTH, np.uint8),
        painted(*head()),
        painted((NECK, cloth()[1]), *head()),
    ],
    ids=["background", "clothes", "a head", "bare shoulders"],
)
def test_without_a_boundary_of_clothes_nothing_is_found(labels: Labels) -> None:
    assert np.isnan(found(labels)).all()


def test_noise_does_no_harm() -> None:
    noise = np.random.default_rng(0).integers(0, 19, (256, 256), np.uint8)
    assert np.isnan(found(noise)).all()


@pytest.mark.parametrize("place", [(-200.0, 90.0), (128.0, -90.0), (128.0, 400.0), (500.0, 90.0)])
def test_a_face_outside_the_frame_does_no_harm(place: tuple[float, float]) -> None:
    assert found(person(), face(*place)).shape == (2, POINTS, 2)


def test_a_line_narrower_than_asked_for_is_not_found() -> None:
    truth: Points = [(100.0, 165.0), (80.0, 172.0), (70.0, 256.0)]
    labels = person(truth)
    assert np.isfinite(shoulder_lines(labels, face(), 12.0)[0]).all()
    assert np.isnan(shoulder_lines(labels, face(), 40.0)[0]).all()


Steps = list[tuple[float, float]]
steps = st.tuples(st.floats(14, 24), st.floats(-6, 16))
curves = st.tuples(st.floats(26, 34), st.floats(155, 185), st.lists(steps, min_size=3, max_size=3))
"""Where a shoulder begins, from the neck and from above, and steps outward: x and y. At most 49 degrees steep."""


def curve(side: int, inner: float, height: float, steps: Steps) -> Points:
    points = [(inner, height)]
    for dx, dy in steps:
        points.append((points[-1][0] + dx, points[-1][1] + dy))
    return [(128 + side * x, y) for x, y in points]


@settings(max_examples=40, deadline=None)
@given(left=curves, right=curves)
def test_drawn_curves_are_recovered(left: tuple[float, float, Steps], right: tuple[float, float, Steps]) -> None:
    """Neither line is ever off, by more than two pixels, from what was drawn: not even where it is cut short."""
    truths = curve(-1, *left), curve(1, *right)
    lines = found(painted(cloth(*truths), *head()))
    for line, truth in zip(lines, truths, strict=True):
        assert np.isfinite(line).all()
        assert np.abs(line[:, 1] - height_at(truth, line[:, 0])).max() < 2.0
        drawn = abs(truth[-1][0] - truth[0][0])
        assert np.ptp(line[:, 0]) > 0.6 * drawn


@settings(max_examples=25, deadline=None)
@given(left=curves, right=curves, x=st.integers(40, 70), width=st.integers(4, 20))
def test_lines_with_hair_across_are_even_ascending_parted_and_mirror_with_the_image(
    left: tuple[float, float, Steps], right: tuple[float, float, Steps], x: int, width: int
) -> None:
    truths = curve(-1, *left), curve(1, *right)
    lock = (HAIR, polygon((84, 60), (x, 110), (x, 250), (x + width, 250), (x + width, 110), (96, 60)))
    labels = painted(cloth(*truths), *head(), lock)
    lines = found(labels)
    for line, truth in zip(lines, truths, strict=True):
        off = np.abs(line[:, 1] - height_at(truth, line[:, 0]))
        assert np.all(off[(line[:, 0] < x - 2) | (line[:, 0] > x + width + 2)] < 2.0)
    there = np.asarray(np.isfinite(lines).all(axis=(1, 2)))
    assert np.isnan(lines[~there]).all()
    assert there[1]
    along = np.diff(lines[there][..., 0], axis=-1)
    assert (along > 0).all()
    assert np.ptp(along, axis=-1) == pytest.approx(0, abs=1e-9)
    if there.all():
        assert lines[0, -1, 0] < lines[1, 0, 0]
    landmarks = face()
    landmarks[:, 0] = 255 - landmarks[:, 0]
    back = mirror(found(labels[:, ::-1], landmarks) - (255.0, 0.0))[::-1]
    np.testing.assert_allclose(lines, back, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(dx=st.integers(-15, 15), dy=st.integers(-40, 20))
def test_lines_shift_with_the_person(dx: int, dy: int) -> None:
    left, right = ([(x + dx, y + dy) for x, y in line] for line in (LEFT, RIGHT))
    lines = found(painted(cloth(left, right), *head(128 + dx, 90 + dy)), face(128 + dx, 90 + dy))
    np.testing.assert_allclose(lines, np.add(found(person()), (dx, dy)), atol=0.1)


def test_twice_the_resolution_gives_the_same_lines() -> None:
    double = np.repeat(np.repeat(person(), 2, axis=0), 2, axis=1)
    lines = (shoulder_lines(double, (face() + 0.5) * 2 - 0.5, 2 * MIN_WIDTH) + 0.5) / 2 - 0.5
    for line, truth in zip(lines, (LEFT, RIGHT), strict=True):
        assert_on(line, truth)


LOCK = (HAIR, polygon((84, 60), (52, 110), (52, 230), (70, 230), (70, 130), (96, 60)))


@pytest.mark.parametrize("labels", [person(), painted(cloth(), *head(), LOCK)], ids=["short hair", "a lock across"])
def test_maps_as_coarse_as_the_network_makes_them_give_the_same_lines(labels: Labels) -> None:
    """BiSeNet scores at 64 x 64, and enlarges its scores to 512 x 512, so that the outlines of its labels are wavy."""
    scores = cv2.resize(np.eye(19, dtype=np.float32)[labels], (64, 64), interpolation=cv2.INTER_AREA)
    x, y = np.meshgrid(*2 * [np.linspace(0, 63, 512, dtype=np.float32)])
    enlarged = [cv2.remap(np.ascontiguousarray(scores[..., k]), x, y, cv2.INTER_LINEAR) for k in range(19)]
    coarse = np.argmax(enlarged, axis=0).astype(np.uint8)
    lines = (shoulder_lines(coarse, (face() + 0.5) * 2 - 0.5, 2 * MIN_WIDTH) + 0.5) / 2 - 0.5
    for line, truth in zip(lines, (LEFT, RIGHT), strict=True):
        assert_on(line, truth, within=1.5)

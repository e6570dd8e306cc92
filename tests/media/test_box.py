import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.media.box import Box

coordinates = st.integers(-3000, 3000)
lengths = st.integers(1, 3000)
boxes = st.builds(Box, coordinates, coordinates, lengths, lengths)


@pytest.mark.parametrize(
    ("height", "crop", "picture", "expected"),
    [
        (720, (384, 0, 549, 549), (1280, 720), (384, 0, 549, 549)),
        (720, (384, 2, 550, 550), (1920, 1080), (576, 3, 825, 825)),
        (1080, (600, 0, 765, 765), (640, 360), (200, 0, 255, 255)),
        (720, (560, 0, 720, 720), (1279, 719), (559, 0, 719, 719)),  # rounding does not lead beyond the picture
        (720, (389, 0, 776, 776), (1280, 720), None),
        (720, (389, 0, 776, 776), (1920, 1080), None),  # too tall where it was drawn: of no known scale
        (0, (412, 0, 465, 465), (1280, 720), None),
        (720, (700, 0, 500, 500), (960, 720), None),  # a picture of another shape
        (720, (0, 0, 0, 0), (1280, 720), None),
        (0, (0, 0, 0, 0), (1280, 720), None),
        (2160, (0, 0, 4, 4), (64, 36), None),  # nothing is left of it
        (480, (360, 0, 360, 480), (1440, 960), (720, 0, 720, 960)),
        (480, (360, 0, 360, 480), (640, 480), None),
    ],
)
def test_a_crop_is_scaled_to_the_height_that_is_there(
    height: int,
    crop: tuple[int, int, int, int],
    picture: tuple[int, int],
    expected: tuple[int, int, int, int] | None,
) -> None:
    found = Box(*crop).fitted(height, picture)
    assert found == (expected and Box(*expected))


@given(st.integers(16, 700), st.integers(0, 600), st.integers(0, 100), st.integers(90, 2160))
def test_a_scaled_crop_stays_square_and_inside(side: int, x: int, y: int, height: int) -> None:
    side = min(side, 720 - y)
    picture = (round(height * 16 / 9), height)
    found = Box(x, y, side, side).fitted(720, picture)
    if found is not None:
        assert found.w == found.h
        assert 0 <= found.x <= picture[0] - found.w
        assert 0 <= found.y <= picture[1] - found.h
        assert abs(found.x - x * height / 720) <= 2.5
    else:
        assert (x + side) * height / 720 > picture[0]


@given(boxes, boxes)
def test_the_common_part_is_inside_both(one: Box, other: Box) -> None:
    common = one.within(other)
    assert common.w <= min(one.w, other.w)
    assert common.h <= min(one.h, other.h)
    assert common.within(one) == common or common.w * common.h == 0
    assert one.within(one) == one

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.media.box import Box
from portrait_prep.media.probe import Orientation
from portrait_prep.stages.video.crop import Faces, main_face, square, stored

coordinates = st.integers(-3000, 3000)
lengths = st.integers(1, 3000)
boxes = st.builds(Box, coordinates, coordinates, lengths, lengths)
orientations = st.builds(Orientation, st.booleans(), st.booleans(), st.booleans())


def faces(*rows: tuple[float, float, float]) -> Faces:
    """Faces from (middle x, middle y, size)."""
    return np.array([(x - s / 2, y - s / 2, s, s, 0.9) for x, y, s in rows], np.float32).reshape(-1, 5)


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.floats(0.02, 0.9),
    st.integers(120, 2000),
    st.integers(120, 2000),
    st.floats(1, 8),
)
def test_the_square_is_a_square_around_the_face(
    middle: tuple[float, float], share: float, width: int, height: int, margin: float
) -> None:
    frame, size = Box(0, 0, width, height), share * min(width, height)
    x, y = middle[0] * width, middle[1] * height
    box = square(faces((x, y, size)), frame, margin, 1.5)
    assert box.w == box.h
    if box == frame:
        return
    assert (box.x % 2, box.y % 2, box.w % 2) == (0, 0, 0)
    assert box.w >= min(margin, 1.5, 1.2) * size - 2
    assert abs(box.x + box.w / 2 - x) <= 0.1 * box.w + 2
    assert abs(box.y + 0.5 * box.h - y) <= 0.2 * box.h + 2


@given(st.floats(0.25, 0.75), st.floats(0.3, 0.7), st.floats(0.1, 0.25))
def test_nothing_is_padded_where_there_is_picture_enough(x: float, y: float, share: float) -> None:
    frame = Box(0, 0, 1920, 1080)
    box = square(faces((x * 1920, y * 1080, share * 1080)), frame, 2.2, 1.5)
    assert box.within(frame) == box
    assert box.w == pytest.approx(2.2 * share * 1080, abs=2)


@pytest.mark.parametrize(("margin", "above", "below"), [(1.5, 0.3, 0.15), (2.2, 0.35, 0.6), (3.0, 0.35, 1.0)])
def test_there_is_room_for_hair_and_shoulders(margin: float, above: float, below: float) -> None:
    box = square(faces((960, 540, 200)), Box(0, 0, 1920, 1080), margin, 1.5)
    assert 440 - box.y >= above * 200
    assert box.y + box.h - 640 >= below * 200


def test_a_narrow_picture_is_cut_closer_before_it_is_padded() -> None:
    assert square(faces((360, 640, 460)), Box(0, 0, 720, 1280), 2.2, 1.5).w == 720
    padded = square(faces((360, 640, 600)), Box(0, 0, 720, 1280), 2.2, 1.5)
    assert padded.w == 900
    assert (padded.x, padded.x + padded.w) == (-90, 810)


def test_a_face_in_the_corner_stays_near_its_place_and_the_rest_is_black() -> None:
    box = square(faces((60, 60, 100)), Box(0, 0, 1920, 1080), 2.2, 1.5)
    assert box.x < 0
    assert box.y < 0
    assert box.w == 220


def test_a_square_picture_with_a_fitting_face_is_taken_whole_and_one_with_a_tiny_face_is_not() -> None:
    frame = Box(0, 0, 480, 480)
    assert square(faces((100, 300, 120)), frame, 2.2, 1.5) == frame
    assert square(faces((100, 300, 60)), frame, 2.2, 1.5).w == 132


def test_the_square_holds_all_that_a_moving_face_sweeps_over() -> None:
    moving = faces((400, 500, 100), (600, 500, 100), (800, 500, 100))
    box = square(moving, Box(0, 0, 1920, 1080), 2.2, 1.5)
    assert box.x <= 350
    assert box.x + box.w >= 850
    assert box.x + box.w / 2 == pytest.approx(600, abs=2)


def test_the_box_stays_inside_a_region() -> None:
    region = Box(360, 120, 360, 240)
    box = square(faces((540, 240, 90)), region, 2.2, 1.5)
    assert box.within(region) == box


def test_the_main_face_is_large_central_and_lasting() -> None:
    speaker, passer = (960, 500, 200), (100, 900, 260)
    samples = [faces(speaker, passer), faces(speaker), faces(speaker), faces()]
    np.testing.assert_allclose(main_face(samples, 1920, 1080), faces(speaker, speaker, speaker))


def test_a_large_face_wins_over_many_small_ones_and_order_does_not_matter() -> None:
    crowd = [(100 + 150 * n, 100, 50) for n in range(8)]
    samples = [faces(*crowd, (900, 600, 300)), faces((905, 603, 310), *crowd)]
    np.testing.assert_allclose(main_face(samples, 1920, 1080), faces((900, 600, 300), (905, 603, 310)))


def test_two_people_are_not_taken_for_one() -> None:
    samples = [faces((400, 500, 200), (1500, 500, 180))] * 3
    found = main_face(samples, 1920, 1080)
    assert np.ptp(found[:, 0]) == 0
    assert len(found) == 3


def test_no_face_is_no_face() -> None:
    assert main_face([faces(), faces()], 100, 100).shape == (0, 5)
    assert main_face([], 100, 100).shape == (0, 5)


@given(orientations, st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_stored_box_shows_the_same_pixels(
    orientation: Orientation, width: int, height: int, data: st.DataObject
) -> None:
    picture = np.arange(width * height).reshape(height, width)

    def shown(
        image: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        image = image.T if orientation.transposed else image
        image = image[:, ::-1] if orientation.flip_x else image
        return image[::-1] if orientation.flip_y else image

    display = shown(picture)
    x, y = data.draw(st.integers(0, display.shape[1] - 1)), data.draw(st.integers(0, display.shape[0] - 1))
    w = data.draw(st.integers(1, display.shape[1] - x))
    h = data.draw(st.integers(1, display.shape[0] - y))
    box = stored(Box(x, y, w, h), orientation, (display.shape[1], display.shape[0]), (width, height))
    cut = picture[box.y : box.y + box.h, box.x : box.x + box.w]
    np.testing.assert_array_equal(shown(cut), display[y : y + h, x : x + w])


@given(boxes, orientations)
def test_pixels_that_are_not_square_are_counted_along_stored_rows(box: Box, orientation: Orientation) -> None:
    display = (720, 1280) if orientation.transposed else (1280, 720)
    got = stored(box, orientation, display, (640, 720))
    even = stored(box, orientation, display, (1280, 720))
    assert (got.y, got.h) == (even.y, even.h)
    assert got.x == pytest.approx(even.x / 2, abs=0.5)
    assert got.w == pytest.approx(even.w / 2, abs=1)

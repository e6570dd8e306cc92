"""A region shows one face whole, no part of another, and is no square."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.recordings.regions import region

PICTURE = (1280, 720)
places = st.tuples(st.integers(0, 1000), st.integers(0, 500), st.integers(30, 220)).map(
    lambda place: np.array([[place[0], place[1], place[2], place[2]]], float)
)


def inside(box: NDArray[np.float64], left: float, top: float, right: float, bottom: float) -> bool:
    """Whether all of a face lies in a region."""
    x, y, w, h = box[0]
    return bool(left <= x and top <= y and x + w <= right and y + h <= bottom)


@given(places, st.lists(places, max_size=3), st.sampled_from([0.5, 1.5, 8.0]))
def test_it_has_all_of_one_face_and_nothing_of_others(
    own: NDArray[np.float64], others: list[NDArray[np.float64]], room: float
) -> None:
    found = region(own, others, PICTURE, room)
    if found is None:
        return
    left, top, right, bottom = found.x, found.y, found.x + found.w, found.y + found.h
    assert inside(own, left - 1, top - 1, right + 1, bottom + 3)
    assert (left >= 0, top >= 0, right <= PICTURE[0], bottom <= PICTURE[1]) == (True,) * 4
    assert found.w != found.h
    for x, y, w, h in (other[0] for other in others):
        assert x >= right or y >= bottom or x + w <= left or y + h <= top


@pytest.mark.parametrize(("x", "there"), [(460, True), (240, False)])
def test_there_is_none_where_another_face_comes_before_it(x: int, there: bool) -> None:
    own, other = np.array([[200.0, 200, 200, 200]]), np.array([[x, 300.0, 100, 100]])
    assert (region(own, [other], PICTURE, 1.5) is not None) == there


def test_it_covers_all_places_of_a_face_that_moves() -> None:
    found = region(np.array([[300.0, 300, 100, 100], [600, 250, 100, 100]]), [], PICTURE, 1.0)
    assert found is not None
    assert (found.x, found.y, found.x + found.w, found.y + found.h) == (200, 150, 800, 500)

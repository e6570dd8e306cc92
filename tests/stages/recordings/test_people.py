"""Who is the same person, by the shape of faces."""

import numpy as np

from portrait_prep.stages.models.sface import NUMBERS
from portrait_prep.stages.recordings.people import LEAST_LOOKS, Seen, mean_shape, people_of
from portrait_prep.stages.recordings.proportions import SPREAD


def seen(shot: int, away: float, first: int = 0, last: int = 99) -> Seen:
    """A track whose shape is so many SPREADs away from some face."""
    return Seen(shot, first, last, 100 + away * SPREAD, np.full(NUMBERS, np.nan))


def test_like_shapes_are_of_one_person_and_others_are_not() -> None:
    assert people_of([seen(0, 0), seen(1, 9), seen(2, 1), seen(3, 8), seen(4, 20)]) == [0, 1, 0, 1, 2]


def test_what_is_not_clear_is_apart() -> None:
    assert people_of([seen(0, 0), seen(1, 2.6)]) == [0, 1]
    assert people_of([seen(0, 0), seen(1, 4), seen(2, 2)]) == [0, 1, 2]
    unknown = Seen(1, 0, 9, np.full(6, np.nan), np.full(NUMBERS, np.nan))
    assert people_of([unknown, unknown, seen(2, 0), unknown]) == [0, 1, 2, 3]


def test_two_at_one_time_are_two() -> None:
    assert people_of([seen(0, 0), seen(0, 0, 50, 120)]) == [0, 1]
    assert people_of([seen(0, 0), seen(0, 0, 100, 120)]) == [0, 0]


def test_a_shape_is_known_after_some_looks() -> None:
    looks = np.full((3 * LEAST_LOOKS, 6), np.nan)
    looks[::3] = np.arange(LEAST_LOOKS)[:, None]
    np.testing.assert_allclose(mean_shape(looks), (LEAST_LOOKS - 1) / 2)
    assert np.isnan(mean_shape(looks[3:])).all()

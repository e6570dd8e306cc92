"""Who is the same person, by the shape of faces."""

import numpy as np

from portrait_prep.stages.models.sface import NUMBERS, SAME
from portrait_prep.stages.recordings.people import LEAST_LOOKS, Seen, mean_embedding, mean_shape, people_of
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


def known_by(angle: float, shot: int, first: int = 0, last: int = 99, away: float = np.nan) -> Seen:
    """A track whose embedding points in that direction, degrees; and its shape."""
    embedding = np.zeros(NUMBERS)
    embedding[:2] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return Seen(shot, first, last, 100 + away * SPREAD, embedding)


def test_to_a_recogniser_the_nearest_is_the_same_person_from_its_cosine_on() -> None:
    same = float(np.degrees(np.arccos(SAME)))
    assert people_of([known_by(0, 0), known_by(same - 0.1, 1)]) == [0, 0]
    assert people_of([known_by(0, 0), known_by(same + 0.1, 1)]) == [0, 1]
    assert people_of([known_by(0, 0), known_by(90, 1), known_by(40, 2), known_by(60, 3)]) == [0, 1, 0, 1]


def test_a_recogniser_is_believed_and_not_proportions() -> None:
    assert people_of([known_by(0, 0, away=0), known_by(180, 1, away=0), known_by(0, 2, away=40)]) == [0, 1, 0]


def test_whom_no_recogniser_looked_at_is_known_by_proportions() -> None:
    assert people_of([known_by(0, 0, away=0), known_by(180, 1, away=9), seen(2, 9), seen(3, 40)]) == [0, 1, 1, 2]
    assert people_of([seen(0, 0), known_by(0, 1, away=0), known_by(0, 2), seen(3, 0.1)]) == [0, 1, 1, 2]


def test_whose_nearest_is_seen_at_the_same_time_is_not_taken_for_the_next() -> None:
    assert people_of([known_by(0, 0), known_by(80, 0), known_by(0, 1), known_by(20, 1)]) == [0, 1, 0, 2]


def test_a_person_is_the_mean_of_what_was_seen() -> None:
    same = float(np.degrees(np.arccos(SAME)))
    tracks = [known_by(0, 0), known_by(60, 1), known_by(30 + same - 1, 2)]
    assert people_of(tracks) == [0, 0, 0]
    assert people_of([tracks[0], tracks[2]]) == [0, 1]


def test_embeddings_are_averaged_to_one_of_length_1() -> None:
    looks = np.eye(NUMBERS)[:2]
    np.testing.assert_allclose(mean_embedding(looks), looks.sum(axis=0) / np.sqrt(2))
    assert np.isnan(mean_embedding(looks[:0])).all()


def test_two_at_one_time_are_two() -> None:
    assert people_of([seen(0, 0), seen(0, 0, 50, 120)]) == [0, 1]
    assert people_of([seen(0, 0), seen(0, 0, 100, 120)]) == [0, 0]


def test_a_shape_is_known_after_some_looks() -> None:
    looks = np.full((3 * LEAST_LOOKS, 6), np.nan)
    looks[::3] = np.arange(LEAST_LOOKS)[:, None]
    np.testing.assert_allclose(mean_shape(looks), (LEAST_LOOKS - 1) / 2)
    assert np.isnan(mean_shape(looks[3:])).all()

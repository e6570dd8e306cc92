"""Comparing subjects by embeddings that are drawn around the true person of each video."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.views.visual import identities
from portrait_prep.views.visual.identities import Identities, Known, compare, most_alike, people

NUMBERS = 128


def drawn(person: int, video: int) -> NDArray[np.float32]:
    """An embedding of a person: two of one have a cosine near 0.7, two of different ones near 0."""
    own, other = (np.random.default_rng(seed).normal(0, 1, NUMBERS) for seed in ([person], [person, video]))
    vector = own + 0.65 * other
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def compared(videos: Sequence[tuple[str, int]], likeness: Sequence[float] | None = None) -> Identities:
    """Of videos given as (subject, true person); their ids are v0, v1, …"""
    embeddings = np.array([drawn(person, number) for number, (_, person) in enumerate(videos)])
    ids = [f"v{number}" for number in range(len(videos))]
    alike = np.full(len(videos), 0.8) if likeness is None else np.array(likeness)
    return compare(Known(ids, [subject for subject, _ in videos], embeddings, alike.astype(np.float32)))


def test_where_each_subject_is_one_person_there_is_nothing_to_say() -> None:
    found = compared([("ann", 1), ("bob", 2), ("ann", 1), ("cy", 3), ("ann", 1), ("bob", 2)])
    assert found == Identities({}, [], [])
    assert not found.any


def test_a_subject_of_different_people_is_told_with_the_videos_of_each() -> None:
    found = compared([("ann", 9), ("ann", 1), ("bob", 2), ("ann", 1), ("ann", 1), ("bob", 2)])
    assert found.mixed == {"ann": [["v1", "v3", "v4"], ["v0"]]}
    assert not found.alike


def test_two_subjects_of_one_person_are_told_once_though_one_holds_others_too() -> None:
    found = compared([("x", 1), ("y", 2), ("z", 1), ("z", 1), ("z", 3)])
    assert [pair[:2] for pair in found.alike] == [("x", "z")]
    assert found.alike[0][2] > 0.5
    assert found.mixed == {"z": [["v2", "v3"], ["v4"]]}


def test_the_most_alike_pairs_come_first() -> None:
    videos = [(f"s{number}", person) for number, person in enumerate([1, 2, 3, 3, 2, 1])]
    cosines = [pair[2] for pair in compared(videos).alike]
    assert len(cosines) == 3
    assert cosines == sorted(cosines, reverse=True)


def test_a_video_whose_faces_are_not_alike_is_told_and_one_with_a_single_face_is_not() -> None:
    assert compared([("a", 1), ("b", 2), ("c", 3)], [0.2, np.nan, 0.9]).changing == ["v0"]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_people_are_found_again(persons: list[int]) -> None:
    found = people(np.array([drawn(person, number) for number, person in enumerate(persons)]))
    expected = [[row for row, person in enumerate(persons) if person == one] for one in set(persons)]
    assert sorted(found) == sorted(expected)
    assert [len(rows) for rows in found] == sorted(map(len, expected), reverse=True)


@given(st.integers(1, 40), st.integers(1, 50))
def test_the_most_alike_one_is_found_however_few_are_held_at_a_time(count: int, cells: int) -> None:
    means = np.array([drawn(number // 2, number) for number in range(count)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identities, "CELLS", cells)
        found = [pair[:2] for pair in most_alike(means)]
    assert found == [(row, row ^ 1) for row in range(count) if row ^ 1 < count]


def test_of_a_folder_full_of_strangers_no_more_than_some_are_told_apart() -> None:
    found = people(np.array([drawn(number, number) for number in range(identities.MOST_PEOPLE + 30)]))
    assert len(found) == identities.MOST_PEOPLE
    assert sorted(row for rows in found for row in rows) == list(range(identities.MOST_PEOPLE + 30))

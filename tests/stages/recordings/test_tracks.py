"""Tracks go on where following broke off, and nowhere else."""

import numpy as np

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.tracks import tracks_of


def shot(*pieces: tuple[int, int, int, float], parts: int = 1) -> Batch:
    """4 s of a shot: (number, first frame, last frame, left edge) of faces, in as many parts."""
    box = np.full((100, 4, 4), np.nan, np.float32)
    track = np.full((100, 4), -1, np.int32)
    for slot, (number, first, last, x) in enumerate(pieces):
        track[first : last + 1, slot % 4] = number
        box[first : last + 1, slot % 4] = (x, 100, 80, 80)
    empty = np.full((100, 4, 3), np.nan, np.float32)
    return {
        "time": np.arange(100) / 25,
        "part": np.arange(100) * parts // 100,
        "track": track,
        "box": box,
        "mouth": empty,
        "shape": empty,
        "likeness": empty[:, :, 0],
    }


def told(made: Batch) -> list[tuple[int, int, int]]:
    """First and last frame of each track, and how many there are."""
    return [(int(one.frames[0]), int(one.frames[-1]), len(one.frames)) for one in tracks_of(made)]


def test_a_face_goes_on_where_a_part_ends() -> None:
    assert told(shot((7, 0, 49, 100), (3, 0, 99, 500), (9, 50, 99, 100), parts=2)) == [(0, 99, 100), (0, 99, 100)]


def test_the_same_number_in_another_part_may_be_another_face() -> None:
    assert told(shot((7, 0, 49, 100), (7, 50, 99, 500), parts=2)) == [(0, 49, 50), (50, 99, 50)]


def test_a_face_that_comes_up_soon_is_the_same_and_later_it_is_another() -> None:
    assert told(shot((1, 0, 40, 100), (2, 50, 99, 110))) == [(0, 99, 91)]
    assert told(shot((1, 0, 40, 100), (2, 60, 99, 110))) == [(0, 40, 41), (60, 99, 40)]


def test_of_two_that_could_go_on_the_likest_does() -> None:
    assert told(shot((1, 0, 49, 100), (2, 50, 99, 130), (3, 50, 99, 102))) == [(0, 99, 100), (50, 99, 50)]


def test_nothing_seen_gives_no_track() -> None:
    assert told(shot()) == []

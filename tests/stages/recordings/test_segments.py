"""Recordings become segments: every moment is in one row, and what is kept is one person who talks in one shot."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from portrait_prep.manifests.segments import Segment
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.segments import EARLY, SegmentParams, segments
from portrait_prep.stages.recordings.shot_frames import ShotFrames
from tests.stages.recordings.made import RATE, RECORDING, Face, Scene, chunks, columns, parted

TALK = Scene(6, (Face(),))
DEFAULTS = SegmentParams()


def rows_of(
    whole: Batch, params: SegmentParams = DEFAULTS, borders: Sequence[int] = (), chunk: int = 250
) -> list[Segment]:
    """All rows of a recording whose columns came in parts."""
    return list(segments(RECORDING, lambda: ShotFrames.of(whole).cut(chunks(parted(whole, borders), chunk)), params))


def frames_in(row: Segment, whole: Batch) -> list[int]:
    """The frames that a reader of times finds in a row."""
    return np.flatnonzero((whole["time"] >= row.start) & (whole["time"] < row.end)).tolist()


def told(rows: Sequence[Segment], least: float = 0.1) -> list[tuple[str, float, float]]:
    """Reason, start and end of the rows that are longer than a moment."""
    return [(row.reason or "kept", row.start, row.end) for row in rows if row.end - row.start > least]


def about(*expected: tuple[str, float, float]) -> list[tuple[str, object, object]]:
    """The same within two frames."""
    near = 2 / RATE + EARLY
    return [(why, pytest.approx(start, abs=near), pytest.approx(end, abs=near)) for why, start, end in expected]


def test_who_talks_is_kept_from_cut_to_cut() -> None:
    rows = rows_of(columns(TALK, Scene(4), TALK))
    assert told(rows) == about(("kept", 0, 6), ("no face", 6, 10), ("kept", 10, 16))
    assert [row.subject for row in rows if row.kept] == ["talk-000", "talk-001"]
    assert all(row.voice_share == 1 for row in rows if row.kept)


def test_a_person_is_known_again_by_the_shape_of_the_face() -> None:
    scenes = (*(Scene(6, (Face(person=person),)) for person in (1, 2, 1)), TALK, Scene(6, (Face(person=2),)))
    people = [row.subject for row in rows_of(columns(*scenes)) if row.kept]
    assert people == ["talk-000", "talk-001", "talk-000", "talk-002", "talk-001"]


def test_two_who_are_seen_at_once_are_two_however_alike() -> None:
    rows = rows_of(columns(Scene(12, (Face(x=300, end=6, person=1), Face(x=760, begin=6, person=1)))))
    assert len({row.subject for row in rows if row.kept}) == 2


def test_reasons_tell_what_keeps_the_rest_out() -> None:
    scenes = {
        "no face": Scene(5),
        "face too small": Scene(5, (Face(size=40),)),
        "not alive": Scene(5, (Face(still=True),)),
        "silent": Scene(5, (Face(),), begin=9),
        "off screen": Scene(5, (Face(begin=9),)),
        "too short": Scene(2, (Face(),)),
        "dissolve": Scene(1, (Face(),), blend=True),
        "another face in the way": Scene(5, (Face(), Face(x=600, begin=9))),
    }
    rows = rows_of(columns(*scenes.values()))
    assert [reason for reason, *_ in told(rows)] == list(scenes)
    assert not any(row.kept for row in rows)


def test_a_photograph_that_is_panned_over_is_told_from_somebody_who_keeps_still_and_talks() -> None:
    whole = columns(Scene(8, (Face(still=True, alike=0.992),)), Scene(8, (Face(alike=0.992),)))
    assert told(rows_of(whole)) == about(("not alive", 0, 8), ("kept", 8, 16))


def test_whose_mouth_is_never_seen_is_not_taken_for_the_one_who_speaks() -> None:
    assert told(rows_of(columns(Scene(8, (Face(hidden=True),))))) == about(("unclear who speaks", 0, 8))


def test_of_two_who_are_seen_the_one_who_talks_is_shown_alone() -> None:
    whole = columns(Scene(12, (Face(x=300, end=6), Face(x=760, begin=6))))
    kept = [row for row in rows_of(whole) if row.kept]
    assert [row.track for row in kept] == [0, 1]
    assert kept[0].end <= 6.5
    assert kept[1].start >= 5.5
    for row, (own, other) in zip(kept, ((300, 760), (760, 300)), strict=True):
        assert row.crop_x is not None
        assert row.crop_w is not None
        assert row.crop_x <= own <= own + 160 <= row.crop_x + row.crop_w
        assert not row.crop_x < other + 160 < row.crop_x + row.crop_w + 160
        assert row.crop_w != row.crop_h


def test_what_is_said_while_another_face_passes_before_is_left_out() -> None:
    whole = columns(Scene(12, (Face(), Face(x=900, begin=99))))
    passing = slice(round(4 * RATE), round(4.8 * RATE))
    whole["box"][passing, 1, 0] = 560.0
    kept = [edge for row in rows_of(whole) if row.kept for edge in (row.start, row.end)]
    assert kept == pytest.approx([0, 4, 4.8, 12], abs=0.2)
    assert kept[1] <= 4 < 4.8 <= kept[2] + EARLY


def test_a_long_silence_ends_a_segment_and_a_pause_does_not() -> None:
    whole = columns(Scene(20, (Face(),), begin=1, pauses=((5, 6), (10, 15))))
    assert told(rows_of(whole)) == about(("kept", 0, 10), ("silent", 10, 15), ("kept", 15, 20))


def test_long_talk_is_cut_where_the_voice_pauses() -> None:
    pauses = ((4.4, 5.0), (8.2, 9.0), (14.0, 14.8))
    rows = rows_of(columns(Scene(19, (Face(),), pauses=pauses)), SegmentParams(min_seconds=2, max_seconds=9))
    assert all(row.kept for row in rows)
    for row in rows[1:]:
        assert any(begin < row.start < end for begin, end in pauses)


def test_margins_are_left_out_on_both_sides_of_a_cut_and_of_a_dissolve() -> None:
    whole = columns(TALK, TALK, Scene(1, blend=True), TALK)
    rows = rows_of(whole, SegmentParams(margin=0.2))
    assert [(row.start, row.end) for row in rows if row.kept] == [
        (0.0, 5.7995),
        (6.1995, 11.7995),
        (13.1995, 18.9995),
    ]
    assert [row.reason for row in rows if not row.kept] == ["next to a cut"] * 3 + ["dissolve", "next to a cut"]


def test_where_no_frame_comes_for_more_than_a_second_a_segment_ends_and_the_time_is_told_apart() -> None:
    whole = columns(Scene(16, (Face(),)))
    lost = slice(round(6 * RATE), round(10 * RATE))
    kept = {name: np.delete(values, lost, axis=0) for name, values in whole.items()}
    rows = rows_of(kept)
    assert told(rows) == about(("kept", 0, 5.92), ("no new picture", 5.96, 10), ("kept", 10.04, 16))
    assert len({row.shot for row in rows if row.kept}) == 2


def test_less_than_a_second_without_a_frame_ends_nothing() -> None:
    whole = columns(Scene(16, (Face(),)))
    kept = {name: np.delete(values, slice(150, 150 + RATE - 2), axis=0) for name, values in whole.items()}
    assert told(rows_of(kept)) == about(("kept", 0, 16))


def test_a_shortest_segment_above_the_longest_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_seconds"):
        SegmentParams(min_seconds=9, max_seconds=5)


faces = st.builds(
    Face,
    x=st.sampled_from([100.0, 520.0, 900.0]),
    size=st.sampled_from([40.0, 160.0]),
    begin=st.sampled_from([0.0, 3.0]),
    person=st.sampled_from([None, 1, 2]),
    still=st.booleans(),
)
scenes = st.builds(
    Scene,
    seconds=st.sampled_from([0.04, 0.4, 2.0, 7.0]),
    faces=st.lists(faces, max_size=2, unique_by=lambda face: face.x).map(tuple),
    begin=st.sampled_from([0.0, 2.0, 9.0]),
    blend=st.sampled_from([False, False, False, True]),
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(scenes, min_size=1, max_size=5),
    st.lists(st.integers(1, 600), max_size=3),
    st.sampled_from([(1.0, 3.0), (3.0, 60.0), (2.0, 2.5)]),
    st.sampled_from([0.0, 0.04, 0.5]),
)
def test_every_frame_is_in_one_row_wherever_parts_end(
    made: list[Scene], borders: list[int], lengths: tuple[float, float], margin: float
) -> None:
    whole = columns(*made)
    params = SegmentParams(min_seconds=lengths[0], max_seconds=lengths[1], margin=margin)
    rows = rows_of(whole, params)
    count = len(whole["time"])
    assert [frame for row in rows for frame in frames_in(row, whole)] == list(range(count))
    assert all(row.end == later.start for row, later in pairwise(rows))
    assert len({row.segment_id for row in rows}) == len(rows)
    starts = {0, *(shot.start for shot, _ in ShotFrames.of(whole).ranges)}
    for row in rows:
        assert not starts.intersection(frames_in(row, whole)[1:])
        assert row.kept == (row.reason is None) == (row.crop_w is not None)
        if row.kept:
            assert lengths[0] <= round(row.end - row.start, 4) <= lengths[1]
    inside = [border for border in borders if border < count]
    assert rows_of(whole, params, inside, 97) == rows

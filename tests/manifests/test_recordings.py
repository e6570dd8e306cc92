"""Recordings are cut into parts, where their own length says, and only there."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.corpora.folder.catalogue import Listing
from portrait_prep.manifests.corpora.folder.files import Search
from portrait_prep.manifests.corpora.folder.halves import Halves
from portrait_prep.manifests.corpora.folder.subjects import subject_rule
from portrait_prep.manifests.corpora.recordings import PART, catalogue, summary, surplus
from portrait_prep.manifests.video import problem_of


def listing(seconds: dict[str, float | None], sounds: dict[str, str] | None = None) -> Listing:
    """What lies in a folder: names and lengths."""
    files = {Path(name): length for name, length in seconds.items()}
    halves = Halves({Path(picture): Path(sound) for picture, sound in (sounds or {}).items()})
    return Listing(Search(Path("/in"), tuple(files), (), ()), subject_rule("each"), files, halves, [], [])


@given(st.floats(0.1, 4e4))
def test_parts_follow_each_other_and_the_last_goes_on_to_the_end(seconds: float) -> None:
    parts = catalogue(listing({"a.mp4": seconds}))
    assert [part.start for part in parts] == [number * PART for number in range(len(parts))]
    assert all(part.end == later.start for part, later in pairwise(parts))
    assert parts[-1].end is None
    assert sum(part.duration or 0 for part in parts) == pytest.approx(seconds)
    assert all((part.duration or 0) >= PART / 2 for part in parts[1:])
    assert {part.subject for part in parts} == {"a"}
    assert not any(problem_of(part.model_copy(update={"shard": "s"})) for part in parts)


def test_others_move_nothing_and_known_recordings_keep_their_names() -> None:
    first = catalogue(listing({"a.mp4": 700.0}))
    later = catalogue(listing({"0.mp4": 400.0, "a.mp4": 700.0}), first)
    assert [part for part in later if part.subject == "a"] == first
    assert [part.video_id for part in first] == ["a-p0000", "a-p0001"]


def test_what_is_no_video_is_one_part() -> None:
    (part,) = catalogue(listing({"a.mp4": None}))
    assert (part.start, part.end, part.duration) == (0, None, None)


def test_a_shorter_recording_has_parts_too_many() -> None:
    known = catalogue(listing({"a.mp4": 1000.0, "b.mp4": 700.0}))
    assert surplus(known, catalogue(listing({"a.mp4": 310.0}), known)) == {"a-p0001", "a-p0002"}


def test_sound_apart_from_the_picture_is_told() -> None:
    found = listing({"a.mp4": 10.0}, {"a.mp4": "a.wav"})
    parts = catalogue(found)
    assert parts[0].sound is None
    assert summary(found, parts, ["a-p0000"]) == [
        "1 recording (1 new) in 1 part, 10 s.",
        "Not listened to, since they are files apart from the picture: 1 (a.wav): join them first.",
    ]

"""What was removed is remembered, and stays out with all copies of it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import SCHEMA, Catalogue
from portrait_prep.manifests.removals import Removal, Removals, read_removals, way_back, write_removals
from portrait_prep.manifests.video import Video

WHO = {"who": "ann", "when": "2026-01-02T03:04:05+00:00"}
IDS = st.sampled_from("abcdef")


def rows(**defects: str | None) -> list[Video]:
    return [
        Video(video_id=name, corpus="toy", subject=f"of {name}", shard="toy-0", source=name, defect=defect)
        for name, defect in defects.items()
    ]


def catalogue(videos: list[Video]) -> Catalogue:
    import pyarrow as pa  # noqa: PLC0415

    return Catalogue(pa.Table.from_pylist([video.model_dump() for video in videos], schema=SCHEMA))


def removed(*ids: str, subject: str | None = None) -> Removals:
    made = [Removal(video_id=name, subject=subject, **WHO) for name in ids]
    return Removals((*made, *([Removal(subject=subject, **WHO)] if subject else [])))


@given(st.lists(st.tuples(IDS | st.none(), st.text() | st.none(), st.text())))
def test_removals_are_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, made: list[tuple]) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("removals") / "removed.jsonl"
    lines = [
        Removal(video_id=name, subject=subject, why=why, **WHO)
        for name, subject, why in made
        if (name, subject) != (None, None)
    ]
    write_removals(path, lines)
    assert read_removals(path).made == tuple(lines)


@pytest.mark.parametrize(
    "line", [WHO, {"video_id": "../a", **WHO}, {"video_id": "a", "more": 1, **WHO}, {"video_id": "a"}, []]
)
def test_a_line_that_is_no_removal_is_named(tmp_path: Path, line: object) -> None:
    path = tmp_path / "removed.jsonl"
    path.write_text("\n" + json.dumps(line))
    with pytest.raises(BadInput, match=r"removed.jsonl, line 2, is not a removal: mend or remove the line"):
        read_removals(path)


def test_a_mark_of_the_byte_order_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "removed.jsonl"
    path.write_text("\ufeff" + json.dumps({"video_id": "a", **WHO}))
    assert read_removals(path).videos == {"a"}


def test_copies_stay_out_with_their_original() -> None:
    kept, out = removed("a").divide(rows(a=None, b="duplicate of a", c=None, d="duplicate of c"))
    assert [video.video_id for video in kept] == ["c", "d"]
    assert list(out) == ["a", "b"]


def test_of_a_subject_nothing_comes_in_whatever_its_id() -> None:
    assert list(removed(subject="of b").divide(rows(a=None, b=None))[1]) == ["b"]


def test_a_subject_that_was_renamed_is_known_by_the_videos_that_went_with_it() -> None:
    """a was of another name here when bob was removed; c is new, of the name that the folder has for both."""
    listed = [video.model_copy(update={"subject": "of a"}) for video in rows(a=None, c=None)]
    gone = removed("a", subject="bob")
    assert list(gone.divide(listed, listed)[1]) == ["a", "c"]
    assert list(gone.divide(listed[1:], listed)[1]) == ["c"]
    assert list(gone.divide(listed, listed, known={"c"})[1]) == ["a"]  # the name is somebody else's, too


def test_the_way_back_names_what_was_removed() -> None:
    assert way_back(removed("a", subject="ann b").made[-1:]) == "portrait-prep remove --forget --subject 'ann b'"
    assert way_back(removed("a", "b").made) == "portrait-prep remove --forget a b"


def test_a_catalogue_with_nothing_removed_is_left_as_it_is() -> None:
    whole = catalogue(rows(a=None, b="duplicate of a"))
    assert removed("x").leave(whole) is whole


def test_the_first_copy_takes_the_place_of_an_original_that_was_removed() -> None:
    left = removed("a").leave(catalogue(rows(b="duplicate of a", c="duplicate of a", d="duplicate of x", e=None)))
    told = {video.video_id: video.defect for video in left}
    assert told == {"b": None, "c": "duplicate of b", "d": "duplicate of x", "e": None}


def test_copies_that_have_further_defects_are_copies_all_the_same() -> None:
    """HDTF's rows have several."""
    videos = rows(a=None, b="duplicate of a; no crop", c="duplicate of a; no crop; odd height")
    assert list(removed("a").divide(videos)[1]) == ["a", "b", "c"]
    left = removed("a").leave(catalogue(videos))
    assert {video.video_id: video.defect for video in left} == {
        "b": "no crop",
        "c": "duplicate of b; no crop; odd height",
    }


@given(st.sets(IDS), st.sets(IDS))
def test_what_is_left_is_what_was_not_removed(there: set[str], gone: set[str]) -> None:
    whole = catalogue(rows(**dict.fromkeys(sorted(there))))
    assert [video.video_id for video in removed(*gone).leave(whole)] == sorted(there - gone)


def test_a_subject_is_forgotten_with_the_videos_that_went_with_it() -> None:
    made = Removals((*removed("a").made, *removed("b", "c", subject="s").made))
    assert made.without((), ("s",)) == removed("a")
    assert made.without(("b",), ()).videos == {"a", "c"}

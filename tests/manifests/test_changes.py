from collections.abc import Sequence
from pathlib import Path
from typing import Any

from portrait_prep.manifests.changes import Changes, changes
from portrait_prep.manifests.merging import ON_MERGE, OnMerge, merge
from portrait_prep.manifests.video import Video

COMMANDS = {"split": "portrait-prep split --as hdtf:subject -w W", "subject": "assign", "fold": "assign"}


def video(video_id: str, source: str = "https://x.org/v", **fields: Any) -> Video:
    return Video(video_id=video_id, corpus="hdtf", subject="s", source=source).model_copy(update=fields)


def compared(known: Sequence[Video], listed: Sequence[Video], taken: Sequence[Video] | None = None) -> Changes:
    taken = listed if taken is None else taken
    return changes(known, listed, taken, merge(known, taken, 120), whole=True)


def test_every_field_is_fixed_or_not_and_a_label_is_corrected() -> None:
    assert list(ON_MERGE) == list(Video.model_fields)
    assert {ON_MERGE[name] for name in ("emotion", "votes", "defect", "licence")} == {OnMerge.CORRECTED}


def test_nothing_is_told_of_a_corpus_that_is_as_it_was() -> None:
    rows = merge([], [video("a", split="test"), video("b")], 120)
    assert list(compared(rows, [video("a", split="test"), video("b")]).lines(COMMANDS)) == []


def test_what_is_new_what_is_gone_and_what_changed_are_told_with_number_and_names() -> None:
    known = merge([], [video(name, emotion="neu", split="train") for name in "abcde"], 120)
    known = [row.model_copy(update={"source": "/gone.mp4"}) if row.video_id in "abcd" else row for row in known]
    listed = [video("e", emotion="ang", split="test"), *(video(name, emotion="neu", split="train") for name in "fg")]
    found = compared(known, listed)
    assert (found.added, found.removed) == (("f", "g"), ("a", "b", "c", "d"))
    assert list(found.lines(COMMANDS)) == [
        "Added: 2 (f, g).",
        "No longer in the source: 4 (a, b, c …); still in the workspace; "
        "to take out: portrait-prep remove ID…, or --missing",
        "Changed: emotion of 1 (e).",
        "1 video keeps its old split; to re-split: portrait-prep split --as hdtf:subject -w W",
    ]


def test_all_are_named_whose_files_are_still_there(tmp_path: Path) -> None:
    there = tmp_path / "there.mp4"
    there.touch()
    known = merge([], [video(name, str(there) if name == "d" else "/gone.mp4") for name in "abcd"], 120)
    line = list(compared(known, [video("e")]).lines(COMMANDS))[-1]
    assert line.endswith("to take out: portrait-prep remove a b c d")


def test_fields_are_told_in_their_order_each_with_its_videos() -> None:
    known = merge([], [video("a", start=1.0), video("b", licence="x")], 120)
    found = compared(known, [video("a", "https://y.org/v", start=2.0), video("b", "https://y.org/v", licence="y")])
    assert {name: list(ids) for name, ids in found.changed.items()} == {
        "source": ["a", "b"],
        "start": ["a"],
        "licence": ["b"],
    }
    assert not found.kept
    assert list(found.lines(COMMANDS)) == ["Changed: source of 2 (a, b); start of 1 (a); licence of 1 (b)."]


def test_fields_of_the_same_videos_are_told_together() -> None:
    known = merge([], [video("a", start=1.0, end=2.0, emotion="neu")], 120)
    found = compared(known, [video("a", start=2.0, end=3.0, emotion="sad")])
    assert list(found.lines(COMMANDS)) == ["Changed: start, end, emotion of 1 (a)."]


def test_what_a_filter_leaves_out_is_neither_gone_nor_changed() -> None:
    known = merge([], [video("a"), video("b"), video("c")], 120)
    listed = [video("a", defect="no crop"), video("b", defect="no crop"), video("d")]
    found = compared(known, listed, listed[:1])
    assert (found.added, found.removed) == ((), ("c",))
    assert {name: list(ids) for name, ids in found.changed.items()} == {"defect": ["a"]}


def test_videos_of_other_corpora_are_not_missed() -> None:
    known = merge([], [video("a").model_copy(update={"corpus": "demo"})], 120)
    assert compared(known, [video("b")]).removed == ()


def test_of_a_corpus_that_may_lie_in_parts_only_a_file_that_is_gone_is_missed(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").touch()
    files = [video(name, str(tmp_path / f"{name}.mp4")) for name in ("there", "gone")]
    known = merge([], [*files, video("elsewhere")], 120)
    listed = [video("new")]
    assert changes(known, listed, listed, merge(known, listed, 120), whole=False).removed == ("gone",)


def test_a_file_that_is_gone_is_kept_against_an_address_and_told(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").touch()
    known = merge([], [video(name, str(tmp_path / f"{name}.mp4")) for name in ("there", "gone")], 120)
    found = compared(known, [video("there"), video("gone")])
    assert not found.changed
    assert {name: list(ids) for name, ids in found.kept.items()} == {"source": ["gone"]}
    assert list(found.lines(COMMANDS)) == [
        "1 video keeps its old source; where the file is gone, give the folder that it lies in now as --source, "
        "or put it back: 1 (gone)."
    ]


def test_a_file_that_is_gone_is_taken_from_where_it_lies_now(tmp_path: Path) -> None:
    known = merge([], [video("a", str(tmp_path / "gone.mp4"))], 120)
    (tmp_path / "now.mp4").touch()
    found = compared(known, [video("a", str(tmp_path / "now.mp4"))])
    assert list(found.lines(COMMANDS)) == ["Changed: source of 1 (a)."]


def test_a_video_whose_id_another_corpus_has_is_left_out_and_told(tmp_path: Path) -> None:
    other = video("a", str(tmp_path / "a.mp4"), subject="ann").model_copy(update={"corpus": "folder"})
    known = merge([], [other], 120)
    found = [video("a", str(tmp_path / "whole.mp4"), emotion="sad", start=1.0, subject="bob"), video("b")]
    assert merge(known, found, 120)[0] == known[0]
    assert list(compared(known, found).lines(COMMANDS)) == [
        "Added: 1 (b).",
        "Left out: 1 (a); videos of another corpus have these ids here: "
        "make a workspace of its own for each of the two.",
    ]

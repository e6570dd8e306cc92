import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.folder.catalogue import catalogue
from portrait_prep.manifests.ids import safe_id
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from tests.clips import portrait, steady, write_clip


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no video")
    return folder


def ids(rows: Sequence[Video], root: Path) -> dict[str, str]:
    return {str(row.path.relative_to(root)): row.video_id for row in rows}


def test_all_videos_are_found_in_order_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, "b.MOV", "a.mp4", "sub/deep/c.webm", "notes.txt", ".hidden.mp4", ".git/x.mp4", "sub/.x/y.avi")
    rows = catalogue(tmp_path)
    assert ids(rows, tmp_path) == {"a.mp4": "a", "b.MOV": "b", "sub/deep/c.webm": "sub_deep_c"}
    assert [row.source for row in rows] == sorted(row.source for row in rows)
    assert all(row.duration is None and row.corpus == "folder" for row in rows)


def test_duration_is_the_header_s(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(25, 1), portrait(64, 64))
    write_clip(tmp_path / "b.mkv", steady(25, 2), portrait(64, 64))
    assert [row.duration for row in catalogue(tmp_path)] == pytest.approx([1.0, 2.0], abs=0.05)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("stem-prefix", ["WDA_KatieHill", "clip", "x_d0", "safe"]),
        ("parent", ["Katie", "Bob", "root", "root"]),
        ("each", ["Katie_WDA_KatieHill_000", "sub_Bob_clip_7", "x_d0", "safe_1"]),
    ],
)
def test_subjects(tmp_path: Path, how: str, expected: list[str]) -> None:
    root = fill(tmp_path / "root", "Katie/WDA_KatieHill_000.mp4", "sub/Bob/clip_7.mp4", "x_d0.mp4", "safe_1.mp4")
    found = {row.video_id: row.subject for row in catalogue(root, how)}
    assert [found[name] for name in ("Katie_WDA_KatieHill_000", "sub_Bob_clip_7", "x_d0", "safe_1")] == expected


def test_names_that_collide_or_are_unsafe_get_safe_ids_of_their_own(tmp_path: Path) -> None:
    names = ["a.mp4", "a.mov", "A.mp4", "sub/a.mp4", "sub_a.mp4", "é ü.mp4", "-rf.mp4", os.fsdecode(b"\xff.mp4")]
    fill(tmp_path, *names)
    rows = catalogue(tmp_path)
    assert len({row.video_id.casefold() for row in rows}) == len(rows) == 8
    assert all(
        re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) for row in rows for name in (row.video_id, row.subject)
    )
    assert all(row.path.is_file() for row in rows)
    assert catalogue(tmp_path) == rows


files = st.lists(
    st.from_regex(r"(s/|t/)?[aAbé_ ]{1,2}\.(mp4|mov|MP4)", fullmatch=True), min_size=1, max_size=8, unique=True
)


@settings(max_examples=40, deadline=None)
@given(files, st.integers(1, 8))
def test_adding_videos_never_changes_an_id(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cut: int
) -> None:
    root = fill(tmp_path_factory.mktemp("folder"), *names[:cut])
    before = merge([], catalogue(root), 120)
    after = merge(before, catalogue(fill(root, *names[cut:]), known=before), 120)
    assert after[: len(before)] == before
    assert len({row.video_id.casefold() for row in after}) == len(after) == len(names)
    assert len({row.source for row in after}) == len(names)


def test_a_folder_that_moved_keeps_its_ids(tmp_path: Path) -> None:
    old = fill(tmp_path / "old", "a.mp4", "a.mov", "sub/b.mp4")
    before = merge([], catalogue(old), 120)
    new = old.rename(tmp_path / "new")
    after = merge(before, catalogue(new, known=before), 120)
    assert [row.video_id for row in after] == [row.video_id for row in before]
    assert all(row.path.is_file() for row in after)


def test_a_second_folder_with_the_same_names_adds_its_own_videos(tmp_path: Path) -> None:
    before = merge([], catalogue(fill(tmp_path / "one", "a.mp4", "é.mp4")), 120)
    after = merge(before, catalogue(fill(tmp_path / "two", "a.mp4", "é.mp4"), known=before), 120)
    assert after[:2] == before
    assert len({row.video_id for row in after}) == len(after) == 4


def test_what_a_workspace_made_is_not_taken_for_a_source(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "media/a.mp4", "sources/a.mp4", "catalogue.parquet")
    assert ids(catalogue(tmp_path), tmp_path) == {"a.mp4": "a"}


def test_linked_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    fill(tmp_path / "real", "x.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(tmp_path / "real")
    (tmp_path / "real/loop").symlink_to(tmp_path / "root")
    assert [row.video_id for row in catalogue(tmp_path / "root")] == ["linked_x"]


def test_a_link_to_a_video_that_is_gone_is_listed(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert [row.video_id for row in catalogue(tmp_path)] == ["gone", "loop"]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a.mp4").symlink_to(tmp_path / "pipe")
    (row,) = catalogue(tmp_path)
    assert row.duration is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "There is no folder"),
        ("a.mp4/b", "There is no folder"),
        ("x" * 300, "cannot be read"),
        ("loop", "cannot be read"),
        ("a.mp4", "is a file"),
        ("empty", "There are no videos"),
    ],
)
def test_unusable_folders_are_told_in_one_sentence(tmp_path: Path, path: str, words: str) -> None:
    fill(tmp_path, "a.mp4")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadInput, match=words) as caught:
        catalogue(tmp_path / path)
    assert "\n" not in str(caught.value)


def test_an_unknown_way_to_name_subjects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="stem-prefix, parent, each"):
        catalogue(fill(tmp_path, "a.mp4"), "name")


def test_subject_names_never_leave_their_folder() -> None:
    assert safe_id("..", "..") not in ("..", ".")

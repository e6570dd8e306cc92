"""Subjects, splits and folds become others, and all that tells of them follows; no stage is computed."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, WorkspaceBusy
from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.reassigning import Change, Reassigned, reassign, split_hint
from portrait_prep.pipeline.removing import Wish, remove
from portrait_prep.pipeline.run.reduction import read_reduction, reduction_path
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import add_videos, numbers, toy_session

FOUR = {"a1": numbers(30), "a2": numbers(12), "b1": numbers(20), "c1": "1 2 bad"}
WAY_OUT = "do this"


def go(root: Path) -> int:
    session = toy_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    return run_counts.computed.total()


def to(**fields: dict[str, Any]) -> Change:
    """Field -> id -> value."""

    def change(videos: Sequence[Video]) -> list[Video]:
        return [
            video.model_copy(
                update={name: own[video.video_id] for name, own in fields.items() if video.video_id in own}
            )
            for video in videos
        ]

    return change


def changed(root: Path, dry_run: bool = False, **fields: dict[str, Any]) -> Reassigned:
    return reassign(toy_session(root), to(**fields), WAY_OUT, dry_run)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reassigning") / "w"
    add_videos(root, FOUR)
    go(root)
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "w"))


def digests(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): sha256_of(path) for path in root.rglob("*") if path.is_file()}


def units(root: Path) -> dict[str, str]:
    return {name: digest for name, digest in digests(root).items() if name.endswith(("0.parquet", "1.parquet"))}


def findings(root: Path) -> list[str]:
    return [finding.line() for finding in Audit(toy_session(root), deep=True).findings()]


def test_manifests_their_table_and_reductions_follow_and_nothing_is_computed(root: Path) -> None:
    before, basis = units(root), read_reduction(reduction_path(toy_session(root).workspace, "total"))
    result = changed(root, subject={"b1": "a"}, split=dict.fromkeys(FOUR, "train"), fold={"a1": 1})
    assert {name: list(ids) for name, ids in result.changed.items()} == {
        "subject": ["b1"],
        "split": ["a1", "a2", "b1", "c1"],
        "fold": ["a1"],
    }
    assert result.waiting == ()
    rows = {row["video_id"]: row for row in pq.read_table(root / "manifests.parquet").to_pylist()}
    assert {name: (row["subject"], row["split"], row["fold"]) for name, row in rows.items()} == {
        "a1": ("a", "train", 1),
        "a2": ("a", "train", None),
        "b1": ("a", "train", None),
        "c1": ("c", "train", None),
    }
    again = read_reduction(reduction_path(toy_session(root).workspace, "total"))
    assert basis is not None
    assert again is not None
    assert again.basis != basis.basis
    assert units(root) == before
    assert findings(root) == []
    assert go(root) == 0


def test_a_table_may_lie_in_the_workspace(root: Path) -> None:
    (root / "who.csv").write_text("video_id,split\n")
    assert findings(root) == []


def test_a_dry_run_tells_the_same_and_writes_nothing(root: Path) -> None:
    before = digests(root)
    told = changed(root, dry_run=True, split={"a1": "test"})
    assert next(told.lines(root, dry_run=True)) == "Would change: split of 1 (a1)."
    assert digests(root) == before
    assert changed(root, split={"a1": "test"}) == told
    assert next(changed(root, split={"a1": "test"}).lines(root, dry_run=False)).startswith("Nothing changes")


def test_a_subject_on_two_sides_is_refused_and_nothing_written(root: Path) -> None:
    before = digests(root)
    with pytest.raises(BadInput) as told:
        changed(root, split={"a1": "train", "a2": "test"})
    assert str(told.value) == "a would have videos in more than one split (test: 1 (a2), train: 1 (a1)): do this."
    with pytest.raises(BadInput, match=r"more than one fold \(1: 1 \(a1\), 2: 1 \(a2\)\)"):
        changed(root, fold={"a1": 1, "a2": 2})
    with pytest.raises(BadInput, match="its video_id is no name of a file"):
        changed(root, video_id={"a1": "../a1"})
    assert digests(root) == before


def test_on_purpose_a_subject_may_be_on_two_sides_and_the_audit_agrees(root: Path) -> None:
    by = dict.fromkeys(FOUR, "video")
    changed(root, split={"a1": "train", "a2": "test"}, fold={"a1": 1, "a2": 2}, split_by=by)
    assert findings(root) == []


def test_a_leak_of_others_does_not_stand_in_the_way(root: Path) -> None:
    on_purpose = dict.fromkeys(("a1", "a2"), "video")
    changed(root, split={"a1": "train", "a2": "test"}, split_by=on_purpose)
    changed(root, subject={"b1": "bob"})
    with pytest.raises(BadInput, match="a would have videos"):
        changed(root, split_by=dict.fromkeys(("a1", "a2"), "subject"))


def test_killed_before_the_manifests_a_run_brings_them_up_to_date(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "finalize", killed)
        with pytest.raises(KeyboardInterrupt):
            changed(root, split=dict.fromkeys(FOUR, "val"))
    assert {row.split for row in read_catalogue(root / "catalogue.parquet")} == {"val"}
    assert findings(root) != []
    assert go(root) == 0
    assert findings(root) == []


def test_the_same_command_again_does_that_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Session, "finalize", lambda *_: None)
        changed(root, split=dict.fromkeys(FOUR, "val"))
    assert changed(root, split=dict.fromkeys(FOUR, "val")).changed == {}
    assert findings(root) == []


def test_a_field_that_a_stage_reads_makes_videos_wait(root: Path) -> None:
    told = changed(root, start={"a1": 0.0})
    assert told.waiting == ("a1",)
    assert f"1 video waits to be computed again: portrait-prep run -w {root}" in told.lines(root, dry_run=False)


def test_while_a_run_is_on_nothing_is_changed(root: Path) -> None:
    with toy_session(root).workspace.lock(), pytest.raises(WorkspaceBusy):
        changed(root, split={"a1": "test"})
    assert toy_session(root).video("a1").split is None


def test_before_any_run(tmp_path: Path) -> None:
    root = tmp_path / "w"
    with pytest.raises(BadInput, match="There is no catalogue"):
        changed(root, split={"a1": "test"})
    add_videos(root, FOUR)
    changed(root, split={"a1": "test", "a2": "test"})
    go(root)
    assert findings(root) == []


def test_what_has_no_split_is_told_with_a_command(root: Path) -> None:
    videos = list(toy_session(root).videos)
    assert list(split_hint(videos, root)) == []
    assert list(split_hint(videos, root, begun=False)) == [
        f"4 videos have no split: portrait-prep split --ratios 80/10/10 --by subject -w {root}"
    ]
    assert next(split_hint(videos[:3], root, begun=False)).endswith(f"--ratios 80/20 --by subject -w {root}")
    assert next(split_hint(videos[:2], root, begun=False)).endswith(f"--ratios 80/20 --by video -w {root}")
    some = to(split={"a1": "train"}, split_by={"a2": "take"})(videos)
    assert list(split_hint(some, root)) == [f"2 videos have no split: portrait-prep split --only-new -w {root}"]


def test_nobody_is_given_the_name_of_one_who_was_removed(root: Path) -> None:
    """The next run would take the video out."""
    remove(toy_session(root), Wish(subjects=("b",)), "ann", "2026-01-02T03:04:05+00:00")
    with pytest.raises(BadInput, match=r"b was removed, and nothing of that subject is kept here: choose another name"):
        changed(root, subject={"a1": "b"})


def test_a_split_that_nobody_had_is_told_since_it_may_be_mistyped(root: Path) -> None:
    assert changed(root, split={"a1": "train", "a2": "train"}).splits == ()
    told = changed(root, split={"b1": "training"})
    assert told.splits == ("training",)
    assert "New as a split, which readers ask for by name: training." in list(told.lines(root, dry_run=False))

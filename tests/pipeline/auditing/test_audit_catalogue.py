"""Nobody is on two sides of a split that is by subject; one that is not says so in the catalogue."""

from collections.abc import Sequence

import pytest

from portrait_prep.manifests.corpora.hdtf import catalogue as hdtf
from portrait_prep.manifests.corpora.ravdess import catalogue as ravdess
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing.catalogue import examine_catalogue, usable
from tests.whole.runs import SHARED

HDTF = SHARED / "data/hdtf/HDTF_dataset"


def video(video_id: str, subject: str, split: str | None, **fields: object) -> Video:
    row = Video(video_id=video_id, corpus="c", subject=subject, shard="c-00000", split=split, source="/v")
    return row.model_copy(update=fields)


def problems(videos: Sequence[Video]) -> list[str]:
    return [f"{finding.kind}: {finding.problem}" for finding in examine_catalogue("catalogue.parquet", videos)]


def placed(rows: Sequence[Video]) -> list[Video]:
    """In shards."""
    return merge([], rows, 120.0)


CLEAN = [video("a1", "ann", "train"), video("a2", "ann", "train"), video("b1", "bob", "test"), video("b2", "bob", None)]


def test_a_leaked_subject_is_named_with_its_sides() -> None:
    assert problems(CLEAN) == []
    leaking = [*CLEAN, video("a3", "ann", "test")]
    assert problems(leaking) == ["leak: ann has videos in more than one split: test: 1 (a3), train: 2 (a1, a2)"]


def test_a_subject_in_two_folds_is_named() -> None:
    (problem,) = problems([video("a1", "ann", None, fold=1), video("a2", "ann", None, fold=2)])
    assert "more than one fold: 1: 1 (a1), 2: 1 (a2)" in problem


def test_what_is_never_worked_on_leaks_nothing() -> None:
    assert problems([*CLEAN, video("a3", "ann", "test", defect="duplicate of a1")]) == []


@pytest.mark.parametrize(("by", "leaks"), [(None, True), ("subject", True), ("take", False), ("video", False)])
def test_a_split_that_is_not_by_subject_says_so(by: str | None, leaks: bool) -> None:
    rows = [video("a1", "ann", "train", split_by=by), video("a2", "ann", "test", split_by=by)]
    assert bool(problems(rows)) is leaks


def test_the_published_splits_of_ravdess() -> None:
    by_actor = placed(ravdess.catalogue())
    assert problems(by_actor) == []
    assert problems(placed(ravdess.catalogue(split="stratified"))) == []
    other = next(row.split for row in by_actor if row.split != by_actor[0].split)
    (problem,) = problems([by_actor[0].model_copy(update={"split": other}), *by_actor[1:]])
    assert problem.startswith(f"leak: {by_actor[0].subject} ")


@pytest.mark.skipif(not HDTF.is_dir(), reason=f"the lists of HDTF are not at {HDTF}")
@pytest.mark.parametrize("split", ["subject", "random"])
def test_the_splits_of_hdtf(split: hdtf.SplitBy) -> None:
    assert problems(placed(hdtf.catalogue(HDTF, split=split))) == []


def test_a_split_of_everything_at_random_would_leak() -> None:
    rows = [row.model_copy(update={"split_by": None}) for row in placed(ravdess.catalogue(split="stratified"))]
    assert len(problems(rows)) == 24


def test_repeated_and_unsafe_ids_are_named_and_passed_over() -> None:
    rows = [*CLEAN, CLEAN[0], video("../x", "eve", None), video(".x", "eve", None)]
    assert [problem.partition(":")[0] for problem in problems(rows)] == ["repeated row", *["unsafe name"] * 2]
    assert usable(rows) == CLEAN


def test_an_id_with_a_leading_dash_is_named_and_its_files_are_its_own() -> None:
    rows = [*CLEAN, video("-x", "eve", None)]
    assert [problem.partition(":")[0] for problem in problems(rows)] == ["unsafe name"]
    assert usable(rows) == rows

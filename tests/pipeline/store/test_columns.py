"""Columns that depend on parameters: switched on, off, and for some videos of a shard only."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import Field

from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Invariant, Job
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.scheduler import RunCounts
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from tests.pipeline.toy import COUNT, SCALE, TOTAL, ScaleParams, add_videos, numbers, scale, tables

SHARD = "scale/toy-00000.parquet"
PLAIN = ["video_id", "frame", "pair"]
WIDE = [*PLAIN, "square"]
ONE_SHARD = {"a1": numbers(300), "a2": numbers(30, 2)}


class WideParams(ScaleParams):
    """Settings of the wide `scale`."""

    squares: bool = Field(False, description="whether there is a column of squares, too")


def scale_wide(job: Job[WideParams]) -> Iterator[Batch]:
    """Multiply, and square what comes of it; a video of id `bad` it cannot."""
    if job.video.video_id == "bad":
        raise BadVideo("it is bad")
    for batch in scale(job):
        yield batch | ({"square": batch["pair"][:, 0] ** 2} if job.params.squares else {})


STAGES = (
    COUNT,
    replace(
        SCALE,
        params=WideParams,
        columns=(*SCALE.columns, Column("square", "float32", when=lambda params: params.squares)),
        process=scale_wide,
        invariants=(
            Invariant(
                "squares are squares",
                ("scale.pair", "scale.square"),
                lambda batch: batch["square"] == batch["pair"][:, 0] ** 2,
            ),
        ),
    ),
    TOTAL,
)


def session(root: Path, squares: bool) -> Session:
    (root / "pipeline.toml").write_text(f"[scale]\nsquares = {str(squares).lower()}\n")
    return Session(Workspace(root), STAGES)


def go(root: Path, squares: bool, *only: str) -> RunCounts:
    """Run, and see that the audit agrees with what is there, unless something is left to do."""
    opened = session(root, squares)
    run_counts, status_counts = opened.run(opened.select((), only, False), workers=0)
    assert not status_counts.failures
    findings = list(Audit(session(root, squares), deep=True).findings())
    assert all(finding.mend == "run again" for finding in findings)
    assert not findings or only
    return run_counts


def names(root: Path) -> list[str]:
    return list(pq.read_schema(root / SHARD).names)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_videos(tmp_path / "w", ONE_SHARD)
    return tmp_path / "w"


def test_a_column_is_there_only_under_its_parameter(root: Path) -> None:
    go(root, squares=False)
    assert names(root) == PLAIN
    plain = tables(root)
    assert go(root, squares=True).computed["scale"] == 2
    assert names(root) == WIDE
    table = pq.read_table(root / SHARD)
    np.testing.assert_array_equal(table["square"].to_numpy(), [pair[0] ** 2 for pair in table["pair"].to_pylist()])
    assert go(root, squares=False).computed["scale"] == 2
    assert names(root) == PLAIN
    assert all(table.equals(plain[name]) for name, table in tables(root).items())


def test_what_stands_on_other_columns_stays_current(root: Path) -> None:
    go(root, squares=False)
    assert go(root, squares=True).computed == {"scale": 2}


@pytest.mark.parametrize("squares", [True, False])
def test_switched_for_one_video_the_others_become_pending(root: Path, squares: bool) -> None:
    go(root, squares=not squares)
    assert go(root, squares, "a1").computed == {"scale": 1}
    opened = session(root, squares)
    assert names(root) == (WIDE if squares else PLAIN)
    assert set(pq.read_table(root / SHARD)["video_id"].to_pylist()) == {"a1"}
    assert opened.status_counts().by_video["scale"] == {State.DONE: 1, State.PENDING: 1}
    assert opened.status_counts().by_video["total"] == {State.DONE: 1, State.STALE: 1}
    assert go(root, squares).computed == {"scale": 1}
    assert not go(root, squares).computed


def test_switched_back_after_one_video_only(root: Path) -> None:
    go(root, squares=False)
    plain = tables(root)
    go(root, True, "a1")
    assert go(root, squares=False).computed == {"scale": 2}
    assert all(table.equals(plain[name]) for name, table in tables(root).items())


def test_a_failed_neighbour_keeps_its_record(tmp_path: Path) -> None:
    root = tmp_path / "w"
    add_videos(root, {"a1": numbers(300), "bad": numbers(30)})
    opened = session(root, squares=False)
    opened.run(opened.select((), (), False), workers=0)
    opened = session(root, squares=True)
    run_counts, status_counts = opened.run(opened.select((), ("a1",), False), workers=0)
    assert run_counts.computed == {"scale": 1}
    assert status_counts.by_video["scale"] == {State.DONE: 1, State.STALE: 1}


def test_a_column_that_is_recorded_but_gone_is_damage(root: Path) -> None:
    go(root, squares=True)
    table, metadata = pq.read_table(root / SHARD), pq.read_metadata(root / SHARD).metadata
    kept = table.drop_columns("square")
    with pq.ParquetWriter(root / SHARD, kept.schema) as writer:
        writer.add_key_value_metadata({b"portrait_prep": metadata[b"portrait_prep"]})
        for start, stop in ((0, 250), (250, 300), (300, 330)):
            writer.write_table(kept.slice(start, stop - start))
    problems = {finding.problem for finding in Audit(session(root, squares=True)).findings()}
    assert "its values are not those recorded" in problems
    (root / "manifests" / "a1.json").unlink()
    (root / "manifests" / "a2.json").unlink()
    assert go(root, squares=True).computed == {"scale": 2}
    assert names(root) == WIDE

"""An optional stage: off, nobody is told of it; on, it makes nothing else stale, and no video is rejected for it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import Field

from portrait_prep.errors import BadInput, BadSetting
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.diff import compare
from portrait_prep.pipeline.listing import Wish, listed
from portrait_prep.pipeline.removing import Wish as Unwanted
from portrait_prep.pipeline.removing import remove
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.result import Result
from tests.pipeline.toy import TOYS, add_videos, numbers, tables

VIDEOS = {"a1": numbers(30), "a2": numbers(31), "b1": numbers(500), "b2": numbers(33)}
"""In two shards; b1 is too long for the optional stage."""
MOST = 400


class SquareParams(Params):
    """Settings of `square`."""

    backend: Literal["off", "plain"] = Field("off", description="how to square")


def square(job: Job[SquareParams]) -> Iterator[Batch]:
    """Square the numbers."""
    if job.frames > MOST:
        raise BadVideo("it is too long")
    for batch in job.read("count.number"):
        yield {"square": batch["number"].astype(np.float32) ** 2}


SQUARE = Stage(
    name="square",
    version=1,
    params=SquareParams,
    columns=(Column("square", "float32", meaning="squared"),),
    process=square,
    reads=("count.number",),
    on=lambda params: params.backend != "off",
)
STAGES: tuple[Stage[Any], ...] = (*TOYS[:1], SQUARE, *TOYS[1:])


def opened(root: Path, stages: tuple[Stage[Any], ...] = STAGES) -> Session:
    return Session(Workspace(root), stages)


def run(root: Path) -> dict[str, int]:
    session = opened(root)
    return dict(+session.run(session.select((), (), retry_failed=False), workers=0)[0].computed)


def switch(root: Path, backend: str) -> None:
    (root / "pipeline.toml").write_text(f'[square]\nbackend = "{backend}"\n')


def findings(root: Path) -> list[str]:
    return [finding.line() for finding in Audit(opened(root), deep=True).findings()]


def column(root: Path, video_id: str) -> list[float]:
    paths = sorted((root / "square").glob("*.parquet"))
    return [
        x for path in paths for x in pq.read_table(path, filters=[("video_id", "=", video_id)])["square"].to_pylist()
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace of the time before the stage was there."""
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS)
    session.run(session.select((), (), retry_failed=False), workers=0)
    return root


def test_off_nobody_sees_it(root: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(root.rglob("*.*")) if path.is_file()}
    assert run(root) == {}
    assert findings(root) == []
    assert "square" not in opened(root).status_counts().to_json()["stages"]
    assert {path: path.read_bytes() for path in sorted(root.rglob("*.*")) if path.is_file()} == before
    with pytest.raises(BadInput, match=r"'square' is off: set its backend in \[square\]"):
        opened(root).select(["square"], (), retry_failed=False)


def test_switched_on_it_alone_is_computed_and_off_again_nothing(root: Path) -> None:
    before = tables(root)
    switch(root, "plain")
    assert run(root) == {"square": 4}
    assert opened(root).status_counts().to_json()["stages"]["square"]["videos"]["failed"] == 1
    assert findings(root) == []
    assert column(root, "a1") == [float(k * k) for k in range(30)]
    switch(root, "off")
    assert run(root) == {}
    assert findings(root) == []
    assert "square" not in opened(root).status_counts().to_json()["stages"]
    assert {name: table for name, table in tables(root).items() if not name.startswith("square/")} == before
    switch(root, "plain")
    assert run(root) == {}


def test_a_video_that_fails_it_is_accepted_and_listed_among_the_failed(root: Path) -> None:
    switch(root, "plain")
    run(root)
    session = opened(root)
    status_counts = session.status_counts()
    assert (status_counts.accepted, status_counts.failed) == (4, 1)
    assert "4 accepted, 0 not" in status_counts.verdicts
    (one,) = listed(session, Wish(Result.FAILED))
    assert (one.video_id, one.result, one.stage) == ("b1", Result.ACCEPTED, "square")
    assert [each.video_id for each in listed(session, Wish(Result.ACCEPTED))] == ["a1", "a2", "b1", "b2"]


def test_a_video_that_waits_for_it_is_accepted(root: Path) -> None:
    switch(root, "plain")
    assert opened(root).status_counts().accepted == 4


def test_a_video_that_is_removed_goes_out_of_it_while_it_is_off(root: Path) -> None:
    switch(root, "plain")
    run(root)
    switch(root, "off")
    remove(opened(root), Unwanted(("a1", "b2")), "ann", "2026-01-02T03:04:05+00:00")
    assert column(root, "a1") == column(root, "b2") == []
    assert len(column(root, "a2")) == 31
    switch(root, "plain")
    assert run(root) == {}
    assert findings(root) == []


def test_a_deleted_row_goes_out_of_it_while_it_is_off(root: Path) -> None:
    switch(root, "plain")
    run(root)
    switch(root, "off")
    session = opened(root)
    write_catalogue(session.workspace.catalogue, [video for video in session.videos if video.video_id != "a1"])
    run(root)
    assert column(root, "a1") == []


def test_what_reads_from_it_while_it_is_off_is_a_wrong_setting(root: Path) -> None:
    reading = replace(TOYS[1], reads=(*TOYS[1].reads, "square.square"))
    with pytest.raises(BadSetting, match=r"\[scale\] reads what square makes, and that is off"):
        _ = opened(root, (*STAGES[:2], reading, TOYS[2])).stages


def test_what_could_read_from_it_does_not_wait_for_it_while_it_is_off(root: Path) -> None:
    able = replace(
        TOYS[1], reads=(*TOYS[1].reads, "square.square"), reads_when={"square.square": lambda params: params.factor > 2}
    )
    session = opened(root, (*STAGES[:2], able, TOYS[2]))
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    assert not +run_counts.computed


def test_diff_tells_of_it_where_either_has_it(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    session = add_videos(other, VIDEOS)
    session.run(session.select((), (), retry_failed=False), workers=0)
    switch(root, "plain")
    run(root)
    assert compare(opened(root), opened(other)).any
    assert compare(opened(other), opened(root)).any

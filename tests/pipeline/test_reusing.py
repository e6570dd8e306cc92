"""A stage that reuses what an optional one computed: the same comes out, nothing is stale for it, work is spared."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import Field

from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.executor import InProcessExecutor
from portrait_prep.pipeline.run.scheduler import Scheduler
from portrait_prep.pipeline.session import Session
from tests.pipeline.damage import flip
from tests.pipeline.toy import COUNT, TOTAL, add_videos, numbers, tables

VIDEOS = {"a1": numbers(30), "a2": numbers(31), "b1": numbers(500), "b2": numbers(33)}
"""In two shards; b1 is too long for the optional stage."""
COSTLY: list[str] = []
"""Which stage looked at which video through what costs."""


class SquareParams(Params):
    """Settings of `square`."""

    backend: Literal["off", "plain"] = Field("off", description="how to square")
    root: bool = Field(True, description="keep what `scale` would look for, too")


class ScaleParams(Params):
    """Settings of `scale`."""

    backend: Literal["other", "plain"] = Field("plain", description="how to scale")


def costly(stage: str, job: Job[Any]) -> Iterator[Batch]:
    COSTLY.append(f"{stage} {job.video.video_id}")
    return job.read("count.number")


def square(job: Job[SquareParams]) -> Iterator[Batch]:
    """Square the numbers, and keep them where that is wanted."""
    if job.frames > 400:
        raise BadVideo("it is too long")
    for batch in costly("square", job):
        kept = {"root": batch["number"].astype(np.float32)} if job.params.root else {}
        yield {"square": batch["number"].astype(np.float32) ** 2, **kept}


def scale(job: Job[ScaleParams]) -> Iterator[Batch]:
    """Twice the numbers, wherever they are from."""
    spared = job.has("square.root")
    for batch in job.read("square.root") if spared else costly("scale", job):
        twice = 2 * batch["root" if spared else "number"].astype(np.float32)
        yield {"pair": np.stack([twice, -twice], axis=1)}


SQUARE = Stage(
    name="square",
    version=1,
    params=SquareParams,
    columns=(
        Column("square", "float32", meaning="squared"),
        Column("root", "float32", meaning="as it was", when=lambda params: params.root),
    ),
    process=square,
    reads=("count.number",),
    on=lambda params: params.backend != "off",
)
SCALE = Stage(
    name="scale",
    version=1,
    params=ScaleParams,
    columns=(Column("pair", "float32", (2,), meaning="scaled"),),
    process=scale,
    reads=("count.number",),
    reuses={"square.root": lambda params: params.backend == "plain"},
    gpu=lambda _: True,
)
STAGES: tuple[Stage[Any], ...] = (COUNT, SQUARE, SCALE, TOTAL)


def opened(root: Path) -> Session:
    return Session(Workspace(root), STAGES)


def run(root: Path, *stages: str, workers: int = 0) -> dict[str, int]:
    COSTLY.clear()
    session = opened(root)
    return dict(+session.run(session.select(stages, (), retry_failed=False), workers=workers)[0].computed)


def switch(root: Path, square: str, scale: str = "plain", kept: str = "true") -> None:
    told = f'[square]\nbackend = "{square}"\nroot = {kept}\n[scale]\nbackend = "{scale}"\n'
    (root / "pipeline.toml").write_text(told)


def findings(root: Path) -> list[str]:
    return [finding.line() for finding in Audit(opened(root), deep=True).findings()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    add_videos(root, VIDEOS)
    return root


@pytest.fixture
def plain(tmp_path: Path) -> dict[str, Any]:
    """All tables of a workspace that never had the optional stage on."""
    root = tmp_path / "plain"
    add_videos(root, VIDEOS)
    switch(root, "off")
    assert run(root) == {"count": 4, "scale": 4, "total": 4}
    assert looks("scale") == ["a1", "a2", "b1", "b2"]
    return tables(root)


def looks(stage: str) -> list[str]:
    """The videos at which a stage looked in the last run."""
    return sorted(video_id for name, video_id in map(str.split, COSTLY) if name == stage)


def others(root: Path) -> dict[str, Any]:
    return {name: table for name, table in tables(root).items() if not name.startswith("square/")}


@pytest.mark.parametrize("workers", [0, 2])
def test_one_look_serves_both_and_the_same_comes_out(root: Path, plain: dict[str, Any], workers: int) -> None:
    switch(root, "plain")
    assert run(root, workers=workers) == {"count": 4, "square": 4, "scale": 4, "total": 4}
    if not workers:
        assert looks("square") == ["a1", "a2", "b2"]
        assert looks("scale") == ["b1"], "which the other stage would not take"
    assert others(root) == plain
    assert findings(root) == []


def test_switched_on_or_off_later_nothing_else_is_computed(root: Path, plain: dict[str, Any]) -> None:
    switch(root, "off")
    run(root)
    switch(root, "plain")
    assert run(root) == {"square": 4}
    switch(root, "off")
    assert run(root) == {}
    assert others(root) == plain


def test_what_is_stale_or_off_or_without_the_column_is_not_reused(root: Path, plain: dict[str, Any]) -> None:
    switch(root, "plain", kept="false")
    run(root)
    assert len(looks("scale")) == 4
    switch(root, "plain", scale="other")
    run(root, "scale")
    assert len(looks("scale")) == 4
    switch(root, "plain")
    assert run(root, "scale") == {"scale": 4}, "which does not bring the other stage with it"
    assert len(looks("scale")) == 4
    assert others(root) == plain


def test_later_it_is_reused(root: Path, plain: dict[str, Any]) -> None:
    switch(root, "plain", scale="other")
    run(root)
    switch(root, "plain")
    assert run(root) == {"scale": 4}
    assert looks("scale") == ["b1"]
    assert others(root) == plain


def test_what_is_damaged_is_not_reused_but_computed_again(root: Path, plain: dict[str, Any]) -> None:
    switch(root, "plain", scale="other")
    run(root)
    for path in sorted((root / "square").glob("*.parquet")):
        column = pq.ParquetFile(path).metadata.row_group(0).column(3)
        assert column.path_in_schema == "root"
        flip(path, (column.data_page_offset + column.total_compressed_size // 2) / path.stat().st_size)
    switch(root, "plain")
    assert run(root)["square"] == 2, "of each shard the first that lies there"
    assert others(root) == plain
    assert findings(root) == []


def test_no_gpu_is_asked_for_where_nothing_is_left_to_look_at(root: Path) -> None:
    switch(root, "plain")
    seen: dict[str, bool] = {}

    def watched(job: Job[ScaleParams]) -> Iterator[Batch]:
        seen[job.video.video_id] = job.gpu
        return scale(job)

    session = Session(Workspace(root), (COUNT, SQUARE, replace(SCALE, process=watched), TOTAL))
    selection = session.select((), (), retry_failed=False)
    Scheduler(session.workspace, session.planner, session.videos, InProcessExecutor(gpus=1), selection).run()
    assert seen == {"a1": False, "a2": False, "b1": True, "b2": True}, "unit by unit"

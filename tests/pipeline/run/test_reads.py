"""What a stage reads under some parameters only; and where its models are looked for."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from portrait_prep.pipeline.declare import workspace
from portrait_prep.pipeline.declare.stage import Batch, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import COUNT, SCALE, TOTAL, add_videos, numbers, tables


class TotalParams(Params):
    """Settings of `total` that may look at the text, too."""

    looks: bool = Field(False, description="whether to count the words")


def total_and_words(job: Job[TotalParams]) -> Iterator[Batch]:
    """Sum up; count words where asked to."""
    total = sum(float(batch["pair"][:, 0].sum()) for batch in job.read("scale.pair"))
    words = len(job.media("txt").read_text().split()) if job.params.looks else 0
    yield {"total": np.array([total + words])}


LOOKING = replace(
    TOTAL,
    params=TotalParams,
    process=total_and_words,
    reads=("scale.pair", "count.txt"),
    reads_when={"count.txt": lambda params: params.looks},
    reduce=None,
)


def computed(root: Path, looks: bool, last: Stage[Any] = LOOKING) -> dict[str, int]:
    """Run; stage -> how many videos were computed."""
    (root / "pipeline.toml").write_text(f"[total]\nlooks = {str(looks).lower()}\n")
    opened = Session(Workspace(root), (COUNT, SCALE, last))
    run_counts, status_counts = opened.run(opened.select((), (), False), workers=0)
    assert not status_counts.failures
    return dict(run_counts.computed)


def totals(root: Path) -> list[float]:
    return [float(value) for value in tables(root)["total/toy-00000.parquet"]["total"].to_pylist()]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_videos(tmp_path / "w", {"a1": numbers(30), "a2": numbers(20)})
    return tmp_path / "w"


def edit(root: Path) -> None:
    """Other text, the same numbers."""
    source = root.parent / "w-originals" / "a1.src"
    source.write_text(source.read_text() + " note")


def test_what_is_not_read_makes_nothing_stale(root: Path) -> None:
    computed(root, looks=False)
    edit(root)
    assert computed(root, looks=False) == {"count": 1, "scale": 1}


def test_what_is_read_does(root: Path) -> None:
    computed(root, looks=True)
    before = totals(root)
    edit(root)
    assert computed(root, looks=True) == {"count": 1, "scale": 1, "total": 1}
    assert totals(root) == [before[0] + 1, before[1]]


def test_switching_computes_again_and_back(root: Path) -> None:
    computed(root, looks=False)
    plain = totals(root)
    assert computed(root, looks=True) == {"total": 2}
    assert totals(root) == [plain[0] + 30, plain[1] + 20]
    assert computed(root, looks=False) == {"total": 2}
    assert totals(root) == plain


def test_reading_what_these_parameters_do_not_declare_is_a_mistake_of_the_stage(root: Path) -> None:
    always = replace(LOOKING, reads_when={"count.txt": lambda _: False})
    (root / "pipeline.toml").write_text("[total]\nlooks = true\n")
    opened = Session(Workspace(root), (COUNT, SCALE, always))
    _, status_counts = opened.run(opened.select((), (), False), workers=0)
    assert [failure["video_id"] for failure in status_counts.failures] == ["a1", "a2"]


def test_the_process_that_computes_knows_the_workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(workspace.WORKSPACE_VARIABLE, "elsewhere")
    seen = []

    def process(job: Job[TotalParams]) -> Iterator[Batch]:
        seen.append(os.environ[workspace.WORKSPACE_VARIABLE])
        yield {"total": np.zeros(1)}

    computed(root, False, replace(LOOKING, process=process))
    assert seen == [str(root), str(root)]

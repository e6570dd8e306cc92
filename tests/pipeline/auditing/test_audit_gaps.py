"""Values are missing in recorded gaps and nowhere else, whatever the digests say."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from tests.pipeline.damage import audited, forge, keys_of, obey, rewrite_manifests

FRAMES = 300
GAP = [40, 60]


def see(job: Job[Params]) -> Iterator[Batch]:
    job.frames = FRAMES
    job.metrics |= {"seconds": FRAMES / 25, "gaps": [GAP]}
    seen = np.arange(FRAMES, dtype=np.float32)
    seen[GAP[0] : GAP[1]] = np.nan
    yield {"seen": np.stack([seen, seen], axis=1), "found": np.isfinite(seen)}


def shift(job: Job[Params]) -> Iterator[Batch]:
    for batch in job.read("see.seen"):
        yield {"shifted": batch["seen"][:, 0] + 1, "kept": np.zeros(len(batch["seen"]), np.float32)}


def hear(job: Job[Params]) -> Iterator[Batch]:
    job.frames = FRAMES
    yield {"heard": np.full(FRAMES, np.nan)}


STAGES: tuple[Stage[Any], ...] = (
    Stage(
        "see",
        1,
        Params,
        (Column("seen", "float32", (2,)), Column("found", "bool")),
        see,
        metrics=(Metric("seconds", "s", "length"), Metric("gaps", "frames", "without values", kind="ranges")),
    ),
    Stage("shift", 1, Params, (Column("shifted", "float32"), Column("kept", "float32")), shift, reads=("see.seen",)),
    Stage("hear", 1, Params, (Column("heard", "float64"),), hear),
)
SEE, SHIFT = "see/c-00000.parquet", "shift/c-00000.parquet"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    workspace = Workspace(tmp_path / "w")
    workspace.create()
    rows = [Video(video_id=name, corpus="c", subject="s", shard="c-00000", source="/v") for name in ("v", "w")]
    write_catalogue(workspace.catalogue, rows)
    write_settings(workspace.settings, STAGES)
    session = Session(workspace, STAGES)
    session.run(session.select((), (), False), workers=0)
    return session


def setting(column: str, frame: int, value: float) -> Callable[[Batch], Batch]:
    """Change one frame; batches come in order."""
    start = 0

    def change(batch: Batch) -> Batch:
        nonlocal start
        values = batch[column].copy()
        if 0 <= frame - start < len(values):
            values[frame - start] = value
        start += len(values)
        return batch | {column: values}

    return change


def test_gaps_that_are_recorded_are_passed_over(session: Session) -> None:
    """What knows of no gaps may be without values anywhere; what reads something with gaps may have values in them."""
    assert audited(session, deep=True) == []


@pytest.mark.parametrize(
    ("stage", "column", "frame", "value", "kind"),
    [
        ("see", "seen", 39, math.nan, "no value"),
        ("see", "seen", 60, math.nan, "no value"),
        ("see", "seen", 299, math.inf, "no value"),
        ("see", "seen", 59, 1.0, "no gap"),
        ("shift", "shifted", 270, math.nan, "no value"),
        ("shift", "kept", 0, math.nan, "no value"),
    ],
)
def test_a_value_too_few_or_too_many_is_named(
    session: Session, stage: str, column: str, frame: int, value: float, kind: str
) -> None:
    forge(session, stage, "v", setting(column, frame, value))
    rewrite_manifests(session)
    findings = audited(session)
    assert keys_of(findings) == {(kind, f"{stage}/c-00000.parquet", "v")}
    assert f"{column} has " in findings[0].problem
    assert f" in frame {frame}," in findings[0].problem
    obey(session, findings)
    assert audited(session) == []


@pytest.mark.parametrize(("gaps", "kind"), [([], "no value"), ([[40, 61]], "no gap"), ("none", "record")])
def test_an_edited_list_of_gaps_is_named(session: Session, gaps: object, kind: str) -> None:
    forge(session, "see", "v", update={"metrics": {"seconds": 12.0, "gaps": gaps}})
    rewrite_manifests(session)
    assert (kind, SEE, "v") in keys_of(audited(session))

"""Toy stages for the scheduler's tests: three stages over text files of numbers, no faces, no codecs.

A source holds words: numbers become frames; `bad` is a bad video, `flaky` fails until a file `<source>.ok` is there,
`die` ends the worker process, `slow` and `hang` sleep, `full` finds the disk full.
"""

import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from portrait_prep.errors import Damaged, SourceAway
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.metric import Metric, at_least
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session

SHORT = "it is short"
PAUSES = {"slow": 0.3, "hang": 60.0}


class CountParams(Params):
    """Settings of `count`."""

    offset: int = Field(0, ge=0, description="added to every number")


class ScaleParams(Params):
    """Settings of `scale`."""

    factor: float = Field(2.0, gt=0, description="what numbers are multiplied by")


def count(job: Job[CountParams]) -> Iterator[Batch]:
    """Read the numbers, a few at a time; copy the text as media."""
    words = job.source.read_text().split()
    job.output("txt").write_text(" ".join(words))
    for word in words:
        _misbehave(word, job.source)
    numbers = np.array([int(word) for word in words if word.isdigit()], np.int32) + job.params.offset
    job.frames = len(numbers)
    job.metrics["seconds"] = len(numbers) / 25
    for start in range(0, len(numbers), 7):
        yield {"number": numbers[start : start + 7]}


def _misbehave(word: str, source: Path) -> None:
    if word == "bad":
        raise BadVideo("it says bad")
    if word == "unnamed":
        raise BadVideo(f"it is called {os.fsdecode(bytes([0x6F, 0xFF]))}")
    if word == "flaky" and not source.with_suffix(".ok").exists():
        raise RuntimeError("it is flaky")
    if word == "die":
        os._exit(1)
    if word == "away" and not source.with_suffix(".back").exists():
        raise SourceAway("it is not there")
    if word == "damaged":
        raise Damaged("its input is damaged")
    if word == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if word in PAUSES:
        time.sleep(PAUSES[word])


def scale(job: Job[ScaleParams]) -> Iterator[Batch]:
    """Multiply."""
    assert job.media("txt").is_file()
    for batch in job.read("count.number"):
        values = batch["number"].astype(np.float32) * job.params.factor
        yield {"pair": np.stack([values, -values], axis=1).astype(np.float32)}


def total(job: Job[Params]) -> Iterator[Batch]:
    """Sum up a video."""
    yield {"total": np.array([sum(float(batch["pair"][:, 0].sum()) for batch in job.read("scale.pair"))])}


def reduce_totals(rows: Iterable[tuple[Video, Batch]], folder: Path) -> Sequence[Path]:
    """One table of all totals."""
    found = [(video.video_id, float(batch["total"][0])) for video, batch in rows]
    path = folder / "all.parquet"
    with replacing(path) as temporary:
        pq.write_table(pa.table({"video_id": [name for name, _ in found], "total": [t for _, t in found]}), temporary)
    return [path]


def outside(video: Video) -> Mapping[str, Any] | None:
    """Size and time of the source."""
    path = Path(video.source)
    return {"bytes": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns} if path.exists() else None


COUNT = Stage(
    name="count",
    version=1,
    params=CountParams,
    columns=(Column("number", "int32", meaning="a number"),),
    metrics=(
        Metric("seconds", "s", "length", title="Length", bounds=(at_least("min_seconds", 0.0, "least", SHORT, ge=0),)),
    ),
    process=count,
    media=("txt",),
    catalogue=("start",),
    outside=outside,
    invariants=(Invariant("numbers are not negative", ("count.number",), lambda batch: batch["number"] >= 0),),
)
SCALE = Stage(
    name="scale",
    version=1,
    params=ScaleParams,
    columns=(Column("pair", "float32", (2,), unit="px", meaning="scaled"),),
    process=scale,
    reads=("count.number", "count.txt"),
)
TOTAL = Stage(
    name="total",
    version=1,
    params=Params,
    columns=(Column("total", "float64", meaning="sum"),),
    process=total,
    reads=("scale.pair",),
    rows="video",
    reduce=reduce_totals,
)
TOYS: tuple[Stage[Any], ...] = (COUNT, SCALE, TOTAL)


def toy_session(root: Path) -> Session:
    """The workspace at `root`, opened afresh."""
    return Session(Workspace(root), TOYS)


def add_videos(root: Path, texts: Mapping[str, str], seconds: float = 50.0) -> Session:
    """Write sources and (add them to) the catalogue; shards take two videos of the given length."""
    session = toy_session(root)
    session.workspace.create()
    originals = root.parent / f"{root.name}-originals"
    originals.mkdir(exist_ok=True)
    found = []
    for name, text in texts.items():
        source = originals / f"{name}.src"
        source.write_text(text)
        found.append(Video(video_id=name, corpus="toy", subject=name[0], source=str(source), duration=seconds))
    known = session.videos if session.workspace.catalogue.exists() else []
    write_catalogue(session.workspace.catalogue, merge(known, found, 120.0))
    if not session.workspace.settings.exists():
        write_settings(session.workspace.settings, TOYS)
    return toy_session(root)


def numbers(count: int, start: int = 0) -> str:
    """A source of so many frames."""
    return " ".join(str(start + value) for value in range(count))


def tables(root: Path) -> dict[str, pa.Table]:
    """Every table of a workspace without what legitimately differs between runs (time, worker, attempts)."""
    return {
        str(path.relative_to(root)): pq.read_table(path).replace_schema_metadata(None)
        for path in sorted(root.rglob("*.parquet"))
        if path.name not in ("manifests.parquet", "catalogue.parquet")
    }

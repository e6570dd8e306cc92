"""A Job over arrays in memory: lets a test run one stage's function on one video, without shards."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.record import Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, Batch, P, Stage

UNPADDED: Mapping[str, NDArray[Any]] = {
    "normalize.first_shown": np.zeros(1),
    "normalize.shown": np.array([[0, 0, 512, 512]], np.float32),
}
"""What a job has unless other columns are given: the video begins where its source does, and shows it all over."""


class MemoryJob(Generic[P]):
    """`columns` maps `stage.column` to arrays [frames, …]; `files` maps a media suffix to a path."""

    def __init__(
        self,
        params: P,
        folder: Path,
        *,
        source: Path | None = None,
        video: Video | None = None,
        frames: int = 0,
        columns: Mapping[str, NDArray[Any]] | None = None,
        files: Mapping[str, Path] | None = None,
        records: Mapping[str, Record] | None = None,
    ) -> None:
        self.params = params
        self.video = video or Video(video_id="v", corpus="folder", subject="s", source=str(source or ""))
        self.metrics: dict[str, Any] = {}
        self.frames = frames
        self.gpu = False
        self.source = source or Path()
        self.sources = folder / "sources"
        self.outputs: dict[str, Path] = {}
        self._folder, self._columns = folder, {**UNPADDED, **(columns or {})}
        self._files, self._records = dict(files or {}), dict(records or {})

    def read(self, *columns: str) -> Iterator[Batch]:
        rows = len(self._columns[columns[0]])
        for start in range(0, rows, ROWS_PER_GROUP):
            part = slice(start, start + ROWS_PER_GROUP)
            yield {name.partition(".")[2]: self._columns[name][part] for name in columns}

    def has(self, column: str) -> bool:
        return column in self._columns

    def record(self, stage: str) -> Record:
        return self._records[stage]

    def media(self, suffix: str) -> Path:
        return self._files[suffix]

    def output(self, suffix: str) -> Path:
        return self.outputs.setdefault(suffix, self._folder / f"{self.video.video_id}.{suffix}")


def claims_hold(stage: Stage[Any], columns: Batch) -> bool:
    """Whether every invariant about these columns holds in every row."""
    told = [claim for claim in stage.invariants if {read.partition(".")[2] for read in claim.reads} <= columns.keys()]
    return all(claim.holds(columns).all() for claim in told)


def collect(stage: Stage[Any], job: MemoryJob[Any]) -> Batch:
    """Run a stage's function to its end and join its batches, checked against the declared columns."""
    batches = list(stage.process(job))
    columns = stage.columns_under(job.params)
    joined = {column.name: np.concatenate([batch[column.name] for batch in batches]) for column in columns}
    for column in columns:
        assert joined[column.name].shape[1:] == column.shape
        if column.dtype != "str" and not column.nullable:
            assert joined[column.name].dtype == np.dtype(column.dtype)
    return joined

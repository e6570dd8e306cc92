"""How a stage declares itself, and what it sees of one video.

A stage is a pure function of one video and the columns before it. It streams: it reads batches of frames and yields
batches of columns, so that memory does not grow with the length of the video. Shards, retries, fingerprints and logs
are the pipeline's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from portrait_prep.manifests.record import Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.workspace import Workspace

Batch = dict[str, NDArray[Any]]
"""Column name -> array [rows, *shape]; all arrays of one batch have the same number of rows."""

ROWS_PER_GROUP = 250
"""Frames in one Parquet row group (10 s at 25 fps): the unit of streaming and of random access."""


class BadVideo(Exception):
    """Raised by a stage for what no retry will mend (corrupt, no face, too short); the message is the reason."""


class Params(BaseModel):
    """Base of a stage's parameters; each field carries a default, bounds and a description for `pipeline.toml`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    incidental: ClassVar[frozenset[str]] = frozenset()
    """Parameters that say how to work and not what comes out: changing one makes nothing stale."""


P = TypeVar("P", bound=Params)
P_co = TypeVar("P_co", bound=Params, covariant=True)


@dataclass(frozen=True)
class Column:
    """One column that a stage adds. `dtype` is a NumPy name or `str`; `shape` is that of one row's value.

    `when` tells from the stage's parameters whether the column is there; None: always. `sized` tells the shape from
    them, where a model decides: `shape` then has -1 in the place of what it decides.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    unit: str = ""
    meaning: str = ""
    nullable: bool = False
    when: Callable[[Any], bool] | None = None
    sized: Callable[[Any], tuple[int, ...]] | None = None

    def under(self, params: Params) -> Column:
        """The column as it is under these parameters."""
        return replace(self, shape=self.sized(params)) if self.sized else self

    @property
    def is_map(self) -> bool:
        """Whether its values are maps of classes or bits, which are the same over wide areas."""
        return self.dtype.startswith("uint")

    @property
    def is_plain(self) -> bool:
        """Whether its values lie in memory as numbers, without strings or nulls."""
        return self.dtype != "str" and not self.nullable


@dataclass(frozen=True)
class Invariant:
    """A claim about columns that the audit checks. `holds` gets a batch of `reads` and returns one bool a row.

    Where a column that it reads is not there under the parameters, the claim is about nothing and passed over.
    """

    claim: str
    reads: tuple[str, ...]
    holds: Callable[[Batch], NDArray[np.bool_]]


class Job(Protocol[P_co]):
    """What a stage sees of one video."""

    video: Video
    metrics: dict[str, Any]
    """What the stage measures on the way, as its declaration names it; it ends up in the record and feeds the rules."""
    frames: int
    """Number of video frames: known from upstream; the stage that makes the frames (normalize) sets it."""
    gpu: bool
    """Whether a GPU is there for this job alone: the first device that CUDA sees."""

    @property
    def params(self) -> P_co:
        """The stage's own parameters, as `pipeline.toml` sets them."""

    def read(self, *columns: str) -> Iterator[Batch]:
        """Stream columns, named `stage.column`, as aligned batches of up to 250 rows keyed by the bare column name."""

    def has(self, column: str) -> bool:
        """Whether a column that the stage `reuses` is there for it to read: up to date, of this very video."""

    def record(self, stage: str) -> Record:
        """The record of an upstream stage for this video, or of one of which a column is there to be reused."""

    def media(self, suffix: str) -> Path:
        """The committed `media/<video_id>.<suffix>` of an upstream stage."""

    def output(self, suffix: str) -> Path:
        """Where this stage may write a media file; it becomes `media/<video_id>.<suffix>` when the video is done."""

    @property
    def source(self) -> Path:
        """The file this video comes from; never written to."""

    @property
    def sources(self) -> Path:
        """The workspace's `sources/` folder; only the stage that fetches writes there."""


Proof = Callable[[Workspace, Video, Record], Iterable[tuple[str, Remedy]]]
"""Reads again what lies outside the shard of a video that is done, and compares it with the record.

Yields what is not as recorded, in plain words, and what mends it.
"""

Reduce = Callable[[Iterable[tuple[Video, Batch]], Path], Sequence[Path]]
"""Joins the accepted videos' rows, in order of video_id, into files in the given folder (the stage's own).

Returns the files; each must be written whole or not at all.
"""


@dataclass(frozen=True)
class Stage(Generic[P]):
    """The declaration of a stage.

    `reads` names every upstream column (`landmarks.detected`) and media file (`normalize.mp4`) that `process` uses:
    their digests are part of the fingerprint. `reads_when` tells from the parameters whether one of them is used at
    all; where it is not, its bytes make nothing stale. `catalogue` names the catalogue fields that matter to the
    outcome.
    `outside` returns facts about files beyond the workspace (size, time) that must invalidate the video when changed,
    or None while they cannot be seen: what was made from them stays valid.
    `models` returns name -> sha256 of the model files used under these parameters. `process` yields batches of the
    declared columns in frame order.
    """

    name: str
    version: int
    params: type[P]
    columns: tuple[Column, ...]
    process: Callable[[Any], Iterator[Batch]]
    reads: tuple[str, ...] = ()
    reads_when: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    reuses: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    """Column of an optional stage above it -> whether, under these parameters, `process` reads it where it is there
    instead of computing the same by itself. What comes out is the same bit for bit, so nothing is stale for it: a run
    that computes both only computes the other one first."""
    on: Callable[[P], bool] | None = None
    """Of an optional stage, whether these parameters turn it on. While it is off nobody is told of it; a video that
    fails it is accepted all the same. None: every video passes through it."""
    rows: Literal["frame", "video"] = "frame"
    packed: bool = True
    """Whether its shards are compressed. False where rows are read at random, or one of very many videos each."""
    metrics: tuple[Metric, ...] = ()
    """What it measures of each video, and the bounds that make rules of quality of it."""
    media: tuple[str, ...] = ()
    media_when: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    """Tells from the parameters whether one of `media` is written at all."""
    catalogue: tuple[str, ...] = ()
    outside: Callable[[Video], Mapping[str, Any] | None] | None = None
    models: Callable[[P], Mapping[str, str]] | None = None
    altered_exports: Callable[[P, Path], Iterable[Path]] | None = None
    """Given a folder, returns the files in it that were derived from the stage's models (exports) and differ from what
    these give when derived again. The name of each holds its own digest."""
    invariants: tuple[Invariant, ...] = ()
    reduce: Reduce | None = None
    proof: Proof | None = None
    fetches: Callable[[P], int] | None = None
    """For a stage that waits for the network: how many tasks with remote videos may be under way at once.

    Such a task has no deadline, since an honest transfer may take any time; the stage itself must notice a stalled one.
    """
    gpu: Callable[[P], bool] | None = None
    """Whether, under these parameters, it is faster on a GPU. Where there is one, `process` finds `gpu` set in its job;
    where there is none, it runs all the same. Which it was is not part of the fingerprint."""
    distributions: tuple[str, ...] = ()
    """Packages whose versions the record notes (`mediapipe`, `av`, …)."""

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """The stages that this one reads under some parameters or other, in declaration order."""
        return tuple(dict.fromkeys(ref.partition(".")[0] for ref in self.reads))

    def is_on(self, params: P) -> bool:
        """Whether videos pass through it under these parameters."""
        return self.on is None or self.on(params)

    @property
    def is_judged(self) -> bool:
        """Whether a video is accepted only once it is done: not where it joins accepted videos, or is optional."""
        return self.reduce is None and self.on is None

    def reads_under(self, params: P) -> tuple[str, ...]:
        """What `process` reads under these parameters."""
        return tuple(ref for ref in self.reads if ref not in self.reads_when or self.reads_when[ref](params))

    def reuses_under(self, params: P) -> tuple[str, ...]:
        """What `process` reads under these parameters where it is there."""
        return tuple(ref for ref, wanted in self.reuses.items() if wanted(params))

    def reads_from(self, params: P) -> frozenset[str]:
        """The stages that it reads, or may reuse a column of, under these parameters."""
        return frozenset(ref.partition(".")[0] for ref in (*self.reads, *self.reuses_under(params)))

    def media_under(self, params: P) -> tuple[str, ...]:
        """The media files that `process` writes under these parameters."""
        return tuple(name for name in self.media if name not in self.media_when or self.media_when[name](params))

    def wants_gpu(self, params: P) -> bool:
        """Whether it asks for a GPU under these parameters."""
        return self.gpu is not None and self.gpu(params)

    def columns_under(self, params: P) -> tuple[Column, ...]:
        """The columns that `process` yields under these parameters."""
        return tuple(column.under(params) for column in self.columns if column.when is None or column.when(params))


def most_at_once(stages: Sequence[Stage[Any]], names: Collection[str]) -> int:
    """How many of some stages can be computed of one video at the same time: those on the same level."""
    level: dict[str, int] = {}
    for stage in stages:
        level[stage.name] = 1 + max((level[name] for name in stage.upstream if name in level), default=0)
    return max(Counter(level[name] for name in names).values())

"""Computes some videos of a unit in a worker, each into a file of its own that waits to be committed.

One bad video never costs its neighbours: it gets a record that says why.
"""

import faulthandler
import logging
import os
import socket
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic

from portrait_prep.errors import (
    FULL_DISK,
    BadSetting,
    Damaged,
    MachineFault,
    MissingPrerequisite,
    NoNetwork,
    PortraitPrepError,
    SourceAway,
)
from portrait_prep.manifests.files import fresh_token, is_intact, sha256_of, temporary_beside
from portrait_prep.manifests.printing import print_logs_safely
from portrait_prep.manifests.record import Basis, Failure, Output, Record
from portrait_prep.manifests.video import Video, anchored
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, P, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.examiner import distribution_of
from portrait_prep.pipeline.run.process import TASKS
from portrait_prep.pipeline.run.results import VideoResult, table_of, take_over
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.arrow import Digests, digest_of
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter, by_stage, joined

log = logging.getLogger(TASKS)

MACHINE_ERRORS = (OSError, MemoryError, ImportError, NameError)
"""Errors of the machine and not of a video: disks, mounts, processes, memory, and packages that do not load (NameError:
of a module that two threads imported at once)."""

MACHINE_MESSAGES = (
    "can't start new thread",  # CPython
    "partially initialized module",  # CPython, of a package that two threads load
    "Insufficient memory",  # OpenCV
    "Failed to allocate memory",  # ONNX Runtime
    "not enough memory",  # PyTorch
    "out of memory",  # CUDA
)
"""Parts of messages of such errors that libraries raise with other types."""


class VideoJob(Generic[P]):
    """The Job of `pipeline.declare.stage` for one video of a workspace; close it to let go of the files."""

    def __init__(
        self,
        workspace: Workspace,
        stage: Stage[P],
        params: P,
        task: "VideoTask",
        columns: Mapping[str, Column],
        gpu: bool = False,
        token: str = "",
    ) -> None:
        self.video = video = task.video
        self.params = params
        self.gpu = gpu
        self.metrics: dict[str, Any] = {}
        self.outputs: dict[str, Path] = {}
        self._workspace, self._stage, self._columns, self._token = workspace, stage, columns, token
        self._reads, self._reused = (*stage.reads_under(params), *task.reused), frozenset(task.reused)
        above = (*stage.upstream, *by_stage(task.reused))
        self._readers = {name: ShardReader(workspace.shard(name, video.shard)) for name in above}
        self.frames = max((self.record(name).frames for name in stage.upstream), default=0)

    def close(self) -> None:
        """Close the shards and remove what was written but not taken."""
        for reader in self._readers.values():
            reader.close()
        for path in self.outputs.values():
            path.unlink(missing_ok=True)

    @property
    def source(self) -> Path:
        """The file this video comes from."""
        return self._workspace.root / self.video.path

    @property
    def sources(self) -> Path:
        """The workspace's downloads."""
        return self._workspace.sources

    def has(self, column: str) -> bool:
        """Whether a column is there to be reused."""
        return column in self._reused

    def record(self, stage: str) -> Record:
        """The record of an upstream stage, or of one that is reused."""
        return self._readers[stage].records[self.video.video_id]

    def media(self, suffix: str) -> Path:
        """A committed media file, checked against its digest. Raises Damaged."""
        path = self._workspace.media(self.video.video_id, suffix)
        (maker,) = (name for name in self._stage.upstream if f"{name}.{suffix}" in self._reads)
        if not is_intact(path, self.record(maker).digests[suffix]):
            raise Damaged(f"{path} is not what was recorded: delete it and run again.")
        return path

    def output(self, suffix: str) -> Path:
        """A temporary file that becomes `media/<video_id>.<suffix>`."""
        if suffix not in self._stage.media_under(self.params):
            raise KeyError(f"stage {self._stage.name} does not declare media {suffix}")
        final = self._workspace.media(self.video.video_id, suffix)
        self._workspace.folder("media")
        return self.outputs.setdefault(suffix, temporary_beside(final, self._token))

    def read(self, *columns: str) -> Iterator[Batch]:
        """Stream upstream columns, checked on the way against their digests: damage is never passed on."""
        undeclared = set(columns) - set(self._reads)
        if undeclared:
            raise KeyError(f"stage {self._stage.name} does not declare that it reads {sorted(undeclared)}")
        yield from joined([self._checked(stage, names) for stage, names in by_stage(columns).items()])

    def _checked(self, stage: str, names: list[str]) -> Iterator[Batch]:
        digests = Digests([self._columns[f"{stage}.{name}"] for name in names])
        other = Damaged(f"{self._readers[stage].path} does not hold what was recorded: delete it and run again.")
        for batch in self._readers[stage].batches(self.video.video_id, names):
            try:
                digests.update(batch)
            except ValueError as error:
                raise other from error
            yield batch
        recorded = self.record(stage).digests
        for name, digest in digests.results().items():
            if recorded[name] != digest:
                raise other


@dataclass(frozen=True)
class Unit:
    """One (stage, shard), with all that a worker needs to know of it."""

    workspace: Workspace
    stage: Stage[Any]
    params: Params
    shard: str
    columns: Mapping[str, Column]
    """`stage.column` -> declaration, of everything upstream."""
    gpu: bool = False
    """Whether its videos are computed where there is a GPU for them."""

    @property
    def path(self) -> Path:
        """The shard file."""
        return self.workspace.shard(self.stage.name, self.shard)


@dataclass(frozen=True)
class VideoTask:
    """One video to compute. `deadline` in seconds; None where no watchdog may end the process.

    `left`: tables of results for it that may lie there already. `reused`: the columns that spare it work.
    """

    video: Video
    basis: Basis
    attempts: int
    retries: int
    deadline: float | None
    left: tuple[Path, ...] = ()
    reused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Computed:
    """What came of some tasks. `offline`: why those that have no result were not tried, in one sentence."""

    results: Sequence[VideoResult]
    offline: str = ""


def compute(unit: Unit, tasks: Sequence[VideoTask]) -> Computed:
    """Compute the videos one after another, or take over what is there of them, as long as there is a network.

    Raises MissingPrerequisite or BadSetting for what concerns all videos.
    """
    print_logs_safely()
    unit.workspace.announce()  # a worker of an existing cluster was not started for this workspace
    results = []
    for task in tasks:
        try:
            results.append(_taken_over(unit, task) or _with_retries(unit, task))
        except NoNetwork as error:
            return Computed(results, str(error))
    return Computed(results)


def _taken_over(unit: Unit, task: VideoTask) -> VideoResult | None:
    """The first proven result that an interrupted run or a dead worker left of a video, if there is one."""
    found = (take_over(unit.workspace, unit.stage, unit.params, task.video, task.basis, table) for table in task.left)
    return next((result for result in found if result), None)


def _with_retries(unit: Unit, task: VideoTask) -> VideoResult:
    for attempt in range(task.attempts + 1, task.attempts + task.retries + 2):
        result = _attempt(unit, task, attempt)
        if result.record.error is None or result.record.error.permanent:
            break
    return result


def _attempt(unit: Unit, task: VideoTask, attempt: int) -> VideoResult:
    started, clock = datetime.now(UTC), time.perf_counter()
    facts: dict[str, Any] = {
        "video_id": task.video.video_id,
        "stage": unit.stage.name,
        "fingerprint": fingerprint(unit.stage.name, task.basis),
        "basis": task.basis,
        "attempts": attempt,
        "started": started.isoformat(timespec="milliseconds"),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "versions": _versions(unit.stage),
    }
    if task.deadline is not None:
        faulthandler.dump_traceback_later(task.deadline, exit=True)
    try:
        return _process(unit, task, facts, clock)
    except (MissingPrerequisite, BadSetting, NoNetwork):
        raise
    except Exception as error:
        stop_where_disk_is_full(error, unit.workspace)
        why = str(error) if isinstance(error, BadVideo | PortraitPrepError) else traceback.format_exc()
        log.warning("%s of %s failed: %s", unit.stage.name, task.video.video_id, why)
        blamed = _unseen_source(unit, task) or _blamed(error)
        failure = Failure(
            type=type(blamed).__name__, message=str(blamed) or repr(blamed), permanent=isinstance(blamed, BadVideo)
        )
        return VideoResult(
            Record(outcome="failed", error=failure, seconds=round(time.perf_counter() - clock, 3), **facts)
        )
    finally:
        faulthandler.cancel_dump_traceback_later()


def _unseen_source(unit: Unit, task: VideoTask) -> SourceAway | None:
    """The error to record where this process does not see the files that the run saw when it was planned."""
    video, outside = anchored(task.video, unit.workspace.root), unit.stage.outside
    if outside is None or not task.basis.outside or outside(video) is not None:
        return None
    return SourceAway(f"{socket.gethostname()} does not see its source: mount it there, and run again.")


def _blamed(error: Exception) -> Exception:
    """The error to record: a MachineFault where the machine is at fault and not the video."""
    if isinstance(error, BadVideo | PortraitPrepError):
        return error
    if isinstance(error, MACHINE_ERRORS) or any(message in str(error) for message in MACHINE_MESSAGES):
        return MachineFault(f"{type(error).__name__}: {error}")
    return error


def _process(unit: Unit, task: VideoTask, facts: dict[str, Any], clock: float) -> VideoResult:
    unit.workspace.folder(unit.stage.name)
    video, token = task.video, fresh_token()
    table = table_of(unit.workspace, unit.stage.name, video.video_id, token)
    job = VideoJob(unit.workspace, unit.stage, unit.params, task, unit.columns, unit.gpu, token)
    try:
        with ShardWriter(table, unit.stage, unit.params) as writer:
            rows, digests = writer.rows(video.video_id, unit.stage.process(job))
            expected = 1 if unit.stage.rows == "video" else job.frames
            if rows != expected:
                raise ValueError(f"{unit.stage.name} gave {rows} rows for {expected} frames")
            media = _measure_media(unit, video, job.outputs)
            digests |= {Path(output.path).suffix[1:]: output.sha256 for output in media}
            record = Record(
                outcome="done",
                digest=digest_of(digests.items()),
                digests=digests,
                rows=rows,
                frames=job.frames,
                media=media,
                metrics=job.metrics,
                seconds=round(time.perf_counter() - clock, 3),
                **facts,
            )
            writer.record(record)
        moves = tuple((path, unit.workspace.media(video.video_id, suffix)) for suffix, path in job.outputs.items())
        job.outputs = {}
        return VideoResult(record, table, moves)
    except BaseException:
        table.unlink(missing_ok=True)
        raise
    finally:
        job.close()


def _measure_media(unit: Unit, video: Video, outputs: Mapping[str, Path]) -> tuple[Output, ...]:
    declared = unit.stage.media_under(unit.params)
    if set(outputs) != set(declared):
        raise ValueError(f"{unit.stage.name} declares media {declared} but wrote {tuple(outputs)}")
    return tuple(
        Output(
            path=unit.workspace.relative(unit.workspace.media(video.video_id, suffix)),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for suffix, path in outputs.items()
    )


def _versions(stage: Stage[Any]) -> dict[str, str]:
    return {name: _version(name) for name in ("portrait-prep", "numpy", *stage.distributions)}


@lru_cache
def _version(distribution: str) -> str:
    """Asked once in a process, which keeps what it has loaded: a file is read and parsed for it."""
    try:
        return version(distribution_of(distribution))
    except PackageNotFoundError:
        return "unknown"


def stop_where_disk_is_full(error: BaseException, workspace: Workspace) -> None:
    """Raise MissingPrerequisite for an error that says so: no video's fault, and none can succeed."""
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        raise MissingPrerequisite(
            f"The disk of {workspace.root} is full: free some space and run again; what is done is kept."
        ) from error

"""What runs in a worker: compute some videos of a unit into part files, then commit the unit's shard file.

A unit's file appears whole or not at all. One bad video never costs its neighbours: it gets a record that says why.
"""

import faulthandler
import logging
import os
import socket
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic

from portrait_prep.errors import FULL_DISK, BadSetting, Damaged, MissingPrerequisite, PortraitPrepError
from portrait_prep.manifests.catalogue import Video
from portrait_prep.manifests.files import commit as commit_file
from portrait_prep.manifests.files import is_intact, replacing, sha256_of, temporary_beside
from portrait_prep.manifests.record import Basis, Failure, Output, Record
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, P, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.arrow import Digests, digest_of
from portrait_prep.pipeline.store.shard_state import Seal, find_damaged, seal_of
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter, by_stage, joined


class VideoJob(Generic[P]):
    """The Job of `pipeline.declare.stage` for one video of a workspace; close it to let go of the files."""

    def __init__(
        self,
        workspace: Workspace,
        stage: Stage[P],
        params: P,
        video: Video,
        columns: Mapping[str, Column],
        gpu: bool = False,
    ) -> None:
        self.video = video
        self.params = params
        self.gpu = gpu
        self.metrics: dict[str, Any] = {}
        self.outputs: dict[str, Path] = {}
        self._workspace, self._stage, self._columns = workspace, stage, columns
        self._reads = stage.reads_under(params)
        self._readers = {name: ShardReader(workspace.shard(name, video.shard)) for name in stage.upstream}
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

    def record(self, stage: str) -> Record:
        """The record of an upstream stage."""
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
        if suffix not in self._stage.media:
            raise KeyError(f"stage {self._stage.name} does not declare media {suffix}")
        final = self._workspace.media(self.video.video_id, suffix)
        final.parent.mkdir(exist_ok=True)
        return self.outputs.setdefault(suffix, temporary_beside(final))

    def read(self, *columns: str) -> Iterator[Batch]:
        """Stream upstream columns, checked on the way against their digests: damage is never passed on."""
        undeclared = set(columns) - set(self._reads)
        if undeclared:
            raise KeyError(f"stage {self._stage.name} does not declare that it reads {sorted(undeclared)}")
        yield from joined([self._checked(stage, names) for stage, names in by_stage(columns).items()])

    def _checked(self, stage: str, names: list[str]) -> Iterator[Batch]:
        digests = Digests([self._columns[f"{stage}.{name}"] for name in names])
        for batch in self._readers[stage].batches(self.video.video_id, names):
            digests.update(batch)
            yield batch
        recorded = self.record(stage).digests
        for name, digest in digests.results().items():
            if recorded[name] != digest:
                path = self._readers[stage].path
                raise Damaged(f"{path} does not hold what was recorded: delete it and run again.")


log = logging.getLogger(__name__)


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
class Order:
    """One video to compute. `deadline` in seconds; None where no watchdog may end the process."""

    video: Video
    basis: Basis
    attempts: int
    retries: int
    deadline: float | None


@dataclass(frozen=True)
class Part:
    """The outcome for one video: its record and, when done, the files that wait to be committed."""

    record: Record
    table: Path | None = None
    media: tuple[tuple[Path, Path], ...] = ()


def compute(unit: Unit, orders: Sequence[Order]) -> list[Part]:
    """Compute the videos one after another. Raises MissingPrerequisite or BadSetting for what concerns all videos."""
    unit.workspace.announce()  # a worker of an existing cluster was not started for this workspace
    return [_with_retries(unit, order) for order in orders]


def _with_retries(unit: Unit, order: Order) -> Part:
    for attempt in range(order.attempts + 1, order.attempts + order.retries + 2):
        part = _attempt(unit, order, attempt)
        if part.record.error is None or part.record.error.permanent:
            break
    return part


def _attempt(unit: Unit, order: Order, attempt: int) -> Part:
    started, clock = datetime.now(UTC), time.perf_counter()
    told: dict[str, Any] = {
        "video_id": order.video.video_id,
        "stage": unit.stage.name,
        "fingerprint": fingerprint(unit.stage.name, order.basis),
        "basis": order.basis,
        "attempts": attempt,
        "started": started.isoformat(timespec="milliseconds"),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "versions": _versions(unit.stage),
    }
    if order.deadline is not None:
        faulthandler.dump_traceback_later(order.deadline, exit=True)
    try:
        return _process(unit, order.video, told, clock)
    except (MissingPrerequisite, BadSetting):
        raise
    except Exception as error:
        _stop_where_disk_is_full(error, unit.workspace)
        told_why = str(error) if isinstance(error, BadVideo | PortraitPrepError) else traceback.format_exc()
        log.warning("%s of %s failed: %s", unit.stage.name, order.video.video_id, told_why)
        failure = Failure(
            type=type(error).__name__, message=str(error) or repr(error), permanent=isinstance(error, BadVideo)
        )
        return Part(Record(outcome="failed", error=failure, seconds=round(time.perf_counter() - clock, 3), **told))
    finally:
        faulthandler.cancel_dump_traceback_later()


def _process(unit: Unit, video: Video, told: dict[str, Any], clock: float) -> Part:
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    table = temporary_beside(unit.path.with_name(f"{video.video_id}.parquet"))
    job = VideoJob(unit.workspace, unit.stage, unit.params, video, unit.columns, unit.gpu)
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
                **told,
            )
            writer.record(record)
        moves = tuple((path, unit.workspace.media(video.video_id, suffix)) for suffix, path in job.outputs.items())
        job.outputs = {}
        return Part(record, table, moves)
    except BaseException:
        table.unlink(missing_ok=True)
        raise
    finally:
        job.close()


def _measure_media(unit: Unit, video: Video, outputs: Mapping[str, Path]) -> tuple[Output, ...]:
    if set(outputs) != set(unit.stage.media):
        raise ValueError(f"{unit.stage.name} declares media {unit.stage.media} but wrote {tuple(outputs)}")
    return tuple(
        Output(
            path=unit.workspace.relative(unit.workspace.media(video.video_id, suffix)),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for suffix, path in outputs.items()
    )


def _versions(stage: Stage[Any]) -> dict[str, str]:
    versions = {}
    for name in ("portrait-prep", "numpy", *stage.distributions):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def _stop_where_disk_is_full(error: BaseException, workspace: Workspace) -> None:
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        raise MissingPrerequisite(
            f"The disk of {workspace.root} is full: free some space and run again; what is done is kept."
        ) from error


@dataclass(frozen=True)
class Committed:
    """A unit's file as committed: its records in order (without old videos that turned out damaged), and its seal."""

    records: tuple[Record, ...]
    seal: Seal


def commit(unit: Unit, videos: Sequence[str], parts: Sequence[Part]) -> Committed:
    """Write the unit's shard file from new parts and the unchanged videos of the old file, in the order of `videos`.

    Old rows are verified before they are taken over; damaged ones are left out, to be computed again. So are stale
    ones with other columns than are written now, since columns may depend on parameters and a file has one schema.
    Where media files are replaced, the old shard file goes first, so that data and record cannot disagree however this
    is interrupted.
    """
    try:
        return _commit(unit, videos, {part.record.video_id: part for part in parts})
    except OSError as error:
        _stop_where_disk_is_full(error, unit.workspace)
        raise
    finally:
        for part in parts:
            for path in (part.table, *(temporary for temporary, _ in part.media)):
                if path is not None:
                    path.unlink(missing_ok=True)


def _commit(unit: Unit, videos: Sequence[str], parts: Mapping[str, Part]) -> Committed:
    kept = _verified(unit, [video_id for video_id in videos if video_id not in parts])
    records: list[Record] = []
    with replacing(unit.path) as temporary:
        with ExitStack() as files:
            writer = files.enter_context(ShardWriter(temporary, unit.stage, unit.params))
            old = files.enter_context(ShardReader(unit.path)) if kept else None
            for video_id in videos:
                if video_id in parts:
                    _take_part(writer, parts[video_id])
                    records.append(parts[video_id].record)
                elif old and video_id in kept and writer.takes(old, kept[video_id]):
                    writer.copy(old, kept[video_id])
                    records.append(kept[video_id])
        with ShardReader(temporary) as reader:
            seal = seal_of(reader, unit.workspace.relative(unit.path))
        _replace_media(unit, parts.values())
    return Committed(tuple(records), seal)


def _replace_media(unit: Unit, parts: Iterable[Part]) -> None:
    """Move new media files into place, and remove those of videos that will never come out of their source again."""
    if unit.stage.media:
        unit.path.unlink(missing_ok=True)
    for part in parts:
        for made, final in part.media:
            commit_file(made, final)
        if part.record.error and part.record.error.permanent:
            for suffix in unit.stage.media:
                unit.workspace.media(part.record.video_id, suffix).unlink(missing_ok=True)


def _take_part(writer: ShardWriter, part: Part) -> None:
    if part.table is None:
        writer.record(part.record)
        return
    with ShardReader(part.table) as reader:
        writer.copy(reader, part.record)


def _verified(unit: Unit, videos: Sequence[str]) -> dict[str, Record]:
    """The old records of `videos` whose rows are as recorded; damaged ones are left out, to be computed again."""
    try:
        with ShardReader(unit.path) as old:
            damaged = find_damaged(old, unit.stage, videos)
            return {name: old.records[name] for name in videos if name in old.records and name not in damaged}
    except FileNotFoundError:
        return {}
    except Damaged as error:
        log.warning("%s", error)
        return {}

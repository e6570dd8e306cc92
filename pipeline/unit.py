"""What runs in a worker: compute some videos of a unit into part files, then commit the unit's shard file.

A unit's file appears whole or not at all. One bad video never costs its neighbours: it gets a record that says why.
"""

import faulthandler
import logging
import os
import socket
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from manifests.atomic import commit as commit_file
from manifests.atomic import replacing, temporary_beside
from manifests.catalogue import Video
from manifests.digest import sha256_of
from manifests.errors import FULL_DISK, BadSetting, Damaged, MissingPrerequisite, PortraitPrepError
from manifests.record import Basis, Failure, Output, Record
from pipeline.job import VideoJob
from pipeline.plan import fingerprint
from pipeline.seal import Seal, find_damaged, seal_of
from pipeline.shards import ShardReader, ShardWriter
from pipeline.stage import BadVideo, Column, Params, Stage
from pipeline.tables import digest_of
from pipeline.workspace import Workspace

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

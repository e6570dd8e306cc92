"""Commits a unit: one shard file from new results and unchanged videos of the old file, whole or not at all."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from portrait_prep.errors import Damaged, MissingPrerequisite
from portrait_prep.manifests.files import flush_and_rename, replacing
from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.run.results import VideoResult
from portrait_prep.pipeline.run.task import Unit, stop_where_disk_is_full
from portrait_prep.pipeline.store.shard_state import Checksum, checksum_of, find_damaged
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Committed:
    """A unit's file as committed: its checksum, and its records in order, without old ones that are damaged."""

    records: tuple[Record, ...]
    checksum: Checksum


def commit(unit: Unit, videos: Sequence[str], results: Sequence[VideoResult]) -> Committed:
    """Write the unit's shard file from new results and the unchanged videos of the old file, in the order of `videos`.

    Old rows are verified before they are taken over; damaged ones are left out, to be computed again. So are stale
    ones with other columns than are written now, since columns may depend on parameters and a file has one schema.
    Where media files are replaced, the old shard file goes first, so that data and record cannot disagree however this
    is interrupted. The files of results stay until all is done.
    """
    try:
        committed = _commit(unit, videos, {result.record.video_id: result for result in results})
    except (OSError, MemoryError) as error:
        stop_where_disk_is_full(error, unit.workspace)
        raise MissingPrerequisite(
            f"{unit.path} cannot be written ({error or type(error).__name__}): what is committed is kept; run again."
        ) from error
    for result in results:
        result.discard()
    return committed


def _commit(unit: Unit, videos: Sequence[str], results: Mapping[str, VideoResult]) -> Committed:
    kept = _verified(unit, [video_id for video_id in videos if video_id not in results])
    records: list[Record] = []
    unit.workspace.folder(unit.stage.name)
    with replacing(unit.path) as temporary:
        with ExitStack() as files:
            writer = files.enter_context(ShardWriter(temporary, unit.stage, unit.params))
            old = files.enter_context(ShardReader(unit.path)) if kept else None
            for video_id in videos:
                if video_id in results:
                    _take_result(writer, results[video_id])
                    records.append(results[video_id].record)
                elif old and video_id in kept and writer.takes(old, kept[video_id]):
                    writer.copy(old, kept[video_id])
                    records.append(kept[video_id])
        with ShardReader(temporary) as reader:
            checksum = checksum_of(reader, unit.workspace.relative(unit.path))
        _replace_media(unit, results.values())
    return Committed(tuple(records), checksum)


def _replace_media(unit: Unit, results: Collection[VideoResult]) -> None:
    """Move new media files into place, and remove those that are made no longer: none of a video that is no good."""
    if unit.stage.media:
        unit.workspace.folder("media")
    if unit.stage.media and _old_file_names_media(unit, results):
        unit.path.unlink(missing_ok=True)
    for result in results:
        for made, final in result.media:
            flush_and_rename(made, final)
        if result.record.done or (result.record.error and result.record.error.permanent):
            every = {unit.workspace.media(result.record.video_id, suffix) for suffix in unit.stage.media}
            for path in every.difference(final for _, final in result.media):
                path.unlink(missing_ok=True)


def _old_file_names_media(unit: Unit, results: Collection[VideoResult]) -> bool:
    """Whether the old file tells of media files of these videos, as far as it can be read."""
    try:
        with ShardReader(unit.path) as old:
            return any(old.records[name].media for name in old.records.keys() & {r.record.video_id for r in results})
    except FileNotFoundError:
        return False
    except Damaged:
        return True


def _take_result(writer: ShardWriter, result: VideoResult) -> None:
    if result.table is None:
        writer.record(result.record)
        return
    with ShardReader(result.table) as reader:
        writer.copy(reader, result.record)


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

"""Results that wait to be committed: files under temporary names that share a token.

Where a run is interrupted they stay. The next one finds them again, and uses those that are proven to be what it would
compute. No token is used twice, so that a worker which outlives its run writes over nothing.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait_prep.errors import Damaged, MissingPrerequisite
from portrait_prep.manifests.catalogue import Catalogue
from portrait_prep.manifests.files import is_intact, parts_of_temporary, temporary_beside
from portrait_prep.manifests.plain_files import is_plain
from portrait_prep.manifests.record import Basis, Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.stage import Batch, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import Planner, State, fingerprint
from portrait_prep.pipeline.store.arrow import schema
from portrait_prep.pipeline.store.coherence import are_keyed, contradictions
from portrait_prep.pipeline.store.shard_state import ShardState, refuted
from portrait_prep.pipeline.store.shards import ShardReader, verify

log = logging.getLogger(__name__)

TABLE = ".parquet"


@dataclass(frozen=True)
class VideoResult:
    """The outcome for one video: its record and, when done, the files that wait to be committed."""

    record: Record
    table: Path | None = None
    media: tuple[tuple[Path, Path], ...] = ()
    """Where each media file lies, and its final name: the same where a commit was broken off after it was moved."""

    @property
    def files(self) -> list[Path]:
        """Its files under temporary names."""
        return [*([self.table] if self.table else ()), *(made for made, final in self.media if made != final)]

    def discard(self) -> None:
        """Remove the files; what cannot be removed now is swept away later."""
        for path in self.files:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def table_of(workspace: Workspace, stage: str, video_id: str, token: str) -> Path:
    """Where rows and record of a video wait to be committed."""
    return temporary_beside(workspace.root / stage / f"{video_id}{TABLE}", token)


class LeftTables:
    """Tables of results that an interrupted run, or a worker that died, left in the folders of the stages."""

    def __init__(self, workspace: Workspace, stages: Iterable[Stage[Any]]) -> None:
        self._workspace = workspace
        self._tables: dict[str, Mapping[str, Sequence[Path]]] = {}
        for stage in stages:
            self.look(stage.name)
        self.at_start = frozenset(
            path for tables in self._tables.values() for paths in tables.values() for path in paths
        )
        """Those of an earlier run."""

    def look(self, stage: str) -> None:
        """Look again in the folder of a stage."""
        tables = defaultdict(list)
        for path in _tables_in(self._workspace, stage):
            tables[parts_of_temporary(path.name)[1]].append(path)
        self._tables[stage] = tables

    def of(self, stage: str, video_id: str) -> tuple[Path, ...]:
        """Those that may be of this video; nothing is proven yet."""
        return tuple(self._tables[stage].get(f"{video_id}{TABLE}", ()))


def _tables_in(workspace: Workspace, stage: str) -> list[Path]:
    """Temporary tables in the folder of a stage, where that may be written into."""
    folder = workspace.root / stage
    names = workspace.temporary_names(folder) if workspace.owns(stage) else ()
    return [folder / name for name in names if name.endswith(TABLE)]


def left_results(workspace: Workspace, stages: Iterable[Stage[Any]]) -> Iterator[VideoResult]:
    """The results of these stages that wait to be committed; nothing is proven yet."""
    for stage in stages:
        for table in _tables_in(workspace, stage.name):
            if result := _claimed(workspace, stage, table):
                yield result


def _claimed(workspace: Workspace, stage: Stage[Any], table: Path) -> VideoResult | None:
    """The result that a table says it is: of this stage, whole, with media files of the recorded sizes; else None.

    No link is followed, and no file is touched but those of the result's own names.
    """
    if not is_plain(table):
        return None
    try:
        with ShardReader(table) as reader:
            (record,) = reader.records.values()
        token, _ = parts_of_temporary(table.name)
        if (
            not record.done
            or record.stage != stage.name
            or any(contradictions(stage, record))
            or table != table_of(workspace, stage.name, record.video_id, token)
        ):
            return None
        return VideoResult(record, table, tuple(_located(workspace, output, token) for output in record.media))
    except (Damaged, MissingPrerequisite, OSError, ValueError):
        return None


def _located(workspace: Workspace, output: Output, token: str) -> tuple[Path, Path]:
    """Where a media file lies, and its final name. Raises ValueError where there is none of the recorded size."""
    final = workspace.folder("media") / Path(output.path).name
    temporary = temporary_beside(final, token)
    path = temporary if is_plain(temporary) else final
    if not is_plain(path) or path.stat().st_size != output.bytes:
        raise ValueError(f"{path} is not there as recorded")
    return path, final


def take_over(
    workspace: Workspace, stage: Stage[Any], params: Params, video: Video, basis: Basis, table: Path
) -> VideoResult | None:
    """The result in a table, if it is proven to be what would be computed from this basis; else it is removed."""
    result = _claimed(workspace, stage, table)
    if result is None:  # what is not whole is swept away at the end
        return None
    try:
        if _is_of(result.record, basis) and _holds(workspace, stage, params, video, result):
            return result
    except (Damaged, OSError, KeyError, TypeError, ValueError) as error:
        log.warning("%s is not used: %s", table, error)
    result.discard()
    return None


def _is_of(record: Record, basis: Basis) -> bool:
    """Whether a record is of what would be computed from this basis."""
    return record.fingerprint == fingerprint(record.stage, record.basis) == fingerprint(record.stage, basis)


def _holds(workspace: Workspace, stage: Stage[Any], params: Params, video: Video, result: VideoResult) -> bool:
    """Whether rows, media and what was fetched are as recorded. Raises Damaged where rows are not."""
    record, table = result.record, result.table
    names = {*(column.name for column in stage.columns_under(params)), *stage.media_under(params)}
    if table is None or record.video_id != video.video_id or record.digests.keys() != names:
        return False
    with ShardReader(table) as reader:
        if reader.rows != record.rows or not reader.file.schema_arrow.equals(schema(stage, params)):
            return False
        verify(reader, stage, record, _named(reader, stage, record))
    media = zip(result.media, record.media, strict=True)
    return all(is_intact(path, output.sha256) for (path, _), output in media) and not refuted(
        workspace, stage, video, record
    )


def _named(reader: ShardReader, stage: Stage[Any], record: Record) -> Iterator[Batch]:
    """The rows of a video. Raises Damaged where they are not named after it, or not in order."""
    start = 0
    for batch in reader.batches(record.video_id, reader.column_names):
        if not are_keyed(stage, record, batch, start):
            raise Damaged(f"{reader.path} does not hold the rows of {record.video_id}.")
        yield batch
        start += len(batch["video_id"])


def discard_useless(workspace: Workspace, stages: Iterable[Stage[Any]], planner: Planner, videos: Catalogue) -> None:
    """Remove the results of these stages that no run would use.

    They are committed, or not of what would be computed from now on, or of a stage that is off.
    """
    on = {stage.name for stage in planner.stages}
    left: dict[str, list[VideoResult]] = defaultdict(list)
    for result in left_results(workspace, stages):
        video = videos.find(result.record.video_id)
        if video and result.record.stage in on:
            left[video.shard].append(result)
        else:
            result.discard()
    for shard, results in left.items():
        members = videos.shards[shard]
        shard_state = ShardState.load(workspace, shard, members, planner.stages)
        statuses = planner.statuses(members, shard_state.records)
        for result in results:
            status = statuses[result.record.stage][result.record.video_id]
            if status.state is State.DONE or status.basis is None or not _is_of(result.record, status.basis):
                result.discard()

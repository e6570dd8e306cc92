"""What the last pass over a shard came to, and by what it is known whether that still holds.

Where nothing that the statuses of a shard are made from has changed, its rows of `manifests.parquet` are as true as
they were, and its records need not be read again: ten thousand videos are judged anew in seconds. An entry on each
shard lies in the table's footer. It says nothing that could not be found out again: without it, or where anything is
otherwise than it says, the shard is surveyed.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from portrait_prep.manifests.catalogue import Video
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.manifest import flat_verdict
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import Planner, State
from portrait_prep.pipeline.status.survey import TABLE, VideoSummary, failure_of, verdict_of

FORM = 2
"""To be raised when, of the same shards, a manifest or the table would tell otherwise than before."""
KEY = b"portrait_prep"

Look = tuple[int, ...]
"""A file as the file system tells of it; the same look twice: the same bytes. Empty: there is none."""


@dataclass(frozen=True)
class CacheEntry:
    """Digests of what the statuses of a shard are made from, of the looks of its manifests, and of the verdicts there.

    `facts` is empty where work was left: that is not remembered.
    """

    facts: str
    manifests: str
    verdicts: str


class StatusCache:
    """Reads the entries of the table that lies in the workspace; none where it cannot be read or is of another form.

    What it looks at is looked at once: after work was done, another cache is needed.
    """

    def __init__(self, workspace: Workspace, planner: Planner) -> None:
        self._workspace, self._planner = workspace, planner
        self._facts: dict[str, str] = {}
        self._entries: dict[str, CacheEntry] = {}
        self._group: dict[str, int] = {}
        try:
            self._file = pq.ParquetFile(workspace.manifests_table, page_checksum_verification=True)
            entries = json.loads(self._file.metadata.metadata[KEY])
            if self._file.num_row_groups == len(entries) and self._file.schema_arrow.equals(TABLE):
                self._entries = {shard: CacheEntry(**entry) for shard, entry in entries}
                self._group = {shard: number for number, shard in enumerate(self._entries)}
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            pass

    def holds(self, shard: str, videos: Sequence[Video]) -> bool:
        """Whether all is as it was, and nothing was left to do then."""
        entry = self._entries.get(shard)
        return (
            entry is not None and entry.facts == self.facts(shard, videos) and entry.manifests == self.manifests(videos)
        )

    def lookup(self, shard: str, videos: Sequence[Video]) -> tuple[CacheEntry, pa.Table] | None:
        """The entry on a shard and its rows, if that holds."""
        if not self.holds(shard, videos):
            return None
        try:
            return self._entries[shard], self._file.read_row_group(self._group[shard])
        except (OSError, pa.ArrowException):
            return None

    def facts(self, shard: str, videos: Sequence[Video]) -> str:
        """Digest of all that the statuses of these videos are made from. Looked up once: before they are surveyed."""
        if shard not in self._facts:
            digest = hashlib.sha256(self._constants)
            for stage in self._planner.stages:
                digest.update(repr(_look(self._workspace.shard(stage.name, shard))).encode())
            for video in videos:
                digest.update(repr((video.model_dump_json(), *self._surroundings(video))).encode())
            self._facts[shard] = digest.hexdigest()
        return self._facts[shard]

    def _surroundings(self, video: Video) -> Iterator[Any]:
        for stage in self._planner.stages:
            if stage.outside:
                facts = stage.outside(video)
                yield facts and sorted(facts.items())
            for suffix in stage.media:
                yield _look(self._workspace.media(video.video_id, suffix))

    def manifests(self, videos: Iterable[Video]) -> str:
        """Digest of the looks of these videos' manifests: to be taken once they are written."""
        looks = [_look(self._workspace.manifest(video.video_id)) for video in videos]
        return hashlib.sha256(repr(looks).encode()).hexdigest()

    @cached_property
    def _constants(self) -> bytes:
        """Everything that is the same for all videos."""
        values = {stage.name: self._planner.constants(stage) for stage in self._planner.stages}
        return json.dumps([FORM, version("portrait-prep"), values], sort_keys=True).encode()


def _look(path: Path) -> Look:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


@dataclass(frozen=True)
class CachedStatus:
    """What the table tells of one video, judged by the rules and reviews of now."""

    video: Video
    states: Mapping[str, State]
    digests: Mapping[str, str]
    failures: Sequence[Mapping[str, Any]]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of a record, what rules look at."""

    metrics: Mapping[str, Any]


READ = ("stage", "outcome", "reason", "attempts", "digest", "metrics", "error_type", "error_message", "error_permanent")


def from_rows(planner: Planner, videos: Sequence[Video], rows: pa.Table) -> list[CachedStatus]:
    """The videos of one shard, from their rows: for each of them, in order, one a stage."""
    values = list(zip(*(rows.column(name).to_pylist() for name in READ), strict=True))
    each = len(planner.stages)
    return [_from_rows(planner, video, values[n * each : (n + 1) * each]) for n, video in enumerate(videos)]


def _from_rows(planner: Planner, video: Video, rows: Sequence[tuple[Any, ...]]) -> CachedStatus:
    states, reasons, records, digests, failures = {}, {}, {}, {}, []
    for stage, outcome, reason, attempts, digest, metrics, kind, message, permanent in rows:
        states[stage] = State(outcome)
        reasons[stage] = message if outcome == State.FAILED else reason
        records[stage] = Metrics(from_json(metrics))
        if outcome == State.DONE:
            digests[stage] = digest
        if outcome == State.FAILED:
            error = {"type": kind, "message": message, "permanent": permanent}
            failures.append(failure_of(video.video_id, stage, attempts, error))
    verdict = verdict_of(planner, video, states, reasons, records)
    return CachedStatus(video, states, digests, failures, verdict)


def with_verdicts(rows: pa.Table, summaries: Sequence[VideoSummary]) -> pa.Table:
    """The same rows with the verdicts of now."""
    verdicts = [flat_verdict(summary.verdict.model_dump(mode="json")) for summary in summaries]
    each = len(rows) // len(verdicts)
    for name in verdicts[0]:
        values = [verdict[name] for verdict in verdicts for _ in range(each)]
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, TABLE.field(name), pa.array(values, TABLE.field(name).type))
    return rows


def digest_of_verdicts(summaries: Iterable[VideoSummary]) -> str:
    """One digest over the verdicts of a shard."""
    text = "\n".join(summary.verdict.model_dump_json() for summary in summaries)
    return hashlib.sha256(text.encode()).hexdigest()


class Table:
    """`manifests.parquet` as it is written: a row group a shard, and the entries."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer
        self._entries: list[tuple[str, dict[str, str]]] = []

    def add(self, shard: str, rows: pa.Table, entry: CacheEntry) -> None:
        """The rows of the next shard."""
        self._writer.write_table(rows, row_group_size=max(1, len(rows)))
        self._entries.append((shard, asdict(entry)))

    def close(self) -> None:
        """The entries go last."""
        self._writer.add_key_value_metadata({KEY: json.dumps(self._entries)})


@contextmanager
def writing_table(workspace: Workspace) -> Iterator[Table]:
    """Write the table, whole or not at all; its pages carry checksums, since it may be believed later."""
    with (
        replacing(workspace.manifests_table) as temporary,
        pq.ParquetWriter(temporary, TABLE, write_page_checksum=True) as writer,
    ):
        table = Table(writer)
        yield table
        table.close()

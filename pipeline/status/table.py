"""`manifests.parquet`: one row a video x stage, shard by shard. Written, read back, and judged anew."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic_core import from_json

from portrait_prep.manifests.files import replacing, sha256_of_start
from portrait_prep.manifests.manifest import flat_rows, flat_verdict
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import Planner, State
from portrait_prep.pipeline.status.survey import VideoStatus, VideoSummary, failure_of, verdict_of

TABLE = pa.schema(
    [
        *((name, pa.string()) for name in ("video_id", "corpus", "subject", "shard", "split")),
        ("fold", pa.int64()),
        *((name, pa.string()) for name in ("stage", "outcome", "reason")),
        ("attempts", pa.int64()),
        ("started", pa.string()),
        ("seconds", pa.float64()),
        ("worker", pa.string()),
        ("rows", pa.int64()),
        ("frames", pa.int64()),
        *((name, pa.string()) for name in ("fingerprint", "digest", "error_type", "error_message")),
        ("error_permanent", pa.bool_()),
        ("metrics", pa.string()),
        ("accepted", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("rules", pa.list_(pa.string())),
        ("overruled", pa.list_(pa.string())),
        ("overruled_rules", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("review", "review_why", "review_who", "review_when")),
    ]
)


SOUGHT_BY = ("video_id", "shard", "stage")
"""Columns of which the footer tells the range in each row group: of all it would be longer than the rows."""

KEY = b"portrait_prep"
"""Under which the footer keeps a digest, and after it what a `Table` notes."""

MOST_ROWS = 1 << 20
"""Rows of a group that are read, whatever a file claims: a shard that is larger is surveyed."""

GROUP_ROWS = 5000
"""Rows of a row group, at least, but for the last: whole shards. A group has some kB in the footer, however small."""


Basis = tuple[int, str]
"""How many videos a reduction is made from, and a digest over them and their columns."""


@dataclass(frozen=True)
class CacheEntry:
    """Digests of what the statuses of a shard are made from, of its manifest files, and of the verdicts there.

    `facts` is empty where work was left: that is not remembered. `judged` is a digest of the rules and reviews that the
    verdicts are by, `counts` the fields of a `ShardCounts`: what there is to tell under these.
    """

    facts: str
    manifests: str
    verdicts: str
    judged: str
    counts: Mapping[str, Any]


def digest_of_noted(noted: str) -> str:
    """By which it is known that it is as it was written: the pages have checksums, and the footer has none."""
    return hashlib.sha256(noted.encode()).hexdigest()


def rows_of(found: Iterable[VideoStatus]) -> pa.Table:
    """The rows of `manifests.parquet` for these videos."""
    return pa.Table.from_pylist(
        [row for video_status in found for row in flat_rows(video_status.manifest)], schema=TABLE
    )


@dataclass(frozen=True)
class CachedStatus:
    """What the table tells of one video, judged by the rules and reviews of now."""

    video: Video
    states: Mapping[str, State]
    digests: Mapping[str, str]
    failures: Sequence[Mapping[str, Any]]
    verdict: Verdict
    reasons: Mapping[str, str]
    done: Mapping[str, "RecalledRecord"]
    started: str
    earlier: None = None
    retried: frozenset[str] = frozenset()
    """None: such a stage is not settled, and of a video with one nothing is recalled."""


@dataclass(frozen=True, slots=True)
class RecalledRecord:
    """What the table tells of a record."""

    metrics: Mapping[str, Any]
    frames: int


READ = (
    *("stage", "outcome", "reason", "attempts", "digest", "metrics", "error_type", "error_message", "error_permanent"),
    *("fingerprint", "frames", "started"),
)


MALFORMED = (ValueError, TypeError, KeyError, AttributeError)
"""What reading rows that somebody else wrote may raise."""


def from_rows(planner: Planner, videos: Sequence[Video], rows: pa.Table) -> list[CachedStatus]:
    """The videos of one shard, from their rows: for each of them, in order, one a stage.

    Raises one of MALFORMED where the rows are not as `rows_of` makes them.
    """
    each = len(planner.stages)
    if rows.column("video_id").to_pylist()[::each] != [video.video_id for video in videos]:
        raise ValueError("its videos are others")
    values = list(zip(*(rows.column(name).to_pylist() for name in READ), strict=True))
    return [_from_rows(planner, video, values[n * each : (n + 1) * each]) for n, video in enumerate(videos)]


def _from_rows(planner: Planner, video: Video, rows: Sequence[tuple[Any, ...]]) -> CachedStatus:
    states, reasons, records, done, digests, failures = {}, {}, {}, {}, {}, []
    last = ""
    for stage, outcome, reason, attempts, digest, metrics, kind, message, permanent, made, frames, started in rows:
        states[stage], reasons[stage] = State(outcome), reason
        records[stage] = RecalledRecord(from_json(metrics), frames or 0)
        last = max(last, started or "")
        if made is not None and kind is None:
            done[stage] = records[stage]
        if outcome == State.DONE:
            digests[stage] = bytes.fromhex(digest).hex()
        if outcome == State.FAILED:
            error = {"type": kind, "message": message, "permanent": permanent}
            failures.append(failure_of(video.video_id, stage, attempts, error))
    if list(states) != [stage.name for stage in planner.stages]:
        raise ValueError("its stages are others")
    told = reasons | {failure["stage"]: failure["message"] for failure in failures}
    verdict = verdict_of(planner, video, states, told, records)
    return CachedStatus(video, states, digests, failures, verdict, reasons, done, last)


def read_rows(workspace: Workspace, stage: str, fields: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Video id -> the values of `fields` at a stage; empty where the table cannot be read."""
    found: dict[str, tuple[Any, ...]] = {}
    try:
        size = regular(workspace.manifests_table).stat().st_size
        file = pq.ParquetFile(workspace.manifests_table)
        for group in range(file.num_row_groups):
            with bounded_table(size):
                rows = file.read_row_group(group, columns=["video_id", "stage", *fields])
            rows = rows.filter(pc.equal(rows["stage"], stage))
            values = zip(*(rows[name].to_pylist() for name in fields), strict=True)
            found.update(zip(rows["video_id"].to_pylist(), values, strict=True))
    except (OSError, pa.ArrowException, *MALFORMED):
        return {}
    return found


def work_of(workspace: Workspace) -> dict[str, tuple[float, int]]:
    """Stage -> seconds of work and frames of the videos that are done at it; empty where the table cannot be read."""
    try:
        size = regular(workspace.manifests_table).stat().st_size
        with bounded_table(size):
            rows = pq.read_table(workspace.manifests_table, columns=["stage", "outcome", "seconds", "frames"])
        done = rows.filter(pc.equal(rows["outcome"], State.DONE.value)).group_by("stage")
        sums = done.aggregate([("seconds", "sum"), ("frames", "sum")]).to_pylist()
    except (OSError, pa.ArrowException, *MALFORMED):
        return {}
    return {row["stage"]: (row["seconds_sum"] or 0.0, row["frames_sum"] or 0) for row in sums}


def with_verdicts(rows: pa.Table, summaries: Sequence[VideoSummary]) -> pa.Table:
    """The same rows with the verdicts of now."""
    verdicts = [flat_verdict(summary.verdict.model_dump(mode="json")) for summary in summaries]
    each = len(rows) // len(verdicts)
    for name in verdicts[0]:
        values = [verdict[name] for verdict in verdicts for _ in range(each)]
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, TABLE.field(name), pa.array(values, TABLE.field(name).type))
    return rows


class Table:
    """`manifests.parquet` as it is written: the rows of whole shards, group by group, and the entries."""

    def __init__(self, path: Path, writer: pq.ParquetWriter) -> None:
        self._path, self._writer = path, writer
        self._entries: list[tuple[str, int, dict[str, Any]]] = []
        self._bases: Mapping[str, Basis] = {}
        self._waiting: list[pa.Table] = []

    def add(self, shard: str, rows: pa.Table, entry: CacheEntry) -> None:
        """The rows of the next shard."""
        self._entries.append((shard, len(rows), vars(entry)))
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= GROUP_ROWS:
            self._flush()

    def note_bases(self, bases: Mapping[str, Basis]) -> None:
        """Stage with a reduction -> what it is to be made from."""
        self._bases = bases

    def _flush(self) -> None:
        if self._waiting:
            rows = pa.concat_tables(self._waiting)
            self._writer.write_table(rows, row_group_size=max(1, len(rows)))
        self._waiting = []

    def close(self) -> None:
        """What is noted goes last.

        `shards`: for each in order its name, number of rows, and entry; `bases`; `rows`: how many bytes they take, and
        the sha256 of these.
        """
        self._flush()
        size = self._path.stat().st_size
        rows = (size, sha256_of_start(self._path, size))
        noted = json.dumps({"shards": self._entries, "bases": self._bases, "rows": rows})
        self._writer.add_key_value_metadata({KEY: f"{digest_of_noted(noted)} {noted}"})


@contextmanager
def writing_table(workspace: Workspace) -> Iterator[Table]:
    """Write the table, whole or not at all; its pages carry checksums, since it may be believed later."""
    with (
        replacing(workspace.manifests_table) as temporary,
        pq.ParquetWriter(temporary, TABLE, write_page_checksum=True, write_statistics=list(SOUGHT_BY)) as writer,
    ):
        table = Table(temporary, writer)
        yield table
        table.close()

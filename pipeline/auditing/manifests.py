"""Manifests, and their table, say what catalogue, shards, settings and reviews say."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from portrait_prep.manifests.manifest import IDENTITY, as_of, flat_rows
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.pipeline.status.table import MOST_ROWS, TABLE

NAMED = 3
"""Differences that a finding names one by one."""
ROW = (*IDENTITY, "labels", "source")
"""Parts of a manifest that are the catalogue's row."""
JUDGED = ("quality", "outcome", "reason")
"""Parts that change with settings and reviews while the shards stay as they are."""

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Video id -> its rows of the table."""


@dataclass(frozen=True)
class TableRows:
    """What the table says of one shard, and the places before and in it that could not be read."""

    rows: Rows
    unreadable: Sequence[str] = ()


def examine_manifests(evidence: Evidence, table: Rows) -> Iterator[Finding]:
    """Compare each manifest with what it should be, but for what a finding accounts for already."""
    for video_status in evidence.video_statuses:
        video_id = video_status.video.video_id
        findings = list(_examine(evidence, video_status, table.get(video_id, ())))
        if findings:
            evidence.doubt("", video_id)
        yield from findings


def _examine(evidence: Evidence, video_status: VideoStatus, rows: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    workspace, video_id = evidence.session.workspace, video_status.video.video_id
    path = workspace.manifest(video_id)
    name = workspace.relative(path)
    if video_id not in evidence.written:
        yield found("unreadable manifest" if path.is_file() else "missing manifest", name, video_id)
        return
    expected = json.loads(json.dumps(video_status.manifest))
    expected["quality"] = as_of(evidence.written[video_id].get("quality"), expected["quality"])
    expected = _unless_doubted(evidence, video_status, expected)
    written = _unless_doubted(evidence, video_status, evidence.written[video_id])
    places = list(different(expected, written))
    of_row = [place for place in places if place.partition(".")[0] in ROW]
    if of_row and any(row[key] == written.get(key) != expected[key] for row in rows for key in IDENTITY if key in row):
        yield found("row", workspace.relative(workspace.catalogue), video_id, places=_first(of_row))
        places = [place for place in places if place not in of_row]
    if places:
        outdated = all(place in of_row or place.partition(".")[0] in JUDGED or _is_outcome(place) for place in places)
        yield found("outdated manifest" if outdated else "manifest", name, video_id, places=_first(places))


def _is_outcome(place: str) -> bool:
    return place.startswith("stages.") and place.rpartition(".")[2] in JUDGED


def _unless_doubted(evidence: Evidence, video_status: VideoStatus, content: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what a finding accounts for: the stages in doubt, then the verdict, which rests on all."""
    doubted = {stage.name for stage in evidence.stages if evidence.is_doubted(stage.name, video_status)}
    kept = dict(content)
    stages = content.get("stages")
    if isinstance(stages, dict):
        damaged = {stage for stage, _ in evidence.doubted}
        kept["stages"] = {
            stage: _without_outputs(entry) if stage in damaged else entry
            for stage, entry in stages.items()
            if stage not in doubted
        }
    if doubted:
        kept.pop("quality", None)
    read = {name for stage in evidence.stages if stage.name in doubted for name in stage.catalogue}
    if read and isinstance(content.get("source"), dict):
        kept["source"] = {name: value for name, value in content["source"].items() if name not in read}
    return kept


def _without_outputs(entry: Any) -> Any:
    """What a manifest says of a stage, without the checksum of a file that holds a neighbour's damage."""
    return {name: value for name, value in entry.items() if name != "outputs"} if isinstance(entry, dict) else entry


def _first(places: Sequence[str]) -> str:
    """A few of them by name, and how many more."""
    return ", ".join(places[:NAMED]) + (f" and {len(places) - NAMED} more" if len(places) > NAMED else "")


def different(expected: Any, written: Any, where: str = "") -> Iterator[str]:
    """Name the places at which two JSON values differ, outermost first."""
    if expected == written:
        return
    if isinstance(expected, dict) and isinstance(written, dict):
        for key in sorted(expected.keys() | written.keys()):
            inner = f"{where}.{key}" if where else str(key)
            yield from different(expected.get(key), written.get(key), inner)
    elif json.dumps(expected) != json.dumps(written):  # NaN is not equal to itself
        yield where


def differing(evidence: Evidence, rows: Rows) -> Iterator[str]:
    """The videos of which the table says otherwise, but for those with a finding: a run writes all anew."""
    yield from sorted(rows.keys() - set(evidence.ids))
    for video_status in evidence.video_statuses:
        video_id = video_status.video.video_id
        if evidence.doubts(video_id):
            continue
        expected = pa.Table.from_pylist(flat_rows(video_status.manifest), schema=TABLE).to_pylist()
        written = rows.get(video_id, [])
        if written != [as_of(written[0], row) if written else row for row in expected]:
            yield video_id


class TableAudit:
    """The table, handed out shard by shard in the order of the survey, and what was found of it."""

    def __init__(self, path: Path, name: str, gone: Collection[str] = ()) -> None:
        """Rows of the videos `gone` are passed over: another finding accounts for them."""
        self._name, self._gone = name, gone
        self._file: pq.ParquetFile | None = None
        self.findings: list[Finding] = []
        """Of the file as a whole; what its rows say wrong comes in by `note`."""
        self._unreadable: list[str] = []
        try:
            self._size = regular(path).stat().st_size
            self._file = pq.ParquetFile(path)
        except FileNotFoundError:
            self.findings.append(found("missing table", name))
        except (OSError, ValueError) as error:
            self.findings.append(found("table", name, places=f"every row: it cannot be read ({error})"))
        self._all = self._read()
        self._ahead = next(self._all, None)

    def rows(self, shard: str) -> TableRows:
        """The rows of the next shard."""
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        while self._ahead is not None and self._ahead.get("shard") == shard:
            rows[str(self._ahead.get("video_id"))].append(self._ahead)
            self._ahead = next(self._all, None)
        unreadable, self._unreadable = self._unreadable, []
        return TableRows(rows, unreadable)

    def _read(self) -> Iterator[Mapping[str, Any]]:
        """All rows, in order; what cannot be read is noted and passed over."""
        for group in range(self._file.num_row_groups if self._file else 0):
            try:
                yield from self._rows_of(group)
            except (pa.ArrowException, OSError, ValueError) as error:
                self._unreadable.append(f"row group {group}: it cannot be read ({error})")

    def _rows_of(self, group: int) -> list[Mapping[str, Any]]:
        if self._file is None:
            return []
        if self._file.metadata.row_group(group).num_rows > MOST_ROWS:
            raise ValueError(f"it claims more than {MOST_ROWS} rows")
        with bounded_table(self._size):
            rows = self._file.read_row_group(group)
        return [row for row in rows.to_pylist() if row.get("video_id") not in self._gone]

    def finalize(self) -> list[Finding]:
        """What was found."""
        self.note(self._unreadable)
        if self._ahead is not None:
            self.note(["rows of no shard of the catalogue"])
        return self.findings

    def note(self, places: Iterable[str]) -> None:
        """Note places at which the table is wrong: of all the first is named."""
        for place in places:
            if not self.findings:
                self.findings.append(found("table", self._name, places=place))

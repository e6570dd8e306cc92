"""`manifests.parquet` says what the shards say."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.manifest import flat_rows
from pipeline.auditing.evidence import Evidence
from pipeline.auditing.finding import Finding, found
from pipeline.survey import TABLE

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Video id -> its rows of the table."""


class TableAudit:
    """The table beside what it should say: a row group a shard, in the order of the survey."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._next = 0
        self._file: pq.ParquetFile | None = None
        self.findings: list[Finding] = []
        """Of the file as a whole; what its rows say wrong comes in as they are compared."""
        try:
            self._file = pq.ParquetFile(path)
        except FileNotFoundError:
            self.findings.append(found("missing table", name))
        except (OSError, ValueError) as error:
            self.findings.append(found("table", name, places=f"every row: it cannot be read ({error})"))

    def rows(self) -> Rows:
        """The rows of the next shard."""
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._next += 1
        if self._file is None or self._next > self._file.num_row_groups:
            return rows
        try:
            told = self._file.read_row_group(self._next - 1).to_pylist()
            for row in told:
                rows[row["video_id"]].append(row)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            self._note(f"row group {self._next - 1}: it cannot be read ({error})")
        return rows

    def compare(self, evidence: Evidence, rows: Rows) -> None:
        """Compare the rows of a shard, but for videos about which something was found: a run writes all anew."""
        for video_id in sorted(rows.keys() - set(evidence.ids)):
            self._note(video_id)
        for dossier in evidence.dossiers:
            video_id = dossier.video.video_id
            if evidence.doubts(video_id):
                continue
            expected = pa.Table.from_pylist(flat_rows(dossier.manifest), schema=TABLE).to_pylist()
            if rows.get(video_id, []) != expected:
                self._note(video_id)

    def conclude(self) -> list[Finding]:
        """What was found."""
        if self._file is not None and self._file.num_row_groups > self._next:
            self._note("rows of no shard of the catalogue")
        return self.findings

    def _note(self, place: str) -> None:
        if not self.findings:
            self.findings.append(found("table", self._name, places=place))

"""The audit: checks every claim that the workspace makes, and says in plain words what does not hold and what mends it.

Without `deep` it reads the workspace: digests of every shard and media file, row counts, invariants, manifests against
shards. With `deep` it also reads the sources again and decodes the media.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.atomic import TEMPORARY
from manifests.digest import is_intact
from manifests.errors import Damaged
from manifests.manifest import flat_rows
from manifests.record import Record
from pipeline.ledger import Ledger
from pipeline.plan import State
from pipeline.reduction import Reducer, read_reduction, reduction_path
from pipeline.seal import seal_of
from pipeline.session import Session
from pipeline.shards import ShardReader, by_stage, joined, verify
from pipeline.stage import Batch, Invariant, Stage
from pipeline.survey import TABLE, Dossier, by_shard, dossiers


@dataclass(frozen=True)
class Finding:
    """One claim that does not hold. `path` is relative to the workspace; `mend` is what to do."""

    path: str
    problem: str
    mend: str
    video_id: str = ""

    def line(self) -> str:
        """As one line of text."""
        video = f" [{self.video_id}]" if self.video_id else ""
        return f"{self.path}{video}: {self.problem}; {self.mend}"

    def to_json(self) -> dict[str, str]:
        """As data."""
        return asdict(self)


NAMED = 3
"""Differences that a finding names one by one."""

RUN = "run again"
DELETE = "delete the file and run again"


class Audit:
    """Audits a session's workspace; findings come as they are found, one shard in memory at a time."""

    def __init__(self, session: Session, deep: bool = False) -> None:
        self._session, self._deep = session, deep
        self._workspace, self._stages = session.workspace, session.stages
        self._columns = {
            f"{stage.name}.{column.name}"
            for stage in self._stages
            for column in stage.columns_under(session.settings.params[stage.name])
        }
        self._known: set[str] = set()
        """Every file that some claim accounts for, relative to the workspace."""

    def findings(self) -> Iterator[Finding]:
        """All findings."""
        reducer, table = Reducer(self._workspace, self._stages), _Table(self._workspace.manifests_table)
        for shard, videos in by_shard(self._session.videos).items():
            ledger = Ledger.load(self._workspace, shard, videos, self._stages)
            for stage, problem in ledger.damaged.items():
                yield Finding(self._shard_path(stage, shard), f"it cannot be read ({problem})", DELETE)
            yield from self._files(ledger)
            found = dossiers(self._session.planner, ledger)
            reducer.add(found)
            table.compare(found)
            for dossier in found:
                yield from self._video(dossier)
        yield from self._reductions(reducer)
        if not table.agrees():
            name = self._workspace.relative(self._workspace.manifests_table)
            yield Finding(name, "it is missing, cannot be read, or says otherwise than the shards", RUN)
        yield from self._orphans()

    # --- a shard's files ------------------------------------------------------------------------------------------

    def _shard_path(self, stage: str, shard: str) -> str:
        return self._workspace.relative(self._workspace.shard(stage, shard))

    def _files(self, ledger: Ledger) -> Iterator[Finding]:
        """Rows against records, and the file as a whole; leaves in the ledger the seals of what lies there now."""
        ids = {video.video_id for video in ledger.videos}
        for stage in self._stages:
            path = self._shard_path(stage.name, ledger.shard)
            self._known.add(path)
            if stage.name not in ledger.records:
                continue
            with ShardReader(self._workspace.root / path) as reader:
                ledger.seals[stage.name] = seal_of(reader, path)
                recorded = sum(record.rows for record in reader.records.values())
                if recorded != reader.rows:
                    yield Finding(path, f"it holds {reader.rows} rows but records {recorded}", DELETE)
                for extra in sorted(reader.records.keys() - ids):
                    yield Finding(path, "it holds a video that the catalogue does not place here", DELETE, extra)
                yield from self._rows(stage, reader, path)

    def _rows(self, stage: Stage[Any], reader: ShardReader, path: str) -> Iterator[Finding]:
        for video_id, record in reader.records.items():
            try:
                verify(reader, stage, record)
            except Damaged:
                yield Finding(path, "its values are not those recorded", DELETE, video_id)

    # --- a video --------------------------------------------------------------------------------------------------

    def _video(self, dossier: Dossier) -> Iterator[Finding]:
        video_id = dossier.video.video_id
        yield from self._manifest(dossier)
        for stage in self._stages:
            media = (self._workspace.media(video_id, suffix) for suffix in stage.media)
            self._known |= {self._workspace.relative(path) for path in media}
            standing = dossier.standings[stage.name]
            path = self._shard_path(stage.name, dossier.video.shard)
            if not standing.settled:
                yield Finding(path, f"{standing.state} ({standing.reason})", RUN, video_id)
            if standing.record is None or standing.state is State.BLOCKED:
                continue
            yield from self._media(standing.record)
            if standing.state is State.DONE:
                yield from self._invariants(stage, dossier)
                yield from self._proof(stage, dossier, standing.record)
        frames = {
            name: standing.record.frames
            for name, standing in dossier.standings.items()
            if standing.record and standing.state is State.DONE and standing.record.frames
        }
        if len(set(frames.values())) > 1:
            yield Finding(dossier.video.shard, f"stages disagree on the number of frames: {frames}", RUN, video_id)

    def _manifest(self, dossier: Dossier) -> Iterator[Finding]:
        video_id = dossier.video.video_id
        path = self._workspace.manifest(video_id)
        name = self._workspace.relative(path)
        self._known.add(name)
        try:
            written = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            yield Finding(name, "the manifest is missing", RUN, video_id)
            return
        except (OSError, ValueError):
            yield Finding(name, "the manifest cannot be read", DELETE, video_id)
            return
        expected = json.loads(json.dumps(dossier.manifest))
        places = list(different(expected, written))
        if places:
            told = ", ".join(places[:NAMED]) + (f" and {len(places) - NAMED} more" if len(places) > NAMED else "")
            yield Finding(name, f"it says otherwise than the shards at {told}", DELETE, video_id)

    def _media(self, record: Record) -> Iterator[Finding]:
        for output in record.media:
            path = self._workspace.root / output.path
            if not path.is_file():
                yield Finding(output.path, "the file is missing", RUN, record.video_id)
            elif not is_intact(path, output.sha256):
                yield Finding(output.path, "its bytes are not those recorded", DELETE, record.video_id)

    def _invariants(self, stage: Stage[Any], dossier: Dossier) -> Iterator[Finding]:
        for invariant in stage.invariants:
            if not self._columns.issuperset(invariant.reads):
                continue
            broken = self._broken_rows(invariant, dossier)
            if broken is None or broken:
                problem = f"does not hold: {invariant.claim}" + (f" (first at row {broken[0]})" if broken else "")
                path = self._shard_path(stage.name, dossier.video.shard)
                yield Finding(path, problem, DELETE, dossier.video.video_id)

    def _broken_rows(self, invariant: Invariant, dossier: Dossier) -> list[int] | None:
        """Numbers of the rows that break an invariant, or None when they cannot be read."""
        broken: list[int] = []
        start = 0
        try:
            for batch in self._read(invariant.reads, dossier):
                holds = invariant.holds(batch)
                broken.extend((start + np.flatnonzero(~holds)).tolist())
                start += len(holds)
        except (Damaged, OSError, ValueError):
            return None
        return broken

    def _read(self, columns: Sequence[str], dossier: Dossier) -> Iterator[Batch]:
        with ExitStack() as open_files:
            streams = []
            for stage, names in by_stage(columns).items():
                reader = open_files.enter_context(ShardReader(self._workspace.shard(stage, dossier.video.shard)))
                streams.append(reader.batches(dossier.video.video_id, names))
            yield from joined(streams)

    def _proof(self, stage: Stage[Any], dossier: Dossier, record: Record) -> Iterator[Finding]:
        if not self._deep or stage.proof is None:
            return
        path = self._shard_path(stage.name, dossier.video.shard)
        try:
            for problem, mend in stage.proof(self._workspace, dossier.video, record):
                yield Finding(path, problem, mend, dossier.video.video_id)
        except (Damaged, OSError) as error:
            yield Finding(path, f"what it stands for cannot be read again ({error})", RUN, dossier.video.video_id)

    # --- the workspace --------------------------------------------------------------------------------------------

    def _reductions(self, reducer: Reducer) -> Iterator[Finding]:
        for stage in self._stages:
            if stage.reduce is None:
                continue
            path = reduction_path(self._workspace, stage.name)
            name = self._workspace.relative(path)
            self._known.add(name)
            note = read_reduction(path)
            if note is None:
                yield Finding(name, "what joins the videos was not made", RUN)
                continue
            for output in note.outputs:
                self._known.add(output.path)
                if not is_intact(self._workspace.root / output.path, output.sha256):
                    yield Finding(output.path, "its bytes are not those recorded", DELETE)
            if not reducer.current(stage):
                yield Finding(name, "it does not rest on the videos that are accepted now", RUN)

    def _orphans(self) -> Iterator[Finding]:
        """Files in the workspace's own folders that nothing accounts for."""
        folders = [*(stage.name for stage in self._stages), "media", "manifests"]
        for folder in folders:
            for path in _files_in(self._workspace.root / folder):
                name = self._workspace.relative(path)
                if path.name.startswith(TEMPORARY):
                    yield Finding(name, "a killed run left this temporary file", RUN)
                elif name not in self._known:
                    yield Finding(name, "nothing in the catalogue accounts for this file", "delete it or move it away")


class _Table:
    """`manifests.parquet` beside what it should say: a row group a shard, in the order of the survey."""

    def __init__(self, path: Path) -> None:
        self._groups = 0
        self._same = True
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, ValueError):
            self._same = False

    def compare(self, found: Sequence[Dossier]) -> None:
        """Compare the rows of the next shard."""
        rows = [row for dossier in found for row in flat_rows(dossier.manifest)]
        expected = pa.Table.from_pylist(rows, schema=TABLE)
        if self._same:
            try:
                self._same = self._file.read_row_group(self._groups).equals(expected)
            except (OSError, ValueError, IndexError):
                self._same = False
        self._groups += 1

    def agrees(self) -> bool:
        """Whether every row was as it should be, and none is left over."""
        return self._same and self._file.num_row_groups == self._groups


def _files_in(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else ()


def different(expected: Any, written: Any, where: str = "") -> Iterator[str]:
    """Name the places at which two JSON values differ, outermost first."""
    if isinstance(expected, dict) and isinstance(written, dict):
        for key in sorted(expected.keys() | written.keys()):
            inner = f"{where}.{key}" if where else str(key)
            yield from different(expected.get(key), written.get(key), inner)
    elif expected != written:
        yield where

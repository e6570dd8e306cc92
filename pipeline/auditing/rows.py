"""Shard files: each is the one it is called, and holds the rows that its records name, with values where there must be.

One pass over a file's bytes, batch by batch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.declare.stage import Batch, Column, Stage
from portrait_prep.pipeline.store.arrow import Digests
from portrait_prep.pipeline.store.coherence import are_keyed, contradictions
from portrait_prep.pipeline.store.shard_state import checksum_of
from portrait_prep.pipeline.store.shards import ShardReader

GAPS = "gaps"
"""The metric in which a stage records the frames, as [first, last + 1], without values there and at later stages."""

Gaps = Sequence[tuple[int, int]]

PlaceOf = Callable[[str], str | None]
"""The shard in which the catalogue places a video; None where it does not have it."""


def examine_files(evidence: Evidence, place_of: PlaceOf) -> Iterator[Finding]:
    """Look at the shard's file of each stage; `place_of` is asked where videos belong that are not the shard's."""
    for stage in evidence.stages:
        path = evidence.path(stage.name)
        if stage.name in evidence.shard_state.damaged:
            evidence.doubt(stage.name)
            yield found("unreadable", path, detail=evidence.shard_state.damaged[stage.name])
        elif stage.name in evidence.shard_state.records:
            with ShardReader(evidence.session.workspace.root / path) as reader:
                evidence.checksums[stage.name] = checksum_of(reader, path)
                yield from _examine_file(evidence, stage, reader, place_of)


def _examine_file(evidence: Evidence, stage: Stage[Any], reader: ShardReader, place_of: PlaceOf) -> Iterator[Finding]:
    path = evidence.path(stage.name)
    if place := _other_place(stage, reader, evidence, place_of):
        evidence.doubt(stage.name)
        yield found("exchanged", path, place=place)
        return
    recorded = sum(record.rows for record in reader.records.values())
    if recorded != reader.rows:
        evidence.doubt(stage.name)
        yield found("row count", path, rows=reader.rows, recorded=recorded)
        return
    for video_id, record in reader.records.items():
        if video_id not in evidence.ids:
            if video_id not in evidence.gone:
                yield found("unknown video", path, video_id)
            continue
        gaps = _gaps(evidence, stage, video_id)
        for kind, details in _flaws(stage, reader, record, gaps):
            evidence.doubt(stage.name, video_id)
            yield found(kind, path, video_id, **details)
            break


def _other_place(stage: Stage[Any], reader: ShardReader, evidence: Evidence, place_of: PlaceOf) -> str | None:
    """Where the file belongs by its records, if it is not here."""
    workspace, shard = evidence.session.workspace, evidence.shard_state.shard
    stages = {record.stage for record in reader.records.values()} or {stage.name}
    own = set(evidence.ids)
    shards = {shard if video_id in own else place_of(video_id) or shard for video_id in reader.records} or {shard}
    if len(stages) > 1 or len(shards) > 1 or (stages, shards) == ({stage.name}, {shard}):
        return None
    return workspace.relative(workspace.shard(stages.pop(), shards.pop()))


def _gaps(evidence: Evidence, stage: Stage[Any], video_id: str) -> Gaps | None:
    """The gaps that this stage or one that it stands on has recorded; None where none of them records any."""
    by_name = {other.name: other for other in evidence.stages}
    lineage, gaps = [stage.name], list[tuple[int, int]]()
    recorded = False
    for name in lineage:
        lineage.extend(other for other in by_name[name].upstream if other not in lineage)
        record = evidence.shard_state.records.get(name, {}).get(video_id)
        if record and GAPS in record.metrics:
            recorded = True
            gaps.extend(_ranges(record.metrics[GAPS]))
    return gaps if recorded else None


def _ranges(metric: Any) -> Gaps:
    """What a metric says; none where it is not of that form."""
    try:
        return [(int(first), int(stop)) for first, stop in metric]
    except (TypeError, ValueError):
        return []


Flaw = tuple[str, dict[str, object]]
"""The name of a kind and its details."""


def _flaws(stage: Stage[Any], reader: ShardReader, record: Record, gaps: Gaps | None) -> Iterator[Flaw]:
    """What is wrong with one video's rows, the gravest first."""
    for contradiction in contradictions(stage, record):
        yield "record", {"detail": contradiction}
    columns = reader.columns(stage)
    digests, checked = Digests(columns), list[Flaw]()
    row = 0
    try:
        for batch in reader.batches(record.video_id, reader.column_names):
            digests.update(batch)
            if not checked:
                if not are_keyed(stage, record, batch, row):
                    checked.append(("keys", {}))
                checked.extend(_of_gaps(stage, columns, batch, row, gaps, GAPS in record.metrics))
            row += len(next(iter(batch.values())))
    except (Damaged, KeyError, ValueError):
        yield "values", {}
        return
    recorded = {column.name: record.digests[column.name] for column in stage.columns if column.name in record.digests}
    if row != record.rows or (digests.results() if record.done else {}) != recorded:
        yield "values", {}
    yield from checked


def _of_gaps(
    stage: Stage[Any], columns: Sequence[Column], batch: Batch, start: int, gaps: Gaps | None, records: bool
) -> Iterator[Flaw]:
    """Numbers are missing in recorded gaps and nowhere else; `records`: this stage itself records them.

    What a later stage has in a gap is for its invariants to say.
    """
    if gaps is None or stage.rows != "frame":
        return
    frames = start + np.arange(len(batch["frame"]))
    gap = np.zeros(len(frames), bool)
    for first, stop in gaps:
        gap |= (frames >= first) & (frames < stop)
    for column in columns:
        values = batch[column.name].reshape(len(frames), -1)
        if values.dtype.kind == "f":
            lost = ~np.isfinite(values).all(axis=1)
            for frame in frames[lost & ~gap][:1]:
                yield "no value", {"column": column.name, "frame": int(frame)}
            for frame in frames[gap & ~lost & records][:1]:
                yield "no gap", {"column": column.name, "frame": int(frame)}

"""Shard files: each is the one it is called, and holds the rows that its records name, with values where there must be.

One pass over a file's bytes, batch by batch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.declare.stage import Batch, Column, Stage
from portrait_prep.pipeline.store.arrow import Digests, digest_of, keys
from portrait_prep.pipeline.store.shard_state import checksum_of
from portrait_prep.pipeline.store.shards import ShardReader

GAPS = "gaps"
"""The metric in which a stage records the frames, as [first, last + 1], without values there and at later stages."""

Gaps = Sequence[tuple[int, int]]


def examine_files(evidence: Evidence, places: Mapping[str, str]) -> Iterator[Finding]:
    """Look at the shard's file of each stage; `places` maps the catalogue's videos to their shards."""
    for stage in evidence.stages:
        path = evidence.path(stage.name)
        if stage.name in evidence.shard_state.damaged:
            evidence.doubt(stage.name)
            yield found("unreadable", path, detail=evidence.shard_state.damaged[stage.name])
        elif stage.name in evidence.shard_state.records:
            with ShardReader(evidence.session.workspace.root / path) as reader:
                evidence.checksums[stage.name] = checksum_of(reader, path)
                yield from _examine_file(evidence, stage, reader, places)


def _examine_file(
    evidence: Evidence, stage: Stage[Any], reader: ShardReader, places: Mapping[str, str]
) -> Iterator[Finding]:
    path = evidence.path(stage.name)
    if place := _other_place(stage, reader, evidence, places):
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


def _other_place(stage: Stage[Any], reader: ShardReader, evidence: Evidence, places: Mapping[str, str]) -> str | None:
    """Where the file belongs by its records, if it is not here."""
    workspace, shard = evidence.session.workspace, evidence.shard_state.shard
    stages = {record.stage for record in reader.records.values()} or {stage.name}
    shards = {places.get(video_id, shard) for video_id in reader.records} or {shard}
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
    for contradiction in _contradictions(stage, record):
        yield "record", {"detail": contradiction}
    columns = reader.columns(stage)
    digests, checked = Digests(columns), list[Flaw]()
    row = 0
    try:
        for batch in reader.batches(record.video_id, reader.column_names):
            digests.update(batch)
            if not checked:
                checked.extend(_of_keys(stage, record, batch, row))
                checked.extend(_of_gaps(stage, columns, batch, row, gaps, GAPS in record.metrics))
            row += len(next(iter(batch.values())))
    except (Damaged, KeyError, ValueError):
        yield "values", {}
        return
    recorded = {column.name: record.digests[column.name] for column in stage.columns if column.name in record.digests}
    if row != record.rows or (digests.results() if record.done else {}) != recorded:
        yield "values", {}
    yield from checked


def _contradictions(stage: Stage[Any], record: Record) -> Iterator[str]:
    """What a record says twice, and differently."""
    if not record.done:
        if record.rows:
            yield f"it failed, and has {record.rows} rows"
        return
    if record.digest != digest_of(record.digests.items()):
        yield "its digest is not that of its columns' digests"
    expected = 1 if stage.rows == "video" else record.frames
    if record.rows != expected:
        yield f"{record.rows} rows for {expected} frames"
    media = {output.path.rpartition(".")[2]: output.sha256 for output in record.media}
    if media != {suffix: record.digests.get(suffix) for suffix in stage.media}:
        yield "its media files are told in two ways"
    if record.basis.version == stage.version:
        yield from _undeclared(stage, record.metrics)


def _undeclared(stage: Stage[Any], metrics: Mapping[str, Any]) -> Iterator[str]:
    """Where a record's metrics are not those that its stage, at this version, declares."""
    declared = {metric.name: metric for metric in stage.metrics if metric.recorded}
    for name in sorted(metrics.keys() - declared.keys()):
        yield f"{stage.name} measures no {name}"
    for name, metric in declared.items():
        if name not in metrics and not metric.optional:
            yield f"it has no {name}"
        elif name in metrics and not metric.fits(metrics[name]):
            yield f"its {name} is no {metric.kind}"


def _of_keys(stage: Stage[Any], record: Record, batch: Batch, start: int) -> Iterator[Flaw]:
    count = len(batch["video_id"])
    expected: dict[str, NDArray[Any]] = {
        "video_id": np.full(count, record.video_id, object),
        "frame": np.arange(start, start + count),
    }
    if not all(np.array_equal(batch[key.name], expected[key.name]) for key in keys(stage)):
        yield "keys", {}


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

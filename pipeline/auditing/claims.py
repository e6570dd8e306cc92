"""What the stages claim of their columns, and how they prove what lies outside of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, flaw, found
from portrait_prep.pipeline.declare.stage import Batch, Invariant, Stage
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.pipeline.store.shards import ShardReader, by_stage, joined


def examine_invariants(evidence: Evidence) -> Iterator[Finding]:
    """Every invariant of every stage holds in every row; one pass a stage."""
    workspace, shard = evidence.session.workspace, evidence.shard_state.shard
    with ExitStack() as files:
        readers = {
            stage: files.enter_context(ShardReader(workspace.shard(stage, shard)))
            for stage in evidence.shard_state.records
        }
        for video_status in evidence.video_statuses:
            yield from _of_video(evidence, video_status, readers)


def _of_video(evidence: Evidence, video_status: VideoStatus, readers: Mapping[str, ShardReader]) -> Iterator[Finding]:
    video_id, sound = video_status.video.video_id, list(evidence.sound(video_status))
    known = {f"{stage.name}.{column}" for stage, record in sound for column in record.digests}
    for stage, _ in sound:
        invariants = [claim for claim in stage.invariants if known.issuperset(claim.reads)]
        for claim, first in _broken(invariants, video_id, readers):
            evidence.doubt(stage.name, video_id)
            where = "" if first is None else f" (first at row {first})"
            yield found("claim", evidence.path(stage.name), video_id, claim=claim.claim, first=where)


def _broken(
    invariants: Sequence[Invariant], video_id: str, readers: Mapping[str, ShardReader]
) -> list[tuple[Invariant, int | None]]:
    """The invariants that do not hold, with the number of the first row, or None where rows do not belong together."""
    broken: dict[str, int] = {}
    start = 0
    try:
        for batch in _read([column for claim in invariants for column in claim.reads], video_id, readers):
            for claim in invariants:
                held = claim.holds({name.partition(".")[2]: batch[name] for name in claim.reads})
                if claim.claim not in broken and not held.all():
                    broken[claim.claim] = start + int(np.argmin(held))
            start += len(next(iter(batch.values())))
    except (Damaged, OSError, ValueError):
        return [(claim, None) for claim in invariants]
    return [(claim, broken[claim.claim]) for claim in invariants if claim.claim in broken]


def _read(columns: Sequence[str], video_id: str, readers: Mapping[str, ShardReader]) -> Iterator[Batch]:
    """Aligned batches, keyed `stage.column`. Raises ValueError where the stages do not have the same rows."""
    return joined(
        [
            _named(stage, readers[stage].batches(video_id, names))
            for stage, names in by_stage(dict.fromkeys(columns)).items()
        ]
    )


def _named(stage: str, batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        yield {f"{stage}.{name}": values for name, values in batch.items()}


def examine_proofs(evidence: Evidence) -> Iterator[Finding]:
    """What stages prove by reading again what lies outside of their shards."""
    for video_status in evidence.video_statuses:
        for stage, record in list(evidence.sound(video_status)):
            for finding in _proved(evidence, stage, video_status, record):
                evidence.doubt(stage.name, video_status.video.video_id)
                yield finding


def _proved(evidence: Evidence, stage: Stage[Any], video_status: VideoStatus, record: Record) -> Iterator[Finding]:
    path, video_id = evidence.path(stage.name), video_status.video.video_id
    if stage.proof is None:
        return
    try:
        for problem, remedy in stage.proof(evidence.session.workspace, video_status.video, record):
            yield flaw(path, problem, remedy, video_id)
    except (Damaged, OSError) as error:
        yield found("unproved", path, video_id, detail=error)

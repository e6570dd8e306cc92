"""Whether a record says one thing only, and whether its rows are named as they must be."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.declare.stage import Batch, Stage
from portrait_prep.pipeline.store.arrow import digest_of, keys


def contradictions(stage: Stage[Any], record: Record) -> Iterator[str]:
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
    told = (suffix for suffix in stage.media if suffix in record.digests or suffix not in stage.media_when)
    if media != {suffix: record.digests.get(suffix) for suffix in told}:
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


def are_keyed(stage: Stage[Any], record: Record, batch: Batch, start: int) -> bool:
    """Whether rows, of which the first is number `start` of the video, name the video and count its frames."""
    count = len(batch["video_id"])
    expected: dict[str, NDArray[Any]] = {
        "video_id": np.full(count, record.video_id, object),
        "frame": np.arange(start, start + count),
    }
    return all(np.array_equal(batch[key.name], expected[key.name]) for key in keys(stage))

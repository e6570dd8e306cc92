"""Two computations of the same video at the same stage, side by side."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.shards import ShardReader
from pipeline.stage import Stage


def deviations(stage: Stage[Any], told: ShardReader, new: ShardReader, video_id: str) -> Iterator[str]:
    """Say in which columns, media files and metrics the recomputed rows are not exactly those that were recorded."""
    recorded, recomputed = told.records[video_id], new.records[video_id]
    if (recorded.rows, recorded.frames) != (recomputed.rows, recomputed.frames):
        yield f"it has {recomputed.rows} rows for {recomputed.frames} frames, not {recorded.rows} for {recorded.frames}"
        return
    for name in sorted(recorded.digests.keys() | recomputed.digests.keys()):
        if recorded.digests.get(name) == recomputed.digests.get(name):
            continue
        if name in told.column_names and name in new.column_names:
            yield _of_column(told, new, video_id, name)
        else:
            yield f"{name} has other bytes" if name in stage.media else f"{name} is not there in both"
    for name in sorted(recorded.metrics.keys() | recomputed.metrics.keys()):
        before, after = (json.dumps(metrics.get(name)) for metrics in (recorded.metrics, recomputed.metrics))
        if before != after:
            yield f"the metric {name} is {after}, not {before}"


def _of_column(told: ShardReader, new: ShardReader, video_id: str, name: str) -> str:
    """By how much a column deviates, and from which row on; streams."""
    first: int | None = None
    farthest, start = 0.0, 0
    for left, right in zip_longest(told.batches(video_id, [name]), new.batches(video_id, [name])):
        before, after = left[name], right[name]
        other = ~_same(before, after)
        if other.any() and first is None:
            first = start + int(np.argmax(other))
        farthest = max(farthest, _distance(before, after))
        start += len(before)
    if first is None:
        return f"{name} has the same values, but its recorded digest is another"
    return f"{name} differs by up to {farthest:.3g}, first in frame {first}"


def _same(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Row by row whether all values are equal, NaN to NaN."""
    equal = before == after
    if before.dtype.kind == "f":
        equal |= np.isnan(before) & np.isnan(after)
    return np.asarray(equal.reshape(len(before), -1).all(axis=1))


def _distance(before: NDArray[Any], after: NDArray[Any]) -> float:
    """Largest absolute difference of numbers that both have; 0 where they are no numbers."""
    if before.dtype.kind not in "biuf":
        return 0.0
    difference = np.abs(before.astype(np.float64) - after.astype(np.float64))
    return float(np.nanmax(difference, initial=0.0))

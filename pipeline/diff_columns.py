"""How far the values of two shards are apart, column by column; one row group of each is in memory at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.shards import ShardReader
from pipeline.stage import Batch


@dataclass
class Spread:
    """Differences of one column, over the videos whose digests of it differ.

    `values` were compared, `different` of them are not equal; `mean` and `greatest` are of the absolute difference
    where both are finite, in the column's unit, the latter met in `frame` of `video`. `missing_first` and
    `missing_second`: values that are NaN (or infinite, or null) on that side alone. `shapes`: videos of other length or
    shape.
    """

    videos: list[str] = field(default_factory=list)
    values: int = 0
    different: int = 0
    missing_first: int = 0
    missing_second: int = 0
    shapes: list[str] = field(default_factory=list)
    greatest: float = 0.0
    video: str = ""
    frame: int = 0
    _sum: float = 0.0
    _finite: int = 0

    @property
    def mean(self) -> float:
        """Mean absolute difference."""
        return self._sum / self._finite if self._finite else 0.0

    def add(self, video_id: str, first_frame: int, one: NDArray[Any], two: NDArray[Any]) -> None:
        """Take in the same rows of both, [rows, *shape]."""
        self.values += one.size
        if np.dtype(object) in (one.dtype, two.dtype):
            self._add_objects(one.reshape(-1), two.reshape(-1))
            return
        here, there = one.astype(np.float64), two.astype(np.float64)
        seen, also_seen = np.isfinite(here), np.isfinite(there)
        both, apart = seen & also_seen, np.zeros(one.shape)
        apart[both] = np.abs(here[both] - there[both])
        self.missing_first += int((~seen & also_seen).sum())
        self.missing_second += int((seen & ~also_seen).sum())
        self.different += int(((apart > 0) | (seen != also_seen)).sum())
        self._sum += float(apart.sum())
        self._finite += int(both.sum())
        if apart.size and apart.max() > self.greatest:
            row = int(apart.reshape(len(apart), -1).max(axis=1).argmax())
            self.greatest, self.video, self.frame = float(apart.max()), video_id, first_frame + row

    def _add_objects(self, one: NDArray[Any], two: NDArray[Any]) -> None:
        for before, after in zip(one, two, strict=True):
            self.different += before != after
            self.missing_first += before is None and after is not None
            self.missing_second += before is not None and after is None

    def to_json(self) -> dict[str, Any]:
        """As data."""
        told = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return told | {"mean": self.mean}


def add_video(spreads: dict[str, Spread], video_id: str, one: ShardReader, two: ShardReader) -> None:
    """Compare the columns named in `spreads` of a video that both shards hold. Raises Damaged."""
    start = 0
    for spread in spreads.values():
        spread.videos.append(video_id)
    for before, after in _side_by_side(video_id, list(spreads), one, two):
        length = min(_rows(before), _rows(after))
        for name, spread in spreads.items():
            alike = length and before[name].shape[1:] == after[name].shape[1:]
            if alike:
                spread.add(video_id, start, before[name][:length], after[name][:length])
            if (not alike or _rows(before) != _rows(after)) and video_id not in spread.shapes[-1:]:
                spread.shapes.append(video_id)
        start += length


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values()), ()))


def _side_by_side(
    video_id: str, columns: Sequence[str], one: ShardReader, two: ShardReader
) -> Iterator[tuple[Batch, Batch]]:
    nothing: Batch = {}
    return zip_longest(one.batches(video_id, columns), two.batches(video_id, columns), fillvalue=nothing)

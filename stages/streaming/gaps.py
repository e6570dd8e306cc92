"""Frames in which nothing was found: short runs are filled, long ones reported."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]


def fill_gaps(rows: Iterable[Row | None], max_gap: int, runs: list[list[int]]) -> Iterator[tuple[Row, bool]]:
    """Yield an array for each frame, and whether it was found; those missing (None) are filled. Streams.

    A run of up to `max_gap` missing frames is interpolated linearly between its neighbours; at either end of the
    video, where there is only one neighbour, that one is held (as `numpy.interp` does). A longer run is NaN. Each run,
    short or long, is added to `runs` as [first, last + 1]. When every frame is missing, nothing is yielded.
    """
    last: Row | None = None
    missing = frame = 0
    for frame, row in enumerate(rows):
        if row is None:
            missing += 1
            continue
        if missing:
            runs.append([frame - missing, frame])
        for filled in _bridge(row if last is None else last, row, missing, max_gap):
            yield filled, False
        yield row, True
        last, missing = row, 0
    if last is not None and missing:
        runs.append([frame + 1 - missing, frame + 1])
        for filled in _bridge(last, last, missing, max_gap):
            yield filled, False


def _bridge(before: Row, after: Row, missing: int, max_gap: int) -> Iterator[Row]:
    """The `missing` rows between two found ones."""
    for step in range(1, missing + 1):
        share = np.float32(step / (missing + 1)) if missing <= max_gap else np.float32(np.nan)
        yield before + share * (after - before)

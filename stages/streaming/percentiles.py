"""Percentiles of a stream of numbers, in memory that does not grow with it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Percentiles:
    """A histogram of `bins` equal bins from `low` to `high`; what lies beyond counts in the outermost ones.

    Counts are whole numbers, so neither order nor batches matter. A percentile is right within half a bin.
    """

    def __init__(self, low: float, high: float, bins: int) -> None:
        self._edges = np.linspace(low, high, bins + 1)
        self._counts = np.zeros(bins, np.int64)

    def add(self, values: NDArray[np.floating[Any]]) -> None:
        """Take in values of any shape; NaN does not count."""
        finite = values[np.isfinite(values)]
        places = np.searchsorted(self._edges, finite, "right") - 1
        self._counts += np.bincount(np.clip(places, 0, len(self._counts) - 1), minlength=len(self._counts))

    def at(self, percent: float) -> float | None:
        """The value that `percent` of the numbers do not exceed (nearest rank); None when there were none."""
        total = int(self._counts.sum())
        if not total:
            return None
        rank = max(int(np.ceil(percent / 100 * total)), 1)
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float((self._edges[place] + self._edges[place + 1]) / 2)

"""Mergeable moments: what must be kept of many values so that their mean and deviation can be joined with others'."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Number, mean, and sum of squared deviations from the mean (`m2`), element by element; float64 [*shape].

    Both are kept relative to the mean and never as plain sums, so that a large offset costs no digits.
    Chan, Golub and LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample Variances, COMPSTAT 1982
    (Stanford report STAN-CS-79-773). The same merges in the same order give the same bits.
    """

    count: int
    mean: Float64
    m2: Float64

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Self:
        """The moments of no values at all: merging them changes nothing."""
        return cls(0, np.zeros(shape), np.zeros(shape))

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """The moments of values [n, *shape] along the first axis; rows with any value not finite are left out."""
        rows = np.asarray(values, np.float64)
        rows = rows[np.isfinite(rows).reshape(len(rows), -1).all(axis=1)] if len(rows) else rows
        if not len(rows):
            return cls.none(rows.shape[1:])
        mean = rows.mean(axis=0)
        deviation = rows - mean
        error = deviation.mean(axis=0)
        # The rounded mean is off by `error`, which the second pass sees: the corrected two-pass algorithm.
        return cls(len(rows), mean + error, np.maximum((deviation**2).sum(axis=0) - len(rows) * error**2, 0.0))

    def __add__(self, other: "Moments") -> "Moments":
        """The moments of both sets of values together."""
        if not (self.count and other.count):
            return other if other.count else self
        count = self.count + other.count
        delta = other.mean - self.mean
        share = other.count / count
        return Moments(count, self.mean + delta * share, self.m2 + other.m2 + delta**2 * (self.count * share))

    @property
    def average(self) -> Float64:
        """The mean; NaN where there were no values."""
        return self.mean if self.count else np.full_like(self.mean, np.nan)

    @property
    def deviation(self) -> Float64:
        """The population standard deviation; NaN where there were no values."""
        return np.sqrt(self.m2 / self.count) if self.count else np.full_like(self.m2, np.nan)

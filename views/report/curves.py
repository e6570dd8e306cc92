"""Curves over a whole video in a few hundred numbers: the least and the greatest value of each stretch of frames.

A stretch shows its extremes, so that a spike of one frame is seen however long the video is.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRETCHES = 240
"""Most stretches of a curve: as many as the page has room for."""
LEVELS = 254
"""Steps between the least and the greatest value of a curve; a byte has one value more, for nothing."""


class Curves:
    """The extremes of named curves, as frames stream by; memory does not grow with the length of the video."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._extremes: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    @property
    def stretches(self) -> int:
        """How many numbers a curve has."""
        return min(self.frames, STRETCHES)

    def add(self, first: int, values: Mapping[str, NDArray[np.floating[Any]]]) -> None:
        """Take in values [n] of frames `first` to `first + n - 1`; what is NaN leaves no trace."""
        for name, column in values.items():
            number = (first + np.arange(len(column))) * self.stretches // self.frames
            low, high = self._extremes.setdefault(
                name, (np.full(self.stretches, np.inf), np.full(self.stretches, -np.inf))
            )
            there = np.isfinite(column)
            np.minimum.at(low, number[there], column[there])
            np.maximum.at(high, number[there], column[there])

    def told(self) -> dict[str, dict[str, Any]]:
        """Name -> `low`, `high` (the range) and `bytes`: of each stretch the least value, then of each the greatest.

        0 is nothing, 1 the bottom of the range and 255 its top; where each stretch is one frame, the second half is
        left out. Curves without a finite value are left out.
        """
        return {name: _told(low, high) for name, (low, high) in self._extremes.items() if np.isfinite(low).any()}


def _told(low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, Any]:
    there = np.isfinite(low)
    bottom, top = float(low[there].min()), float(high[there].max())
    step = max(top - bottom, 1e-9) / LEVELS
    rows = [low] if np.array_equal(low[there], high[there]) else [low, high]
    levels = np.zeros((len(rows), len(low)), np.uint8)
    for row, values in zip(levels, rows, strict=True):
        row[there] = 1 + np.rint((values[there] - bottom) / step)
    return {"low": round(bottom, 4), "high": round(top, 4), "bytes": encoded(levels)}


def encoded(values: NDArray[Any]) -> str:
    """Little-endian bytes of an array in C order, as base64."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode("ascii")

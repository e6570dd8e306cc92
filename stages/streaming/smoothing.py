"""Smoothing over time without lag: symmetric kernels, streamed, never across a frame that is missing."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Half = NDArray[np.float64]
"""Weights of a symmetric kernel from its centre outward, [radius + 1]."""


def mean_kernel(frames: int) -> Half:
    """Centred mean over an odd number of frames; 0 or 1 smooths nothing."""
    return np.ones(frames // 2 + 1)


def gaussian_kernel(sigma: float) -> Half:
    """Gaussian of `sigma` frames, cut at four sigma; 0 smooths nothing."""
    if sigma == 0:
        return np.ones(1)
    return np.exp(-0.5 * (np.arange(int(4 * sigma + 0.5) + 1) / sigma) ** 2)


def convolve(values: NDArray[np.floating[Any]], half: Half) -> NDArray[np.float64]:
    """Smooth [n + 2 radius, …] along its first axis; returns the inner n rows, float64.

    A row that is NaN stays NaN and ends the segment: rows beyond it have no weight, and the weights that are left are
    renormalised. Every row is summed in the same order, so the result does not depend on how a video was cut.
    """
    radius = len(half) - 1
    rows = len(values) - 2 * radius
    there = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    each = (slice(None), *[None] * (values.ndim - 1))  # a number for each row, beside all values of that row
    filled = np.where(there[each], values, 0.0)
    inner = slice(radius, radius + rows)
    total, weight = half[0] * filled[inner], half[0] * there[inner]
    for direction in (-1, 1):
        reach = there[inner]
        for step, share in enumerate(half[1:], start=1):
            part = slice(radius + direction * step, radius + direction * step + rows)
            reach = reach & there[part]
            shares = share * reach
            total += shares[each] * filled[part]
            weight += shares
    weight[~there[inner]] = np.nan
    return np.asarray(total / weight[each])


def with_halo(
    batches: Iterable[dict[str, NDArray[Any]]], column: str, radius: int
) -> Iterator[tuple[dict[str, NDArray[Any]], NDArray[Any]]]:
    """Re-cut a stream of batches so that each comes with `radius` more rows of one column before and behind it.

    Yields batches [n] and that column's rows [n + 2 radius]; beyond the ends of the video they are NaN. Holds back
    2 x radius rows and no more.
    """
    held: dict[str, NDArray[Any]] = {}
    context: NDArray[Any] | None = None
    for batch in batches:
        if context is None:
            context = np.full((radius, *batch[column].shape[1:]), np.nan, batch[column].dtype)
        held = {name: np.concatenate([held[name], rows]) if held else rows for name, rows in batch.items()}
        context = np.concatenate([context, batch[column]])
        ready = len(context) - 2 * radius
        if ready > 0:
            yield {name: rows[:ready] for name, rows in held.items()}, context
            held = {name: rows[ready:] for name, rows in held.items()}
            context = context[ready:]
    if context is not None and len(held[column]):
        yield held, np.concatenate([context, np.full((radius, *context.shape[1:]), np.nan, context.dtype)])

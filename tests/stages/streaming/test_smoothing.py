from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from portrait_prep.stages.streaming.smoothing import convolve, gaussian_kernel, mean_kernel, with_halo

Rows = NDArray[np.float64]


def batched(values: Rows, sizes: list[int]) -> Iterator[dict[str, NDArray[Any]]]:
    start = 0
    for size in [*sizes, len(values)]:
        if start < len(values):
            yield {"value": values[start : start + size], "index": np.arange(start, min(start + size, len(values)))}
        start += size


def smoothed(values: Rows, half: Rows, sizes: list[int] | None = None) -> Rows:
    parts = list(with_halo(batched(values, sizes or []), "value", len(half) - 1))
    index = np.concatenate([batch["index"] for batch, _ in parts])
    np.testing.assert_array_equal(index, np.arange(len(values)))
    return np.concatenate([convolve(around, half) for _, around in parts])


def with_holes(seed: int, rows: int) -> Rows:
    random = np.random.default_rng(seed)
    values = random.normal(0, 10, (rows, 2))
    values[random.random(rows) < 0.1] = np.nan
    return values


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.lists(st.integers(1, 20), max_size=20), st.floats(0, 4))
def test_result_does_not_depend_on_how_the_video_is_cut(seed: int, rows: int, sizes: list[int], sigma: float) -> None:
    values = with_holes(seed, rows)
    whole = smoothed(values, gaussian_kernel(sigma))
    np.testing.assert_array_equal(smoothed(values, gaussian_kernel(sigma), sizes), whole)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.floats(0, 4))
def test_nan_stays_and_does_not_spread(seed: int, rows: int, sigma: float) -> None:
    values = with_holes(seed, rows)
    np.testing.assert_array_equal(np.isnan(smoothed(values, gaussian_kernel(sigma))), np.isnan(values))


@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 40))
def test_nothing_reaches_across_a_gap(before: int, gap: int, after: int) -> None:
    random = np.random.default_rng(before)
    values = random.normal(size=(before + gap + after, 1))
    values[before : before + gap] = np.nan
    other = values.copy()
    other[before + gap :] += 1000
    half = gaussian_kernel(2.0)
    np.testing.assert_array_equal(smoothed(values, half)[:before], smoothed(other, half)[:before])
    alone = smoothed(values[:before], half)
    np.testing.assert_array_equal(smoothed(values, half)[:before], alone)


@given(st.integers(0, 2**32 - 1))
def test_time_reversed_in_is_time_reversed_out(seed: int) -> None:
    values = with_holes(seed, 50)
    half = gaussian_kernel(2.0)
    np.testing.assert_allclose(smoothed(values[::-1], half), smoothed(values, half)[::-1], atol=1e-12)


def test_inside_a_segment_it_is_scipys_gaussian() -> None:
    values = np.random.default_rng(0).normal(size=(100, 3))
    expected = gaussian_filter1d(values, 2.0, axis=0)
    np.testing.assert_allclose(smoothed(values, gaussian_kernel(2.0))[8:-8], expected[8:-8], rtol=1e-10)


def test_mean_of_three_shrinks_at_the_ends() -> None:
    values = np.array([[0.0], [3.0], [9.0], [0.0]])
    assert smoothed(values, mean_kernel(3))[:, 0].tolist() == [1.5, 4.0, 4.0, 4.5]


@pytest.mark.parametrize("half", [mean_kernel(0), mean_kernel(1), gaussian_kernel(0)])
def test_zero_is_off(half: Rows) -> None:
    values = with_holes(1, 30)
    np.testing.assert_array_equal(smoothed(values, half), values)


def test_a_constant_stays_constant_and_a_ramp_stays_put_inside() -> None:
    ramp = np.arange(60.0)[:, None]
    np.testing.assert_allclose(smoothed(ramp * 0 + 7, gaussian_kernel(2.0)), 7, rtol=1e-14)
    np.testing.assert_allclose(smoothed(ramp, gaussian_kernel(2.0))[8:-8], ramp[8:-8], rtol=1e-12)


def test_memory_is_bounded_by_a_batch_and_its_halo() -> None:
    def stream() -> Iterator[dict[str, Rows]]:
        for _ in range(200):
            yield {"value": np.zeros((250, 1))}

    largest = max(len(around) for _, around in with_halo(stream(), "value", 9))
    assert largest == 250 + 2 * 9

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from portrait_prep.stages.streaming.moments import Moments

Values = NDArray[np.float64]


def in_parts(values: Values, cuts: list[int]) -> Moments:
    moments = Moments.none(values.shape[1:])
    for part in np.split(values, sorted(cuts)):
        moments = moments + Moments.of(part)
    return moments


@settings(max_examples=200, deadline=None)
@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-1e3, 1e3, width=32)),
    offset=st.sampled_from([0.0, 1.0, -1e6, 1e9]),
    cuts=st.lists(st.integers(0, 40), max_size=6),
)
def test_any_split_merges_to_the_moments_of_the_whole(values: Values, offset: float, cuts: list[int]) -> None:
    shifted = values + offset
    moments = in_parts(shifted, cuts)
    exact = shifted.astype(np.longdouble)
    tolerance = 1e-9 + 4e-16 * abs(offset) * len(values)
    assert moments.count == len(values)
    np.testing.assert_allclose(moments.average, exact.mean(axis=0).astype(float), rtol=1e-12, atol=tolerance)
    np.testing.assert_allclose(moments.deviation, exact.std(axis=0).astype(float), rtol=1e-9, atol=tolerance * 100)


def test_a_large_offset_does_not_cost_the_deviation_its_digits() -> None:
    # Sums of squares would leave nothing of a deviation of 1 at an offset of 1e9: 1e18 + 1 == 1e18 in float64.
    values = 1e9 + np.tile([[-1.0], [1.0]], (5000, 1))
    naive = np.sqrt(np.maximum((values**2).mean() - values.mean() ** 2, 0))
    assert abs(naive - 1) > 0.1
    moments = in_parts(values, [1, 17, 250, 9000])
    np.testing.assert_allclose(moments.deviation, 1.0, rtol=1e-9)
    np.testing.assert_allclose(moments.average, 1e9, rtol=1e-15)


@given(
    values=hnp.arrays(np.float64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.floats(-10, 10)),
    gaps=st.sets(st.integers(0, 29)),
    hole=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_a_row_with_a_hole_is_left_out_whole(values: Values, gaps: set[int], hole: float) -> None:
    holed = values.copy()
    for row in gaps & set(range(len(values))):
        holed[row, row % 2] = hole
    kept = np.delete(values, sorted(gaps & set(range(len(values)))), axis=0)
    left, whole = Moments.of(holed), Moments.of(kept)
    assert left.count == len(kept)
    np.testing.assert_array_equal(left.mean, whole.mean)
    np.testing.assert_array_equal(left.m2, whole.m2)


def test_no_values_have_no_mean_and_change_nothing() -> None:
    none = Moments.none((2, 3))
    assert none.count == 0
    assert np.isnan(none.average).all()
    assert np.isnan(none.deviation).all()
    some = Moments.of(np.random.default_rng(0).random((5, 2, 3)))
    for merged in (none + some, some + none):
        np.testing.assert_array_equal(merged.mean, some.mean)
        np.testing.assert_array_equal(merged.m2, some.m2)
    assert (none + none).count == 0


def test_deviation_is_that_of_the_population() -> None:
    np.testing.assert_array_equal(Moments.of(np.array([[1.0], [3.0]])).deviation, [1.0])
    np.testing.assert_array_equal(Moments.of(np.array([[7.0]])).deviation, [0.0])


def test_float32_values_are_taken_at_double_precision() -> None:
    values = np.full((100_000, 1), 0.1, np.float32)
    np.testing.assert_allclose(Moments.of(values).mean, np.float64(np.float32(0.1)), rtol=1e-15)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from portrait_prep.stages.streaming.percentiles import Percentiles


@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(-180, 180)), st.sampled_from([1, 50, 99, 100]))
def test_a_percentile_is_right_within_half_a_bin(values: np.ndarray, percent: float) -> None:
    whole, parts = Percentiles(-180, 180, 720), Percentiles(-180, 180, 720)
    whole.add(values)
    for part in np.array_split(values[::-1], 3):
        parts.add(part)
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert whole.at(percent) == parts.at(percent) == pytest.approx(expected, abs=0.2500001)


def test_what_lies_beyond_counts_at_the_rim_and_nan_does_not_count() -> None:
    percentiles = Percentiles(0, 1, 10)
    assert percentiles.at(50) is None
    percentiles.add(np.array([np.nan, -3.0, 7.0, 7.0]))
    assert percentiles.at(1) == pytest.approx(0.05)
    assert percentiles.at(99) == pytest.approx(0.95)

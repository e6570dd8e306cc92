"""Which pixels are sampled."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.stages.video.sampled import sampled, thinned


@given(st.integers(1, 5), st.integers(1, 5))
def test_of_eight_rows_and_columns_one_is_left_whichever_way_they_are_taken(rows: int, columns: int) -> None:
    picture = np.random.default_rng(rows).integers(0, 256, (8 * rows, 8 * columns, 3), np.uint8)
    assert np.array_equal(sampled(picture), picture[::4, ::4])
    assert np.array_equal(thinned(sampled(picture)), picture[4::8, 4::8])

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.stages.video import alive


@given(st.lists(st.sampled_from([0.9, 0.9954, 0.9955, 0.9956, 1.0]), min_size=2, max_size=9), st.booleans())
def test_a_still_is_told_by_the_median_of_all_pairs_however_few_are_compared(likeness: list[float], odd: bool) -> None:
    count = 2 * len(likeness) - odd  # of an odd number of samples one more half is compared
    box, sample = np.zeros(5, np.float32), alive.Sample(np.zeros((0, 5), np.float32), np.zeros((8, 8), np.uint8), 1.0)
    with patch.object(alive, "_likeness", side_effect=likeness):
        still = alive.is_still([sample] * count, range(count), [box] * count)
    assert still == (count >= alive.FEWEST and np.median(likeness) >= alive.ALIKE)

"""Outlines: one bit a pixel, from which classes come back as far as the search for shoulders tells them apart."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.stages.shoulders.outlines import SHAPE, labels_of, outlines_of

SIZE = 512


def maps(seed: int, count: int, cell: int) -> NDArray[np.uint8]:
    """Classes in random cells of so many pixels."""
    cells = np.random.default_rng(seed).integers(0, 19, (count, SIZE // cell, SIZE // cell), np.uint8)
    return cells.repeat(cell, axis=1).repeat(cell, axis=2)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 3), cell=st.sampled_from([1, 2, 16, 512]))
def test_background_and_clothes_come_back_and_all_else_is_neither(seed: int, count: int, cell: int) -> None:
    classes = maps(seed, count, cell)
    back = labels_of(outlines_of(classes))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back == 0, classes == 0)
    np.testing.assert_array_equal(back == 16, classes == 16)


@given(seed=st.integers(0, 2**32 - 1), y=st.integers(0, SIZE - 1), x=st.integers(0, SIZE - 1))
def test_a_pixel_is_the_bit_that_the_column_says(seed: int, y: int, x: int) -> None:
    classes = maps(seed, 1, 1)
    words = outlines_of(classes)
    assert words.shape == (1, *SHAPE)
    assert words.dtype == np.dtype("uint32")
    person, clothes = (int(words[0, plane, y, x // 32]) >> (x % 32) & 1 for plane in (0, 1))
    assert (person, clothes) == (classes[0, y, x] != 0, classes[0, y, x] == 16)

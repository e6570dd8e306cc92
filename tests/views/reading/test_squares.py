"""Squares are cut out of pictures and scaled, and may reach beyond them."""

import numpy as np

from portrait_prep.views.reading.squares import cut


def test_what_lies_beyond_the_picture_is_black() -> None:
    image = np.full((100, 100, 3), 200, np.uint8)
    image[:50] = 100
    small = cut(image, (-40, 10, 80), 40)
    assert (small[:, :20] == 0).all()
    assert (small[:20, 20:] == 100).all()
    assert (small[20:, 20:] == 200).all()
    large = cut(image, (40, 40, 20), 40)
    assert large.shape == (40, 40, 3)
    assert (large[:18] == 100).all()

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.views.moda.centre import Centre

Values = dict[str, NDArray[np.float64]]


def values(torso: float) -> Values:
    """By the names of the stats stage."""
    return {
        "canonical": np.full((478, 3), 7.0),
        "euler": np.array([1.0, 2.0, 3.0]),
        "translation": np.array([4.0, 5.0, 6.0]),
        "scale": np.array([1.5]),
        "billboard": np.full((18, 3), torso),
    }


@pytest.mark.parametrize(("deviation", "moves"), [(0.0, False), (0.5, False), (0.51, True)])
def test_shoulders_may_be_learnt_from_where_they_move_by_more_than_half_a_pixel(deviation: float, moves: bool) -> None:
    assert Centre.of(values(0.0), values(0.0), np.full((18, 3), deviation)).torso_mask is moves


def test_what_never_moves_is_not_divided_by_nothing() -> None:
    centre = Centre.of(values(9.0), values(0.0), np.zeros((18, 3)))
    assert centre.mean["headmotion"].tolist() == [1, 2, 3, 4, 5, 6, 1.5]
    assert (centre.mean["torso"] == 9).all()
    assert (centre.std["torso"] == np.float32(1e-6)).all()
    assert (centre.std["mesh"] == 7).all()

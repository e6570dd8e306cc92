"""Masks of parts, by the names that the classes have where BiSeNet's weights were published."""

from typing import get_args

import numpy as np
import pytest

from portrait_prep.views.reading.masks import PARTS, Part, mask_of

NAMES = (
    *("background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eye_g", "l_ear", "r_ear", "ear_r", "nose"),
    *("mouth", "u_lip", "l_lip", "neck", "neck_l", "cloth", "hair", "hat"),
)
"""`atts` of face-parsing.PyTorch, prepropess_data.py, after the background."""
EXPECTED = {
    "background": "background",
    "face": "skin l_brow r_brow l_eye r_eye eye_g nose mouth u_lip l_lip",
    "mouth": "mouth u_lip l_lip",
    "hair": "hair hat",
    "neck": "neck neck_l",
    "torso": "cloth",
}


@pytest.mark.parametrize("part", get_args(Part))
def test_a_mask_is_where_the_classes_of_a_part_are(part: Part) -> None:
    classes = np.random.default_rng(0).integers(0, 19, (3, 8, 8), np.uint8)
    mask = mask_of(classes, part)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, np.isin(np.array(NAMES)[classes], EXPECTED[part].split()))


def test_every_part_is_listed_and_others_are_refused() -> None:
    assert set(PARTS) == set(get_args(Part)) == set(EXPECTED)
    with pytest.raises(ValueError, match="the parts are background, face"):
        mask_of(np.zeros((1, 2, 2), np.uint8), "shoes")  # type: ignore[arg-type]

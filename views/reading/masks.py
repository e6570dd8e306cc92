"""Masks of parts of a person, from the classes that the stage `parsing` found."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

CLASSES = "parsing.classes"
"""The column, uint8 [frames, side, side]."""

Part = Literal["background", "face", "mouth", "hair", "neck", "torso"]
PARTS: Mapping[Part, tuple[int, ...]] = {
    "background": (0,),
    "face": (1, 2, 3, 4, 5, 6, 10, 11, 12, 13),  # skin, brows, eyes, glasses, nose, mouth, lips; no ears
    "mouth": (11, 12, 13),
    "hair": (17, 18),  # with a hat
    "neck": (14, 15),  # with a necklace
    "torso": (16,),
}
"""Part -> its classes, of CelebAMask-HQ in the order of https://github.com/zllrunning/face-parsing.PyTorch."""


def mask_of(classes: NDArray[np.uint8], part: Part) -> NDArray[np.bool_]:
    """Where `classes` [...] show a part: bool of the same shape. Raises ValueError for a part that is not listed."""
    if part not in PARTS:
        raise ValueError(f"there is no part {part}: the parts are {', '.join(get_args(Part))}")
    wanted = np.zeros(256, np.bool_)
    wanted[list(PARTS[part])] = True
    return wanted[classes]

"""Where a person and the clothes are in maps of classes, one bit a pixel: all that the search for shoulders needs.

BiSeNet's map of a frame has 256 kB; these have 64 kB, of which 0.5 kB are left in a shard.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE
from portrait_prep.stages.shoulders.parsing import BACKGROUND, CLOTH, Labels

Words = NDArray[np.uint32]

SHAPE = (2, SIZE, SIZE // 32)
"""Person and clothes; rows; words of 32 pixels, of which the lowest bit is the leftmost one."""
PERSON = 1
"""Stands for every class that is neither background nor clothes."""


def outlines_of(labels: Labels) -> Words:
    """Of classes [n, 512, 512] the person, all that is not background, and the clothes: uint32 [n, 2, 512, 16]."""
    bits = np.stack([labels != BACKGROUND, labels == CLOTH], axis=1)
    return np.packbits(bits, axis=-1, bitorder="little").view("<u4").astype(np.uint32, copy=False)


def labels_of(outlines: Words) -> Labels:
    """The same as classes, uint8 [n, 512, 512]: background, clothes, and `PERSON` for all others."""
    octets: NDArray[Any] = np.ascontiguousarray(outlines, "<u4").view(np.uint8)
    person, clothes = np.unpackbits(octets, axis=-1, bitorder="little").swapaxes(0, 1)
    return np.asarray(person * np.uint8(PERSON) + clothes * np.uint8(CLOTH - PERSON))

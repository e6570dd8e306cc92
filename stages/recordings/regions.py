"""The region of a picture in which one person is seen and no other: what a segment shows normalize."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.box import Box

Floats = NDArray[np.float64]


def region(own: Floats, others: Sequence[Floats], picture: tuple[int, int], room: float) -> Box | None:
    """The region around a face with `room`, in its heights, on each side, within a picture of (width, height).

    `own` [n, 4] are its boxes (x, y, width, height in display px), `others` [m, 4] those of each other face meanwhile.
    Between two faces it ends halfway. It is never square: a square crop would be taken as it is, and not framed. None
    where another face comes before the place of this one, or the region has no room for the face.
    """
    face = _swept(own)
    space = room * float(np.median(own[:, 3]))
    found = np.array([*np.maximum(face[:2] - space, 0), *np.minimum(face[2:] + space, picture)])
    for other in others:
        if not _limit(found, face, _swept(other)):
            return None
    left, top, right, bottom = (int(edge) for edge in (*np.ceil(found[:2]), *np.floor(found[2:])))
    width, height = right - left, bottom - top
    if width == height:
        height -= 2
    return Box(left, top, width, height) if min(width, height) > 0 else None


def _swept(boxes: Floats) -> Floats:
    """Left, top, right and bottom of all that boxes [n, 4] cover."""
    return np.array([*boxes[:, :2].min(axis=0), *(boxes[:, :2] + boxes[:, 2:]).max(axis=0)])


def _limit(found: Floats, face: Floats, other: Floats) -> bool:
    """Move the nearest edge of a region so that it leaves another face out; False where that cannot be done."""
    gaps = np.array([*(face[:2] - other[2:]), *(other[:2] - face[2:])])
    side = int(gaps.argmax())
    if gaps[side] < 0:
        return False
    edge = (face[side] + other[(side + 2) % 4]) / 2
    found[side] = max(found[side], edge) if side < 2 else min(found[side], edge)
    return True

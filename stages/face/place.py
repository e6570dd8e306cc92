"""Where a face is, and whether another is near enough, and of a size, to be the same a little later."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROWTH = 1.5
"""How much larger or smaller it may be."""


@dataclass(frozen=True)
class Place:
    """Where a face is: centre in px, and size (root of its area) in px."""

    x: float
    y: float
    size: float

    def distance(self, other: "Place") -> float:
        """Between the centres, in sizes of this face."""
        return float(np.hypot(self.x - other.x, self.y - other.y)) / self.size

    def growth(self, other: "Place") -> float:
        """Ratio of the sizes, the larger over the smaller."""
        return max(self.size / other.size, other.size / self.size)

    def fits(self, other: "Place", reach: float) -> bool:
        """Whether the other is near enough, and of a size, to be the same face a little later."""
        return self.distance(other) <= reach and self.growth(other) <= GROWTH


def place_of(landmarks: NDArray[np.float32]) -> Place:
    """The place of a face from its landmarks [478, 3]."""
    x, y = np.ascontiguousarray(landmarks[:, :2].T)  # each axis in one piece: a fourth of the time
    (left, right), (top, bottom) = (x.min(), x.max()), (y.min(), y.max())
    size = np.sqrt((right - left) * (bottom - top))
    return Place(float((left + right) / 2), float((top + bottom) / 2), float(size))


def place_of_box(box: NDArray[np.float32]) -> Place:
    """The place of a face from the box [4 or 5] of a detector: x, y, width, height."""
    x, y, width, height = (float(value) for value in box[:4])
    return Place(x + width / 2, y + height / 2, float(np.sqrt(width * height)))

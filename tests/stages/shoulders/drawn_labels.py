"""Label maps of drawn people: the classes of CelebAMask-HQ, with shoulder lines that are known."""

import numpy as np
from numpy.typing import NDArray

from tests.stages.shoulders.drawn_person import LEFT, RIGHT, Points, ellipse, polygon, torso

SKIN, NECK, CLOTH, HAIR = 1, 14, 16, 17

Labels = NDArray[np.uint8]
Mask = NDArray[np.float32]


def painted(*layers: tuple[int, Mask]) -> Labels:
    """Label map uint8 [256, 256]: each layer, a class and what it covers, over those before it."""
    labels = np.zeros(layers[0][1].shape, np.uint8)
    for number, mask in layers:
        labels[mask > 0.5] = number
    return labels


def cloth(left: Points = LEFT, right: Points = RIGHT) -> tuple[int, Mask]:
    """Clothes under two shoulder lines, each given from the neck outward."""
    return CLOTH, torso(left, right)


def head(x: float = 128.0, y: float = 90.0, unit: float = 60.0) -> tuple[tuple[int, Mask], ...]:
    """Short hair, then neck and face before it, for a face at the same place; the neck reaches down into the collar."""
    wide = 0.4 * unit
    neck = polygon((x - wide, y), (x + wide, y), (x + wide, y + 1.4 * unit), (x - wide, y + 1.4 * unit))
    return (
        (HAIR, ellipse(x, y - 0.15 * unit, 0.85 * unit, 1.05 * unit)),
        (NECK, neck),
        (SKIN, ellipse(x, y + 0.1 * unit, 0.7 * unit, 0.95 * unit)),
    )


def person(left: Points = LEFT, right: Points = RIGHT) -> Labels:
    """Someone who faces the camera, with short hair."""
    return painted(cloth(left, right), *head())

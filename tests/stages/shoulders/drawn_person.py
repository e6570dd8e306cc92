"""A person drawn with a few shapes, and landmarks to go with it: shoulder lines that are known."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256
FINE = 16
"""Sub-pixels of a pixel: masks are drawn fine and averaged, so that their edges are where they are meant to be."""

Points = list[tuple[float, float]]


def polygon(*points: tuple[float, float]) -> NDArray[np.float32]:
    """Coverage of each pixel by a polygon, float32 [256, 256]; whole numbers are centres of pixels."""
    fine = np.zeros((SIZE * FINE, SIZE * FINE), np.uint8)
    corners = ((np.array(points) + 0.5) * FINE - 0.5).round().astype(np.int32)
    cv2.fillPoly(fine, [corners], (255,))
    return _coarse(fine)


def ellipse(x: float, y: float, a: float, b: float, degrees: float = 0.0) -> NDArray[np.float32]:
    """Coverage of each pixel by an ellipse with half axes a and b."""
    fine = np.zeros((SIZE * FINE, SIZE * FINE), np.uint8)
    centre = (round((x + 0.5) * FINE), round((y + 0.5) * FINE))
    cv2.ellipse(fine, centre, (round(a * FINE), round(b * FINE)), degrees, 0, 360, (255,), -1)
    return _coarse(fine)


def union(*parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """What any of the parts covers."""
    return np.asarray(np.max(parts, axis=0))


def _coarse(fine: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(fine, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def face(x: float = 128.0, y: float = 90.0, unit: float = 60.0, roll: float = 0.0) -> NDArray[np.float32]:
    """Landmarks [478, 3] of a frontal face centred at (x, y); only the points that the search reads are in place."""
    places = np.zeros((478, 2))
    places[[33, 263]] = [(-0.5, -0.25), (0.5, -0.25)]
    places[[234, 454]] = [(-0.72, -0.1), (0.72, -0.1)]
    places[[50, 280, 168]] = [(-0.45, 0.15), (0.45, 0.15), (0.0, -0.3)]
    angle = np.deg2rad(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[:, :2] = places @ turn.T * unit + (x, y)
    return landmarks


def head(x: float = 128.0, y: float = 90.0, unit: float = 60.0, roll: float = 0.0) -> NDArray[np.float32]:
    """The mask of the head: skull and hair to the chin, for a face at the same place."""
    return ellipse(x, y - 0.1 * unit, 0.8 * unit, 1.1 * unit, roll)


def torso(left: Points, right: Points) -> NDArray[np.float32]:
    """Neck and chest under two shoulder lines, each given from the neck outward; down to the lower edge and beyond."""
    outline = [
        *left[::-1],
        (left[0][0], 60.0),
        (right[0][0], 60.0),
        *right,
        (right[-1][0], 400.0),
        (left[-1][0], 400.0),
    ]
    return polygon(*outline)


LEFT: Points = [(100.0, 165.0), (40.0, 190.0), (20.0, 206.0)]
RIGHT: Points = [(156.0, 165.0), (216.0, 190.0), (236.0, 206.0)]
"""Shoulders that fall by 23 and then 39 degrees and turn down into arms within the frame."""


def person() -> NDArray[np.float32]:
    """The mask of a person facing the camera."""
    return union(head(), torso(LEFT, RIGHT))


def height_at(line: Points, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The height of a drawn shoulder line at x."""
    ordered = sorted(line)
    return np.asarray(np.interp(x, [p[0] for p in ordered], [p[1] for p in ordered]))

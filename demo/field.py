"""The turning head: a smooth displacement field of a picture, from the depth and the weight of each of its parts.

The weight is 1 on the head and falls smoothly to 0 around it, and the picture is pulled through the inverse of the
displacement, so that nothing tears and no hole opens.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator

from portrait_prep.demo.motion import Pose, smoothstep
from portrait_prep.stages.face.geometry import rotation_from_euler

Array = NDArray[np.float32]

CHEEKS = (234, 454)
CHIN = 152

# The head of the portrait with its hair, an ellipse, in face widths: how far its centre lies above the middle of the
# face, its radii, the depth of its outline and of the point in the skull that it turns about (behind the ears).
HEAD_ABOVE, HEAD_RADII = 0.12, (0.84, 0.95)
OUTLINE_DEPTH, PIVOT_DEPTH, PIVOT_BELOW = -0.55, -0.5, 0.3
FALL_OFF = 1.75
"""Where the displacement has died away, in radii of the head."""
SWAY = 0.25
"""What part of the head's shift the shoulders follow."""
STEP = 4
"""Pixels of the picture to one node of the displacement field: it is smooth enough."""
ITERATIONS = 6


def face_width(points: Array) -> float:
    """Distance between the cheeks, in pixels: the animator's unit of length."""
    return float(np.linalg.norm(points[CHEEKS[1], :2] - points[CHEEKS[0], :2]))


@dataclass(frozen=True)
class _Ellipse:
    x: float
    y: float
    radii: tuple[float, float]

    def radius(self, x: Array, y: Array) -> Array:
        """Distance from the centre, 1 on the outline."""
        return np.asarray(np.hypot((x - self.x) / self.radii[0], (y - self.y) / self.radii[1]))

    def outline(self, radius: float, count: int = 48) -> Array:
        """Points around it, [count, 2]."""
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        around = np.stack([np.cos(angle), np.sin(angle)], axis=1) * self.radii * radius
        return np.asarray(around + np.array([self.x, self.y]), np.float32)


class HeadField:
    """Depth and weight of every part of the picture, and from them the displacement for a pose and its inverse."""

    def __init__(self, shape: tuple[int, int], points: Array, face: float) -> None:
        self._face = face
        self._rows, self._columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        middle = points[list(CHEEKS), :2].mean(axis=0)
        head = _Ellipse(middle[0], middle[1] - HEAD_ABOVE * face, (HEAD_RADII[0] * face, HEAD_RADII[1] * face))
        self._pivot = np.array([middle[0], middle[1] + PIVOT_BELOW * face, PIVOT_DEPTH * face])
        y, x = np.meshgrid(*(np.arange(0, size + STEP, STEP, dtype=np.float32) for size in shape), indexing="ij")
        self._x, self._y = x, y
        weight = 1 - smoothstep((head.radius(x, y) - 1) / (FALL_OFF - 1))
        below = smoothstep((y - points[CHIN, 1]) / face)
        depth = _depth(x, y, points, head, face) - np.float32(self._pivot[2])
        self._fields = cv2.merge([f.astype(np.float32) for f in (depth, weight, below)])

    def inverse(self, pose: Pose) -> tuple[Array, Array]:
        """For every pixel of the picture of this pose, its x and y in the still: two of float32 [height, width]."""
        # the rotation takes the turned head back to the portrait; its transpose turns the portrait
        seen = rotation_from_euler(np.array([pose.yaw, pose.pitch, pose.roll])).T
        x, y = self._x, self._y
        for _ in range(ITERATIONS):
            dx, dy = self._displacement(x, y, pose, seen[:2])
            x, y = self._x - dx, self._y - dy
        return self._columns + self._finer(x - self._x), self._rows + self._finer(y - self._y)

    def _finer(self, nodes: Array) -> Array:
        """The field at every pixel. A node stands on the first pixel of its cell; cv2.resize puts it in the middle."""
        height, width = self._columns.shape
        fine = cv2.resize(nodes, None, fx=STEP, fy=STEP)
        return cast("Array", fine[STEP // 2 :, STEP // 2 :][:height, :width])

    def _displacement(self, x: Array, y: Array, pose: Pose, seen: NDArray[np.float64]) -> tuple[Array, Array]:
        """How far the points (x, y) of the still move, by fixed-point iteration the inverse's own argument."""
        depth, weight, below = cv2.split(
            cv2.remap(self._fields, x / STEP, y / STEP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
        across, down = x - self._pivot[0], y - self._pivot[1]
        moved = []
        for row, rest, shift in zip(seen, (across, down), (pose.shift_x, pose.shift_y), strict=True):
            pixels = shift * self._face
            turned = pose.scale * (row[0] * across + row[1] * down + row[2] * depth) + pixels
            sway = SWAY * pixels * below
            moved.append((sway + weight * (turned - rest - sway)).astype(np.float32))
        return moved[0], moved[1]


def _depth(x: Array, y: Array, points: Array, head: _Ellipse, face: float) -> Array:
    """Depth toward the camera in pixels: the mesh's own on the face, falling off over the hair to the outline."""
    mesh = points[:468] * np.array([1, 1, -1], np.float32)
    rings = [np.insert(head.outline(radius), 2, OUTLINE_DEPTH * face, axis=1) for radius in (1.1, 1.4, 2.5)]
    known = np.concatenate([mesh, *rings])
    surface = LinearNDInterpolator(known[:, :2], known[:, 2], fill_value=OUTLINE_DEPTH * face)(x, y)
    return cast("Array", cv2.GaussianBlur(surface.astype(np.float32), (0, 0), 0.05 * face / STEP))

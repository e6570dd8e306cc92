"""What DH_live's renderer sees of a face beside its picture: lines through its points, a blank jaw, and a hint of lips.

Source: https://github.com/kleinlee/DH_live, talkingface/utils.py (`crop_face`, `draw_face_feature_maps`) and
talkingface/data/few_shot_dataset.py (`generate_input`). Colours are BGR.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.views.dh_live.points import BRIDGE, JAW, NOSE_EDGE, PLACES, UNDER_NOSE
from portrait_prep.views.reading.squares import cut

Floats = NDArray[np.floating[Any]]

SIDE = 256
"""Side in px of what the renderer sees."""
ROOM = 0.6
"""Half of the side of a crop, in sizes of the lower face."""
JITTER = 2
"""Most px by which a crop is shifted in training."""

BLUE, GREEN, RED, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
THICKNESS = 2
LINES = {
    "nose_edge": (GREEN, False),
    "nose_mid": (GREEN, False),
    "left_eye": (GREEN, True),
    "right_eye": (GREEN, True),
    "lips_outer": (BLUE, True),
    "lips_inner": (BLUE, True),
    "muscle": (WHITE, False),
    "oval": (RED, False),
}
"""Part -> its colour, and whether its last point is joined to its first; in the order in which they are drawn."""
UNMOVED = ("nose_edge", "nose_mid", "left_eye", "right_eye")
"""The lines that speech does not move: all that is shown of the frame to be made."""

BLUR = 10
GRAIN = (100, 50)
"""Width and height in px to which the hint of lips is reduced: it has no more detail."""
NOISE = 8.0
CONTRAST = (40, 70)
"""Least and most by which black and white lie from the mean of the hint."""


@dataclass(frozen=True)
class FaceSquare:
    """A square of an image, in px; it may reach beyond it."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, points: Floats, shift: tuple[int, int] = (0, 0)) -> "FaceSquare":
        """Of the lower face, from the bridge of the nose down; `points` [141, 2 or 3] image px."""
        (left, right), (top, bottom) = _ends(points[JAW, 0]), (points[BRIDGE, 1], points[JAW, 1].max())
        half = max(ROOM * max(right - left, bottom - top), 1.0)
        x, y = int((left + right) / 2) + shift[0], int((top + bottom) / 2) + shift[1]
        return cls(int(x - half), int(y - half), int(2 * half))

    def of(self, image: Image) -> Image:
        """An RGB image's part, BGR uint8 [256, 256, 3]; black beyond the image."""
        return np.ascontiguousarray(cut(image, (self.left, self.top, self.side), SIDE)[:, :, ::-1])

    def points(self, points: Floats) -> NDArray[np.float64]:
        """Image points [n, 2 or 3] in px of the part; z on the same scale."""
        corner = np.array([self.left, self.top, 0])[: points.shape[-1]]
        return np.asarray((points - corner) * self.scale)

    @property
    def scale(self) -> float:
        """Px of the part in one of the image."""
        return SIDE / self.side


def lines(points: Floats, parts: Iterable[str] = tuple(LINES), on: Image | None = None) -> Image:
    """Lines through points [141, 2 or 3] in px of the crop, BGR uint8 [256, 256, 3], on black or onto `on`."""
    drawn = np.zeros((SIDE, SIDE, 3), np.uint8) if on is None else on
    whole = points[:, :2].astype(np.int32)
    for part in parts:
        colour, closed = LINES[part]
        cv2.polylines(drawn, [whole[PLACES[part]]], closed, colour, THICKNESS)
    return drawn


def without_jaw(picture: Image, points: Floats, lowest: Floats) -> Image:
    """A copy whose lower face is black: between the nose's edge and the outline.

    `points` [141, 2 or 3] and `lowest` [17] in px of the crop: the y of the outline's points where it is lowest, so
    that its shape does not tell how far the mouth is open.
    """
    outline = points[np.concatenate([JAW, NOSE_EDGE[::-1]]), :2].copy()
    outline[: len(JAW), 1] = lowest
    blank = picture.copy()
    cv2.fillPoly(blank, [outline.astype(np.int32)], (0, 0, 0))
    return blank


def hint_of_lips(picture: Image, points: Floats, mouth: Floats, rng: np.random.Generator | None) -> Image:
    """A blurred grey picture of the mouth, of more contrast, on black: BGR uint8 [256, 256, 3].

    `mouth` [2]: width and height in px of the crop of the video's largest mouth, under the nose. Contrast is drawn by
    lot and noise is added; without `rng`, neither.
    """
    (x, y), (width, height) = points[UNDER_NOSE, :2], mouth
    columns = slice(max(int(x - width / 2), 0), max(int(x + width / 2), 0))
    rows = slice(max(int(y + height / 4), 0), max(int(y + height / 4 + height), 0))
    hint = np.zeros_like(picture)
    blurred = cv2.blur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (BLUR, BLUR))
    if not blurred[rows, columns].size:
        return hint
    mean = int(blurred[rows, columns].mean())
    ends = rng.integers(CONTRAST[0], CONTRAST[1] + 1, 2) if rng else np.full(2, sum(CONTRAST) / 2)
    stretched = (blurred.astype(np.float32) - (mean - ends[0])) / np.float32(ends.sum()) * 255
    grain = cv2.resize(stretched.clip(0, 255).astype(np.uint8), GRAIN).astype(np.float64)
    if rng:
        grain += NOISE * rng.standard_normal(grain.shape)
    grey = cv2.resize(grain.clip(0, 255).astype(np.uint8), (SIDE, SIDE))
    hint[rows, columns] = grey[rows, columns, np.newaxis]
    return hint


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())

"""The moving parts of a still face: lower lip and eyelids, layers that slide off or over what lies behind them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.demo.motion import smoothstep
from portrait_prep.media.picture import Image

Array = NDArray[np.float32]

LIPS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIPS_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIDS_UPPER = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
LIDS_LOWER = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
CHIN = 152

CAVITY = np.array([38, 14, 16], np.float32)
"""RGB of the open mouth."""


class Slide:
    """A layer of the face (lower lip and jaw, or an eyelid) that slides up or down along one edge.

    `rims` are the two edges of a gap ([k, 2], image); the layer begins at the first and lies below it (`down` = 1) or
    above it (-1). Movement fades over `reach` pixels; `spread` > 0 takes the parts within that many pixels aside of the
    middle along (the jaw is wider than the lips), 0 only what lies over the gap. `gap` is the still's own, in pixels.
    """

    def __init__(self, still: Image, rims: tuple[Array, Array], down: int, reach: float, spread: float) -> None:
        edge, facing = rims
        x_min, x_max, middle = edge[:, 0].min(), edge[:, 0].max(), edge[:, 0].mean()
        margin = 2.2 * spread + 2
        self._box = _box(still, x_min - margin, edge[:, 1].mean() - 1.2 * reach, x_max + margin, reach * 2.4)
        self._source = still[self._box].copy()
        rows, columns = np.mgrid[self._box].astype(np.float32)
        self._columns = columns - self._box[1].start
        seam = _rim(columns, edge)
        gap = np.maximum(down * (seam - _rim(columns, facing)), 0) * ((columns > x_min) & (columns < x_max))
        half = (x_max - x_min) / 2
        self._over_gap = np.maximum(1 - ((columns - middle) / half) ** 2, 0)
        self._aside = np.exp(-(((columns - middle) / spread) ** 2)) if spread else 0 * columns
        self._gap, self._seam, self._down = gap, seam - self._box[0].start, down
        self._inside = down * (rows - seam)
        self._deep = smoothstep(self._inside / (0.35 * reach))
        self._fade = 1 - smoothstep((self._inside - 0.35 * reach) / (0.65 * reach))
        self.gap = float(gap.max())

    def draw(self, picture: Image, gap: float) -> None:
        """Draw the layer into `picture`, which is changed, so that the gap is `gap` pixels wide in its middle."""
        at_seam = gap * self._over_gap - self._gap
        shift = at_seam * (1 - self._deep) + (gap - self.gap) * self._aside * self._deep
        rows = self._seam + self._down * (self._inside - shift * self._fade)
        moved = cv2.remap(self._source, self._columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        covered = np.clip(self._inside - at_seam + 0.5, 0, 1)[..., None]
        cavity = (np.clip(self._inside + 0.5, 0, 1) * np.clip(at_seam, 0, 1))[..., None]
        behind = self._source + cavity * (CAVITY - self._source)
        picture[self._box] = np.rint(behind + covered * (moved - behind)).astype(np.uint8)


def lower_lip(still: Image, points: Array, face: float) -> Slide:
    """The lower lip with the chin, under the gap between the lips; `face` is the face's width in pixels."""
    lower, upper = points[list(LIPS_LOWER), :2], points[list(LIPS_UPPER), :2]
    reach = 1.6 * float(points[CHIN, 1] - lower[:, 1].mean())
    return Slide(still, (lower, upper), down=1, reach=reach, spread=0.36 * face)


def eyelids(still: Image, points: Array, face: float) -> list[Slide]:
    """The upper lids, over the eyes."""
    return [
        Slide(still, (points[list(upper), :2], points[list(lower), :2]), down=-1, reach=0.16 * face, spread=0.0)
        for upper, lower in zip(LIDS_UPPER, LIDS_LOWER, strict=True)
    ]


def _box(still: Image, left: float, top: float, right: float, height: float) -> tuple[slice, slice]:
    """The part of the picture that lies within."""
    rows = slice(max(int(top), 0), min(int(top + height) + 1, still.shape[0]))
    return rows, slice(max(int(left), 0), min(int(right) + 1, still.shape[1]))


def _rim(columns: Array, points: Array) -> Array:
    """Height of a polyline at each column."""
    order = np.argsort(points[:, 0])
    return np.asarray(np.interp(columns, points[order, 0], points[order, 1]), np.float32)

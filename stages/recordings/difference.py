"""By how much two small pictures differ, whatever the light: place by place, and where things may have moved.

Pictures are luma, float32 [36, 64]: small enough to be compared hundreds of times a second, and every place is a mean
over so many pixels that neither noise nor compression matters.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image

Luma = NDArray[np.float32]

WIDTH, HEIGHT = 64, 36
"""Of the pictures, whatever the shape of the video."""

UPPER = 24
"""Rows in which pictures are compared place by place. Captions come and go in the lower third; heads are above."""

TONES = 16
"""Steps of brightness for which it is asked what became of them."""

MOST = 32.0
"""Grey levels above which a place has changed, and it does not matter by how much."""

BLOCK = 8
"""Side of the blocks that are looked for."""

REACH = 4, 6
"""Rows and columns by which a block may have moved: a tenth of the picture."""

NOISE = 4.0
"""Grey levels, standard deviation, that are noise in a block."""

ALIKE = 0.1
"""Share of the variance that may be unexplained by motion alone, for the light not to be looked at."""


def luma_of(picture: Image) -> Luma:
    """Of RGB uint8 [36, 64, 3]."""
    return cv2.transform(picture, np.full((1, 3), 1 / 3, np.float32)).astype(np.float32, copy=False)


def change(before: Luma, after: Luma) -> float:
    """Mean change of the places, in grey levels, beyond what a change of the light does to their tones."""
    x, y = before[:UPPER].ravel(), after[:UPPER].ravel()
    tones = (x * (TONES / 256)).astype(np.intp)
    count = np.bincount(tones, minlength=TONES)
    seen = count > 0
    were, became = (np.bincount(tones, values, TONES)[seen] / count[seen] for values in (x, y))
    return float(np.minimum(np.abs(y - np.interp(x, were, became)), MOST).mean())


def unlike_in_light(one: Luma, other: Luma) -> float:
    """How much of one picture another light does not make of the other: 0 to 1. Of nothing but black, all."""
    shares = [1.0]
    for before, after in ((one, other), (other, one)):
        upper = after[:UPPER]
        contrast = float(np.abs(upper - upper.mean()).mean())
        if contrast > NOISE:
            shares.append(change(before, after) / contrast)
    return min(shares)


def unexplained(one: Luma, other: Luma) -> float:
    """Share of the variance in blocks of either picture that no place near by in the other explains: 0 to 1.

    Motion, of the camera or in the picture, explains nearly all; another picture explains a fraction.
    """
    return max(_share(one, other), _share(other, one))


def _share(source: Luma, target: Luma) -> float:
    share = _unmatched(source, target)
    return share if share < ALIKE else min(share, _unmatched(_in_tones_of(target, source), target))


def _unmatched(source: Luma, target: Luma) -> float:
    down, aside = REACH
    wide = cv2.copyMakeBorder(source, down, down, aside, aside, cv2.BORDER_REPLICATE)
    blocks = _blocks(target)
    noise = BLOCK**2 * NOISE**2
    variances = BLOCK**2 * blocks.var(axis=(2, 3)) + noise
    left = np.minimum(((blocks - _blocks(source)) ** 2).sum(axis=(2, 3)), variances)
    for row, column in zip(*np.nonzero(left > noise), strict=True):
        top, side = BLOCK * row, BLOCK * column
        near = wide[top : top + BLOCK + 2 * down, side : side + BLOCK + 2 * aside]
        found = cv2.minMaxLoc(cv2.matchTemplate(near, blocks[row, column], cv2.TM_SQDIFF))[0]
        left[row, column] = min(left[row, column], found)
    return float(left.sum() / variances.sum())


def _blocks(picture: Luma) -> Luma:
    """[4, 8, BLOCK, BLOCK], of all but the last rows."""
    whole = picture[: HEIGHT // BLOCK * BLOCK].reshape(-1, BLOCK, WIDTH // BLOCK, BLOCK)
    return np.ascontiguousarray(whole.swapaxes(1, 2))


def _in_tones_of(model: Luma, picture: Luma) -> Luma:
    """A picture with the distribution of brightness that another one has."""
    quantiles = np.linspace(0, model.size - 1, TONES + 1).astype(np.intp)
    own, wanted = (np.sort(values, axis=None)[quantiles] for values in (picture, model))
    return np.interp(picture, own, wanted).astype(np.float32)

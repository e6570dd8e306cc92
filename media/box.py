"""Crops that a release annotates: boxes drawn in a picture of one height, fitted to the picture that is there."""

from dataclasses import dataclass

ROUNDING = 2
"""Pixels by which a scaled crop may reach beyond the picture before it counts as one that does not fit."""


@dataclass(frozen=True)
class Crop:
    """A box in pixels, x to the right and y down."""

    x: int
    y: int
    w: int
    h: int


def fitted(crop: Crop, height: int, picture: tuple[int, int]) -> Crop | None:
    """A crop drawn in a picture `height` high, in pixels of one of (width, height): scaled as the heights are.

    A square one stays square. None where it cannot be right: it is too tall for the height that it was drawn at, that
    is not known (0), or the picture is narrower than it must be.
    """
    if min(crop.w, crop.h) < 1 or crop.y + crop.h > height:
        return None
    scale = picture[1] / height
    x, y, w, h = (round(value * scale) for value in (crop.x, crop.y, crop.w, crop.h))
    if x + w > picture[0] + ROUNDING or y + h > picture[1] + ROUNDING or min(w, h) < 1:
        return None
    side = min(picture)
    w, h = (min(w, side), min(h, side)) if w == h else (min(w, picture[0]), min(h, picture[1]))
    return Crop(max(min(x, picture[0] - w), 0), max(min(y, picture[1] - h), 0), w, h)

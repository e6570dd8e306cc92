"""A rectangle of a picture, in whole pixels."""

from __future__ import annotations

from dataclasses import dataclass

ROUNDING = 2
"""Pixels by which a scaled box may reach beyond the picture before it counts as one that does not fit."""


@dataclass(frozen=True)
class Box:
    """A rectangle, x to the right and y down; x and y may be negative, and it may reach beyond the picture."""

    x: int
    y: int
    w: int
    h: int

    def within(self, other: Box) -> Box:
        """The part of this box inside another; of no size when they do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.x + self.w, other.x + other.w), min(self.y + self.h, other.y + other.h)
        return Box(x, y, max(right - x, 0), max(bottom - y, 0))

    def fitted(self, height: int, picture: tuple[int, int]) -> Box | None:
        """Drawn in a picture `height` high, this box in pixels of one of (width, height): scaled as the heights are.

        A square one stays square. None where it cannot be right: it is too tall for the height that it was drawn at,
        that is not known (0), or the picture is narrower than it must be.
        """
        if min(self.w, self.h) < 1 or self.y + self.h > height:
            return None
        scale = picture[1] / height
        x, y, w, h = (round(value * scale) for value in (self.x, self.y, self.w, self.h))
        if x + w > picture[0] + ROUNDING or y + h > picture[1] + ROUNDING or min(w, h) < 1:
            return None
        side = min(picture)
        w, h = (min(w, side), min(h, side)) if w == h else (min(w, picture[0]), min(h, picture[1]))
        return Box(max(min(x, picture[0] - w), 0), max(min(y, picture[1] - h), 0), w, h)

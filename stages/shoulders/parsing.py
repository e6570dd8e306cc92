"""The shoulder line of each side in one frame, from a map that names what each pixel shows.

The line is the boundary between clothes and background, found on the person's outline as `stages.shoulders.line` finds
it, and only where that outline is clothes: hair and neck are left out by name. Where hair hangs across a shoulder, the
pieces to either side of it are one line, straight beneath the hair.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.shoulders.line import (
    POINTS,
    STEEPEST_FALL,
    STEEPEST_RISE,
    Face,
    Stretch,
    beneath,
    find_stretches,
    person_of,
)

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.uint8]

BACKGROUND, CLOTH = 0, 16
"""Classes of CelebAMask-HQ in the order of https://github.com/zllrunning/face-parsing.PyTorch. Of the others, 14 is the
neck, 17 hair, 18 a hat; the rest are parts of the face and what is worn there."""

PIECE = 0.2
"""Least width of a piece of a line, in distances of the outer eye corners."""
SLACK = 2
"""Pixels of error in the height of a piece's end, where two outlines meet."""


def shoulder_lines(labels: Labels, landmarks: Floats, min_width: float, points: int = POINTS) -> NDArray[np.float64]:
    """The shoulder line of each side in one frame.

    `labels` [height, width] are classes 0..18; `landmarks` [478, 3], `min_width` and the result are in its pixels
    (whole numbers are centres of pixels). Returns float64 [2, points, 2]: side 0 = image-left, x ascending and evenly
    spaced; side 0 ends left of the neck and side 1 begins right of it. A side without a line at least `min_width` wide
    is NaN.
    """
    lines = np.full((2, points, 2), np.nan)
    top, face = beneath(Face.of(landmarks), len(labels))
    below = labels[top:]
    person = person_of(below != BACKGROUND, face)
    pieces = find_stretches(person, person & (below == CLOTH), face, PIECE * face.unit)
    for side, line in enumerate(lines):
        found = _joined(pieces[side], below, outward=2 * side - 1)
        if found and found.width >= min_width:
            line[:, 0] = np.linspace(found.x[0], found.x[-1], points)
            line[:, 1] = top - 0.5 + np.interp(line[:, 0], found.x, found.y)
    return lines


def _joined(pieces: Sequence[Stretch], labels: Labels, outward: int) -> Stretch | None:
    """The piece with most of the person beneath it, and those that go on from it behind what hides the shoulder."""
    if not pieces:
        return None
    line, *others = sorted(pieces, key=Stretch.area, reverse=True)
    for piece in sorted(others, key=lambda other: _Gap.between(line, other).width):
        gap = _Gap.between(line, piece)
        if gap.width >= 0 and gap.is_gentle(outward) and gap.is_hidden(labels):
            first, last = (line, piece) if line.x[0] < piece.x[0] else (piece, line)
            columns, heights, depths = zip((first.x, first.y, first.depth), (last.x, last.y, last.depth), strict=True)
            line = Stretch(np.concatenate(columns), np.concatenate(heights), np.concatenate(depths))
    return line


@dataclass(frozen=True)
class _Gap:
    """What lies between two pieces of a line: the last point of the left one, the first of the right one."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def between(cls, one: Stretch, other: Stretch) -> "_Gap":
        left, right = (one, other) if one.x[0] < other.x[0] else (other, one)
        return cls(int(left.x[-1]), int(left.y[-1]), int(right.x[0]), int(right.y[0]))

    @property
    def width(self) -> int:
        """Columns between the pieces; negative where they overlap."""
        return self.x1 - self.x0 - 1

    def is_gentle(self, outward: int) -> bool:
        """Whether a straight line across falls, walking outward, as a shoulder may."""
        fall = (self.y1 - self.y0) * outward
        run = self.x1 - self.x0
        return -STEEPEST_RISE * run - SLACK <= fall <= STEEPEST_FALL * run + SLACK

    def is_hidden(self, labels: Labels) -> bool:
        """Whether most of a straight line across lies behind something that is neither background nor clothes."""
        columns = np.arange(self.x0 + 1, self.x1)
        rows = np.interp(columns, (self.x0, self.x1), (self.y0, self.y1)).round().astype(np.intp)
        seen = labels[rows, columns]
        return bool(((seen != BACKGROUND) & (seen != CLOTH)).mean() > 0.5) if len(seen) else True

"""The shoulder line of each side in one frame: person mask and face landmarks in, evenly spaced points out.

The line is found on the outline of the person by direction: walking outward from the neck, it is the stretch that runs
flat or falls gently, with the person beneath it. The sides of neck, hair and arms are steep, and an outline that comes
down again on the inner side belongs to a hand. All lengths are relative to the face, so that distance does not matter.
The outline is read in image axes, not turned with the head: torsos are upright when heads are tilted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.face.points import CENTRE

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

POINTS = 33
"""Points of a line as it is found; every fourth of them makes the nine that are kept."""

OUTER_EYE_CORNERS = [33, 263]
FACE_SIDES = [234, 454]
"""Outermost points of the face oval, before the ears; halfway between them, whatever the yaw, is the neck."""

STEEPEST_FALL = float(np.tan(np.deg2rad(50)))
"""A trapezius falls by some 20 to 40 degrees and a deltoid rounds off beyond; neck, hair and arm are near 90."""
STEEPEST_STEP = float(np.tan(np.deg2rad(68)))
"""A line may fall this steeply between two flatter parts: the side of a collar or a hood. It never ends so."""
STEEPEST_RISE = float(np.tan(np.deg2rad(30)))
"""Outward and up: a shrug at most. A raised arm or hand is steeper."""

# In units of the distance of the outer eye corners, about 90 mm; an adult's shoulders are 400 to 500 mm wide.
STEP = 0.10
"""Half the length over which the outline's direction is measured: longer than the mask's noise."""
BRIDGE = 0.12
"""Steps of collars and straps, in arc length, that do not end a line."""
REACH = 3.2
"""Farthest from the neck that a line is followed: shoulders that lean toward the camera, and nobody else's."""
START = 2.2
"""Farthest from the neck that a line may begin: hair or a hand before it hides no more than that."""
THICKNESS = 0.35
"""Least depth of person beneath a line that lies clear of the lower edge of the frame."""
RISE = 0.25
"""How far along the outline, inward of a line's beginning, it must be seen to go up, or to be clothes no more."""

CONTRAST = 0.5
"""Least rise of the probability of person across a line, over `STEP` to either side. Where the segmenter cannot tell
clothes from background it hovers around one half, and its outline wanders; a true one rises by 0.7 to 1."""


@dataclass(frozen=True)
class Face:
    """What the search needs of a face, in pixels of the mask.

    `neck` is the x that parts left from right, `y` the height of the face's centre and `unit` the distance of the
    outer eye corners in three dimensions, which a turned head does not shorten.
    """

    neck: float
    y: float
    unit: float

    @classmethod
    def of(cls, landmarks: Floats) -> "Face":
        """The face of one frame's landmarks [478, 3], finite."""
        corners = landmarks[OUTER_EYE_CORNERS].astype(np.float64)
        return cls(
            neck=float(landmarks[FACE_SIDES, 0].mean(dtype=np.float64)),
            y=float(landmarks[CENTRE, 1].mean(dtype=np.float64)),
            unit=float(np.linalg.norm(corners[0] - corners[1])),
        )

    @property
    def anchor(self) -> tuple[float, float, float]:
        """Where a shoulder out of sight is measured from, and the length it is measured in: neck, y, unit."""
        return self.neck, self.y, self.unit


@dataclass(frozen=True)
class Stretch:
    """A piece of an outline that may be a shoulder: columns x, ascending, topmost y in each, person beneath in px."""

    x: Ints
    y: Ints
    depth: Ints

    @property
    def width(self) -> int:
        """From the first column to the last, in px."""
        return int(self.x[-1] - self.x[0] + 1) if len(self.x) else 0

    def area(self) -> int:
        """How much of the person lies beneath it, in px."""
        return int(self.depth.sum())


def shoulder_lines(mask: Floats, landmarks: Floats, min_width: float, points: int = POINTS) -> NDArray[np.float64]:
    """The shoulder line of each side in one frame.

    `mask` [height, width] is the probability of person, 0..1; `landmarks` [478, 3], `min_width` and the result are in
    its pixels (whole numbers are centres of pixels). Returns float64 [2, points, 2]: side 0 = image-left, x ascending
    and evenly spaced; side 0 ends left of the neck and side 1 begins right of it. A side without a line at least
    `min_width` wide is NaN.
    """
    lines = np.full((2, points, 2), np.nan)
    top, face = beneath(Face.of(landmarks), len(mask))
    below = mask[top:]
    person = person_of(below > 0.5, face)
    for line, stretches in zip(lines, find_stretches(person, person, face, min_width), strict=True):
        found = [stretch for stretch in stretches if _contrast(below, stretch, round(STEP * face.unit)) > CONTRAST]
        if found:
            best = max(found, key=Stretch.area)
            line[:, 0] = np.linspace(best.x[0], best.x[-1], points)
            line[:, 1] = top + np.interp(line[:, 0], best.x, _crossing(below, best.x, best.y))
    return lines


def beneath(face: Face, height: int) -> tuple[int, Face]:
    """The first row, of `height`, that is searched, just above the eyes, and the face as seen from there."""
    top = _within(face.y - face.unit / 2, height)
    return top, replace(face, y=face.y - top)


def _within(place: float, size: int) -> int:
    """The pixel at this place of `size` in a row, or the nearest one."""
    return int(min(max(place, 0), size - 1))


def find_stretches(person: Bools, clothes: Bools, face: Face, min_width: float) -> tuple[list[Stretch], list[Stretch]]:
    """What may be a shoulder, of either side, on the outlines of a person.

    `person` and `clothes` [height, width]: who casts the outline, and where on it a shoulder can be seen. Each stretch
    is at least `min_width` px wide.
    """
    outlines = list(_outlines(person, face, 2 * min_width))
    left, right = (
        [found for outline in outlines for found in _stretches(outline, person, clothes, face, side, min_width)]
        for side in (0, 1)
    )
    return left, right


def resample(lines: Floats, ends: Floats) -> NDArray[np.float64]:
    """The same lines with other ends: `lines` [..., k, 2], `ends` [..., 2] the first and last x; same shape as `lines`.

    Points beyond the old ends continue the line straight, with the slope of its last eighth.
    """
    count = lines.shape[-2]
    x, y = lines[..., 0], lines[..., 1]
    new = ends[..., :1] + (ends[..., 1:] - ends[..., :1]) * np.linspace(0.0, 1.0, count)
    place = (new - x[..., :1]) / (x[..., -1:] - x[..., :1]) * (count - 1)
    inside = np.clip(np.nan_to_num(place), 0, count - 1)
    left = np.minimum(inside.astype(np.intp), count - 2)
    low, high = np.take_along_axis(y, left, -1), np.take_along_axis(y, left + 1, -1)
    span = max(1, (count - 1) // 8)
    slope = np.where(place < 0, y[..., span, None] - y[..., :1], y[..., -1:] - y[..., -1 - span, None]) / span
    return np.stack([new, low + (inside - left) * (high - low) + (place - inside) * slope], axis=-1)


def mirror(lines: Floats) -> NDArray[np.float64]:
    """Lines [..., k, 2] mirrored about x = 0, again with x ascending."""
    return np.asarray(lines[..., ::-1, :] * (-1.0, 1.0))


def person_of(inside: Bools, face: Face) -> Bools:
    """The parts of the mask that hold the face or the neck and chest beneath it: not people in the background."""
    count, labels = cv2.connectedComponents(inside.view(np.uint8))
    height, width = inside.shape
    left, right = (_within(face.neck + side * face.unit / 2, width) for side in (-1, 1))
    top = _within(face.y, height)
    ours = np.bincount(labels[top:, left : right + 1].ravel(), minlength=count) > 0
    ours[0] = False
    if ours[1:].all():
        return inside
    return labels == ours.argmax() if np.count_nonzero(ours) == 1 else np.asarray(ours[labels])


@dataclass(frozen=True)
class Outline:
    """One closed outline, opened where no line can run through, with the direction at each of its points.

    OpenCV walks outlines with the person on the left hand: along a top edge, x falls. `dx` and `dy` are the chord from
    some points before to as many after, shortened where the outline meets the edge of the frame.
    """

    x: Ints
    y: Ints
    edge: Bools
    dx: Ints
    dy: Ints


def _outlines(person: Bools, face: Face, longer_than: float) -> Iterator[Outline]:
    step = max(2, round(STEP * face.unit))
    height, width = person.shape
    for points in cv2.findContours(person.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]:
        if len(points) <= longer_than:
            continue
        x, y = points[:, 0].T.astype(np.intp, order="C")
        edge = (x == 0) | (x == width - 1) | (y == 0) | (y == height - 1)
        first = int(edge.argmax() if edge.any() else y.argmin())
        x, y, edge = (np.concatenate([values[first:], values[:first]]) for values in (x, y, edge))
        index = np.arange(len(x))
        begin = np.maximum.accumulate(np.where(edge, index, 0))
        end = np.minimum.accumulate(np.where(edge, index, len(x) - 1)[::-1])[::-1]
        behind = np.minimum(np.maximum(index - step, begin + 1), index)
        ahead = np.maximum(np.minimum(index + step, end - 1), index)
        yield Outline(x, y, edge, x[ahead] - x[behind], y[ahead] - y[behind])


def _stretches(
    outline: Outline, person: Bools, clothes: Bools, face: Face, side: int, min_width: float
) -> Iterator[Stretch]:
    """The stretches of an outline that run like a shoulder of that side."""
    outward = 2 * side - 1
    x, y, run, fall = outline.x, outline.y, -outline.dx, outline.dy * -outward
    offset = (x - face.neck) * outward
    near = (offset > 0) & (offset < REACH * face.unit) & (y > face.y) & clothes[y, x] & ~outline.edge
    gentle = near & (run > 0) & (fall <= STEEPEST_STEP * run) & (fall >= -STEEPEST_RISE * run)
    flat = gentle & (fall <= STEEPEST_FALL * run)
    rise = max(2, round(RISE * face.unit))
    for start, stop in _runs(flat, gentle, outline.edge, round(BRIDGE * face.unit)):
        inner, inward = (start, max(start - rise, 0)) if side == 0 else (stop - 1, min(stop - 1 + rise, len(y) - 1))
        stretch = _stretch(x[start:stop], y[start:stop], person, clothes)
        if (
            stretch.width >= min_width
            and offset[inner] < START * face.unit
            and (y[inner] - y[inward] > rise * 0.4 or not clothes[y[inward], x[inward]])
            and _is_deep(stretch, len(person), THICKNESS * face.unit)
        ):
            yield stretch


def _runs(flat: Bools, gentle: Bools, edge: Bools, bridge: int) -> list[tuple[int, int]]:
    """[start, stop) of the runs of `flat`, joined where all between them is `gentle` or short, and not at the edge."""
    bounds = np.flatnonzero(np.diff(flat, prepend=False, append=False)).reshape(-1, 2).tolist()
    runs: list[tuple[int, int]] = []
    for start, stop in bounds:
        between = slice(runs[-1][1], start) if runs else slice(0)
        if runs and (gentle[between].all() or start - between.start <= bridge) and not edge[between].any():
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return runs


def _stretch(x: Ints, y: Ints, person: Bools, clothes: Bools) -> Stretch:
    """Of these points of an outline, those with background right above: a corner's lie on the side of what rises."""
    open_above = ~person[y - 1, x] & clothes[y, x]
    tops = np.full(person.shape[1], person.shape[0])
    np.minimum.at(tops, x[open_above], y[open_above])
    columns = np.flatnonzero(tops < person.shape[0])
    top = tops[columns]
    first = top.min(initial=person.shape[0] - 1)
    ends = ~person[first:, columns] & (np.arange(first, person.shape[0])[:, None] > top)
    bottom = np.where(ends.any(axis=0), first + ends.argmax(axis=0), person.shape[0])
    return Stretch(columns, top, bottom - top)


def _is_deep(stretch: Stretch, height: int, thickness: float) -> bool:
    """The person goes on beneath most of the line, down to the frame's edge or for at least `thickness`."""
    deep = (stretch.depth >= thickness) | (stretch.y + stretch.depth >= height)
    return bool(deep.mean() > 0.5)


def _contrast(mask: Floats, stretch: Stretch, step: int) -> float:
    """Mean rise of the probability from `step` px above a line to as many below it."""
    above = mask[np.maximum(stretch.y - step, 0), stretch.x]
    below = mask[np.minimum(stretch.y + step, len(mask) - 1), stretch.x]
    return float((below - above).mean())


def _crossing(mask: Floats, x: Ints, y: Ints) -> NDArray[np.float64]:
    """Where the probability passes one half, between the row above the outline's pixel and its own."""
    below, above = mask[y, x].astype(np.float64), mask[np.maximum(y - 1, 0), x].astype(np.float64)
    share = (below - 0.5) / np.maximum(below - above, 1e-6)
    return np.asarray(y - np.clip(share, 0.0, 1.0))

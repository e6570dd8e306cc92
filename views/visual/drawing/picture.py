"""Draws on a frame what the stages found in it: landmarks, shoulders, and the axes of the head."""

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.face import points
from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, Pose, to_image
from portrait_prep.views.visual.drawing.still import Still

Floats = NDArray[np.floating[Any]]
Colour = tuple[int, int, int]

FACE: Colour = (120, 225, 255)
EYES: Colour = (255, 230, 90)
LIPS: Colour = (255, 120, 150)
SEEN: Colour = (90, 255, 120)
FILLED: Colour = (255, 150, 40)
AXES: tuple[Colour, Colour, Colour] = ((255, 70, 70), (80, 220, 80), (90, 140, 255))
"""Of the head's x, y and z: to image right, down, and out of the face."""

AXIS_LENGTH = 100.0
"""Canonical px; the eyes are 120 apart."""
FRACTION = 4
"""OpenCV draws to 1/16 px."""
FARTHEST = 1e4
"""Pixels from the frame's corner up to which anything is drawn."""


def annotate(still: Still) -> Image:
    """A copy of the frame with everything drawn on it that is there and finite."""
    canvas = still.image.copy()
    if still.landmarks is not None:
        draw_landmarks(canvas, still.landmarks)
    if still.shoulders is not None and still.visible is not None:
        draw_shoulders(canvas, still.shoulders, still.visible)
    if still.pose is not None:
        draw_axes(canvas, still.pose)
    return canvas


def draw_landmarks(canvas: Image, landmarks: Floats) -> None:
    """Dots at the landmarks [478, 3] in image px: face, eyes with irises and brows, lips, each in its colour."""
    for place, (radius, colour) in zip(_fixed(landmarks), _DOTS, strict=True):
        _dot(canvas, place, radius, colour)


def _dots() -> list[tuple[float, Colour]]:
    """Radius in px and colour of each landmark."""
    dots = [(1.7, FACE)] * points.COUNT
    for part, colour in ((points.EYES, EYES), (points.IRIS_CENTRES, EYES), (points.LIPS, LIPS)):
        for number in part.tolist():
            dots[number] = (2.0, colour)
    return dots


_DOTS = _dots()


def draw_shoulders(canvas: Image, shoulders: Floats, visible: NDArray[np.bool_]) -> None:
    """Both shoulders [2, 9, 2] in image px: a full line where seen, a broken one where filled."""
    for line, seen in zip(shoulders, visible, strict=True):
        if seen:
            for place in _fixed(line):
                _dot(canvas, place, 5.0, SEEN)
        for start, end in list(pairwise(line))[:: 1 if seen else 2]:
            _stroke(canvas, start, end, SEEN if seen else FILLED, 4 if seen else 3)


def draw_axes(canvas: Image, pose: Pose) -> None:
    """The head's axes from its centre, of a pose of one frame; z is short where the nose points at the camera."""
    tips = CANONICAL_CENTRE + np.concatenate([np.zeros((1, 3)), AXIS_LENGTH * np.eye(3)])
    centre, *ends = to_image(tips[np.newaxis], pose)[0]
    for end, colour in zip(ends, AXES, strict=True):
        _stroke(canvas, centre, end, colour, 4)


def _fixed(places: Floats) -> list[tuple[int, int] | None]:
    """x and y of places [n, 2 or 3] in 1/16 px; None for what is not finite or far off the frame, where OpenCV would
    overflow."""
    flat = np.asarray(places[:, :2], np.float64)
    there = np.asarray((np.abs(flat) < FARTHEST).all(axis=1))
    fixed = np.rint(np.where(there[:, np.newaxis], flat, 0) * (1 << FRACTION)).astype(int).tolist()
    return [(x, y) if near else None for (x, y), near in zip(fixed, there.tolist(), strict=True)]


def _dot(canvas: Image, place: tuple[int, int] | None, radius: float, colour: Colour) -> None:
    if place:
        cv2.circle(canvas, place, round(radius * (1 << FRACTION)), colour, cv2.FILLED, cv2.LINE_AA, FRACTION)


def _stroke(canvas: Image, start: Floats, end: Floats, colour: Colour, width: int) -> None:
    begin, finish = _fixed(np.stack([start, end]))
    if begin and finish:
        cv2.line(canvas, begin, finish, colour, width, cv2.LINE_AA, FRACTION)


def resized(image: Image, side: int) -> Image:
    """RGB uint8 [height, width, 3] with its longer side made `side` px."""
    scale = side / max(image.shape[:2])
    height, width = (max(1, round(length * scale)) for length in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(image: Image, quality: int = 82) -> bytes:
    """RGB uint8 [height, width, 3] as a JPEG."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()

"""The square: which part of the picture a video is cut to. Pure geometry, in pixels of the displayed picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.video import Video
from portrait_prep.media.box import Box
from portrait_prep.media.probe import Orientation

ABOVE = 0.43
"""Share of the square's room beyond the face that lies above it; the shoulders get the rest."""

HAIR = 0.36
"""Face heights that the hair takes above the face (the detector's box begins at the forehead)."""

NECK = 0.35
"""Share of the room beyond the face that is left below it, however tight the square."""

SLACK = 0.1
"""Share of the side by which the face may leave its place to spare black padding."""

CLEARANCE = 1.2
"""The square is at least this many times as large as all that the face sweeps over in the video."""

STEP = 1.5
"""Face sizes that one face may move between two samples."""

Faces = NDArray[np.float32]
"""float32 [n, 5]: x, y, width, height in display pixels, and confidence."""


Framing = Literal["annotated", "region", "face", "face, crop unusable"]
"""How a square is chosen: the catalogue's own; around the face inside the catalogue's crop, which is not square; around
the face, wherever it is; the same, because the catalogue's crop cannot be right for this picture."""


@dataclass(frozen=True)
class Region:
    """The part of the displayed picture where the face is sought and outside of which nothing is shown.

    `scale` is how many of its pixels one of the catalogue's crop is; None where no crop of the catalogue is used.
    """

    box: Box
    framing: Framing
    scale: float | None = None


def region_of(video: Video, display: tuple[int, int]) -> Region:
    """What the catalogue's crop leaves of a displayed picture of (width, height); all of it where there is none."""
    whole = Box(0, 0, *display)
    x, y, w, h = video.crop_x, video.crop_y, video.crop_w, video.crop_h
    if x is None or y is None or w is None or h is None:
        return Region(whole, "face")
    height = display[1] if video.source_height is None else video.source_height
    box = Box(x, y, w, h).fitted(height, display)
    if box is None:
        return Region(whole, "face, crop unusable")
    scale = display[1] / height
    return Region(box, "annotated", scale) if w == h else Region(_even_inside(box), "region", scale)


def _even_inside(box: Box) -> Box:
    """The same with its edges on even pixels: where it is padded, subsampled colour then stays in place."""
    x, y = box.x + box.x % 2, box.y + box.y % 2
    return Box(x, y, (box.x + box.w - x) // 2 * 2, (box.y + box.h - y) // 2 * 2)


def main_face(samples: Sequence[Faces], width: int, height: int) -> Faces:
    """The face that matters: large, central and seen in many samples.

    `samples` holds the faces found on each sampled frame of a picture of `width` x `height`. Returns its boxes,
    float32 [seen, 5].
    """
    tracks = tracks_of(samples, width, height)
    return tracks[0].boxes if tracks else np.empty((0, 5), np.float32)


@dataclass(frozen=True)
class Track:
    """One face: the numbers of the samples in which it was seen, and its box in each of them, float32 [seen, 5]."""

    seen: list[int]
    boxes: Faces


def tracks_of(samples: Sequence[Faces], width: int, height: int) -> list[Track]:
    """The faces of these samples, those that matter most (large, central and seen in many) first.

    Faces of successive samples that lie near each other and are of like size count as one.
    """
    tracks: list[tuple[list[int], list[Faces]]] = []
    for number, faces in enumerate(samples):
        free = list(range(len(tracks)))
        for face in faces[np.argsort(-faces[:, 2], kind="stable")]:
            near = [i for i in free if _same(tracks[i][1][-1], face)]
            if near:
                best = min(near, key=lambda i: _distance(tracks[i][1][-1], face))
                tracks[best][0].append(number)
                tracks[best][1].append(face)
                free.remove(best)
            else:
                tracks.append(([number], [face]))
    whole = [Track(seen, np.stack(boxes)) for seen, boxes in tracks]
    return sorted(whole, key=lambda track: -_weight(track.boxes, width, height))


def _centre(faces: Faces) -> NDArray[np.float64]:
    return faces[..., :2] + faces[..., 2:4].astype(np.float64) / 2


def _distance(one: Faces, other: Faces) -> float:
    return float(np.linalg.norm(_centre(one) - _centre(other)))


def _same(one: Faces, other: Faces) -> bool:
    size, another = float(one[2]), float(other[2])
    return _distance(one, other) < STEP * max(size, another) and 0.5 < size / another < 2


def _weight(track: Faces, width: int, height: int) -> float:
    """Sum over samples of size times centrality (1 in the middle of the picture, 0.5 in its corners)."""
    away = np.linalg.norm(_centre(track) / (width, height) - 0.5, axis=1) / np.sqrt(0.5)
    return float((track[:, 2] * (1 - 0.5 * away)).sum())


def square(faces: Faces, frame: Box, margin: float, tightest: float) -> Box:
    """The constant square around a face, given its boxes [seen, 5] over the video.

    Its side is `margin` times the face; less, down to `tightest` times the face, where the frame is too small; more
    where the face moves far. A frame that already is a square with a face of fitting size is taken as it is. Corners
    lie on even pixels, so that subsampled colour stays in place. May reach beyond the frame.
    """
    size = float(np.median(faces[:, 2]))
    low, high = faces[:, :2].min(axis=0), (faces[:, :2] + faces[:, 2:4]).max(axis=0)
    short = min(frame.w, frame.h)
    if frame.w == frame.h and 2 * margin * size >= short:
        return frame
    side = min(margin * size, max(short, tightest * size))
    side = even(max(side, CLEARANCE * float((high - low).max())))
    middle = (low + high) / 2
    x = _settle(float(middle[0]) - side / 2, side, frame.x, frame.w)
    y = _settle(float(middle[1]) - size / 2 - _above(size, side), side, frame.y, frame.h)
    return Box(even(x), even(y), side, side)


def _above(size: float, side: int) -> float:
    """Pixels between the top of the square and the top of the face."""
    room = side - size
    return max(ABOVE * room, min(HAIR * size, (1 - NECK) * room))


def _settle(wanted: float, side: int, start: int, length: int) -> float:
    """Move an interval toward the frame's by at most SLACK of its own length."""
    first, last = sorted((float(start), float(start + length - side)))
    return wanted + float(np.clip(np.clip(wanted, first, last) - wanted, -SLACK * side, SLACK * side))


def even(value: float) -> int:
    """The nearest even number."""
    return 2 * round(value / 2)


def stored(box: Box, orientation: Orientation, display: tuple[int, int], size: tuple[int, int]) -> Box:
    """Carry a box from the displayed picture, `display` = (width, height), to the stored one of `size`.

    Undoes the mirrorings, the transposition and, by rounding, a sample aspect ratio that is not 1.
    """
    x = display[0] - box.x - box.w if orientation.flip_x else box.x
    y = display[1] - box.y - box.h if orientation.flip_y else box.y
    x, y, w, h = (y, x, box.h, box.w) if orientation.transposed else (x, y, box.w, box.h)
    upright = display[1] if orientation.transposed else display[0]
    if upright == size[0]:
        return Box(x, y, w, h)
    scale = size[0] / upright
    left, right = round(x * scale), round((x + w) * scale)
    return Box(left, y, right - left, h)

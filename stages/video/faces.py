"""Faces on a few frames spread over a video: enough to choose the square and to say how many people are in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.box import Box
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import Probe
from portrait_prep.media.source_frames import SourceFrame, sample_frames
from portrait_prep.stages.models.mediapipe import face_detector
from portrait_prep.stages.video.alive import Sample, is_still
from portrait_prep.stages.video.crop import Faces, tracks_of

OVERVIEW = 640
"""Longer side in pixels at which a whole picture is searched; the network itself looks at 192."""

PLAIN = 1 / 6
"""Faces above this share of the picture's shorter side are believed at once; smaller ones are looked at closely."""

CLOSE = 3.0
"""Side of that closer look, in face sizes."""

LOOKS = 3
"""Closer looks at most, until two agree."""

SURE = 0.65
"""Confidence asked of a face in a closer look: many looks give many chances to err."""

LASTING = 3
"""One of so many frames must show a face that takes precedence over a still."""

SMALLEST = 24
"""Pixels of the smallest face that counts: no landmark can be told on less."""


LONGEST = 16
"""A picture is not searched in parts where its sides are further apart: a strip is no picture of a person, and has
thousands of parts."""


def sample_faces(
    path: Path, probe: Probe, count: int, region: Box, look: Callable[[SourceFrame], object] = lambda _: None
) -> SampledFaces:
    """Search up to `count` frames, evenly spread, for faces with their centre in `region` (display pixels).

    Frames that cannot be decoded are passed over. Where the face that matters most is a still, such as a portrait on a
    slide, small ones are searched for, too, and of those the first that is alive is taken. `look` is shown each frame,
    once.
    """

    def found_on(frame: SourceFrame) -> Sample:
        look(frame)
        return _searched(frame, region, closely=False)

    found = SampledFaces.of([found_on(frame) for frame in sample_frames(path, probe, count)], probe)
    if not found.stills:
        return found
    samples = [_searched(frame, region, closely=True) for frame in sample_frames(path, probe, count)]
    closely = SampledFaces.of(samples, probe)
    return closely if closely.alive else found


@dataclass(frozen=True)
class SampledFaces:
    """Faces of some frames: `faces` one float32 [n, 5] a frame (x, y, width, height in display pixels, confidence),
    and `face` [seen, 5], the one that matters; of no rows where there is none.

    `alive`: how many faces, seen on a third of the frames or more, are not stills; `stills`: how many stills mattered
    more than the one that was taken, or that one, too, where none is alive.
    """

    faces: list[Faces]
    face: Faces
    alive: int
    stills: int

    @classmethod
    def of(cls, samples: Sequence[Sample], probe: Probe) -> SampledFaces:
        """Choose among the faces of some samples: the first that is alive; where none is, the first."""
        faces = [sample.faces for sample in samples]
        tracks = tracks_of(faces, *probe.display)
        if not tracks:
            return cls(faces, np.empty((0, 5), np.float32), 0, 0)
        lasting = [track for track in tracks if track is tracks[0] or LASTING * len(track.seen) >= len(samples)]
        still = [is_still(samples, track.seen, list(track.boxes)) for track in lasting]
        alive = [number for number, is_one in enumerate(still) if not is_one]
        chosen = lasting[alive[0]] if alive else lasting[0]
        return cls(faces, chosen.boxes, len(alive), alive[0] if alive else len(lasting))


def _searched(frame: SourceFrame, region: Box, closely: bool) -> Sample:
    scale = min(OVERVIEW / max(frame.probe.upright), 1.0)
    overview = frame.image(scale)
    return Sample.of(overview, scale, _inside(_find_faces(frame, overview, scale, closely), region))


def _inside(faces: Faces, region: Box) -> Faces:
    middle = faces[:, :2] + faces[:, 2:4] / 2 - (region.x, region.y)
    return faces[((middle >= 0) & (middle < (region.w, region.h))).all(axis=1)]


def _find_faces(frame: SourceFrame, overview: Image, scale: float, closely: bool) -> Faces:
    """All faces on a frame in display pixels, float32 [faces, 5]; the `overview` is it, `scale` times as large.

    Where the whole shows none, parts are searched; `closely`: in any case.
    """
    faces = face_detector()(overview)
    faces[:, :4] /= scale
    if not closely and len(faces) and faces[:, 2].min() >= PLAIN * min(frame.probe.upright):
        return faces
    image = frame.image()
    side = min(image.shape[:2]) // 2
    if closely:
        return _confirmed(image, np.concatenate([faces, search_parts(image, side)]))
    confirmed = _confirmed(image, faces)
    return confirmed if len(confirmed) else _confirmed(image, search_parts(image, side))


def search_parts(image: Image, side: int) -> Faces:
    """Faces [n, 5] in squares that overlap by a third, in pixels of the image; a face may be found more than once."""
    height, width = image.shape[:2]
    if side < SMALLEST or max(height, width) > LONGEST * min(height, width):
        return np.empty((0, 5), np.float32)
    parts = product(_starts(width, side), _starts(height, side))
    return np.concatenate([_search(image, x, y, side) for x, y in parts])


def _search(image: Image, x: int, y: int, side: int) -> Faces:
    """Faces in a square of the image, in pixels of the image; none in one that has no room for any."""
    if side < SMALLEST:
        return np.empty((0, 5), np.float32)
    faces = face_detector()(np.ascontiguousarray(image[y : y + side, x : x + side]))
    faces[:, :2] += (x, y)
    return faces


def _confirmed(image: Image, faces: Faces) -> Faces:
    """Those that are found again, in the same place and size, when looked at closely; each once."""
    close = [face for face in (_look_again(image, face) for face in faces) if face is not None]
    return without_repeats(np.stack(close)) if close else np.empty((0, 5), np.float32)


def _look_again(image: Image, face: Faces) -> Faces | None:
    """Search around a small face; follow what is found there until it stays. None when it does not."""
    height, width = image.shape[:2]
    for _ in range(LOOKS):
        side = int(min(CLOSE * face[2], height, width))
        x, y = np.clip(face[:2] + face[2:4] / 2 - side / 2, 0, (width - side, height - side)).astype(int)
        found = _search(image, int(x), int(y), side)
        found = found[(found[:, 4] >= SURE) & (found[:, 2] >= SMALLEST)]
        if len(found) == 0:
            return None
        again = found[_distances(found, face).argmin()]
        if _distances(again[None], face)[0] < 0.25 * face[2] and 0.7 < again[2] / face[2] < 1.4:
            return np.asarray(again, np.float32)
        face = again
    return None


def _distances(faces: Faces, face: Faces) -> NDArray[np.float64]:
    """How far the middles of faces [n, 5] are from that of one face [5], pixels."""
    middle = face[:2] + face[2:4] / 2
    return np.asarray(np.linalg.norm(faces[:, :2] + faces[:, 2:4] / 2 - middle, axis=1), np.float64)


def _starts(length: int, side: int) -> list[int]:
    """Where squares of `side` begin so that they cover `length` evenly, overlapping by at least a third."""
    count = max(int(np.ceil((length - side) / max(side * 2 / 3, 1))) + 1, 1)
    return [int(start) for start in np.linspace(0, length - side, count).round()]


def without_repeats(faces: Faces) -> Faces:
    """Of faces whose middles lie within half a face of each other keep the surest."""
    kept: list[Faces] = []
    for face in faces[np.argsort(-faces[:, 4], kind="stable")]:
        if all(_distances(other[None], face)[0] > max(face[2], other[2]) / 2 for other in kept):
            kept.append(face)
    return np.stack(kept)

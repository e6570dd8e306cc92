"""Tracks of one shot: faces that were followed, put together again wherever following broke off.

It breaks off where a part of the recording ends and the next begins, and now and then between. A face that comes up
soon where one was lost is the same one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.models.sface import NUMBERS

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

LOST = 0.5
"""Seconds for which a face may be out of sight and still be the same."""

OVERLAP = 0.3
"""Share of two boxes' union that they must have in common to be of one face."""


@dataclass(frozen=True)
class Track:
    """A face in m frames of a shot: their numbers [m], ascending; its boxes [m, 4] (x, y, width, height in display px);
    what was measured of its mouth [m, k] and of its shape [m, j], and its likeness to itself earlier [m]: NaN between
    looks. `embeddings` [l, 128] are what a recogniser made of it, where one looked at it."""

    frames: Numbers
    boxes: Floats
    mouths: Floats
    shapes: Floats
    likeness: Floats
    embeddings: Floats

    @property
    def size(self) -> float:
        """Median height of its boxes, px."""
        return float(np.median(self.boxes[:, 3]))

    @classmethod
    def joined(cls, tracks: Sequence["Track"]) -> "Track":
        """Several, one after another."""
        return cls(*(np.concatenate([getattr(track, one.name) for track in tracks]) for one in fields(cls)))


def tracks_of(shot: Batch) -> list[Track]:
    """The tracks of a shot of n frames, in the order in which they begin, from left to right.

    Of `shot` it takes `time` [n] (s), `part` [n], `track` [n, 4] (-1: none; the same number in another part may be of
    another face), `box` [n, 4, 4], `mouth` [n, 4, k], `shape` [n, 4, j] and `likeness` [n, 4]; and, where a recogniser
    looked at faces, `face`, objects [n, 4]: an embedding [128], or None.
    """
    pieces = sorted(_pieces(shot), key=lambda track: (track.frames[0], track.boxes[0, 0]))
    follows = _followers(pieces, shot["time"])
    begun = sorted(set(range(len(pieces))).difference(follows.values()))
    return [Track.joined([pieces[number] for number in _chain(first, follows)]) for first in begun]


def _pieces(shot: Batch) -> Iterator[Track]:
    """What has one number in one part."""
    frames, slots = np.nonzero(shot["track"] >= 0)
    keys = np.stack([shot["part"][frames], shot["track"][frames, slots]])
    order = np.lexsort((frames, *keys[::-1]))
    frames, slots, keys = frames[order], slots[order], keys[:, order]
    borders = np.flatnonzero((np.diff(keys, axis=1) != 0).any(axis=0)) + 1
    names = ("box", "mouth", "shape", "likeness")
    for own, places in zip(np.split(frames, borders), np.split(slots, borders), strict=True):
        if len(own):
            values = [shot[name][own, places].astype(np.float64) for name in names]
            faces = [face for face in shot["face"][own, places] if face is not None] if "face" in shot else []
            values.append(np.array(faces, np.float64).reshape(-1, NUMBERS))
            yield Track(own, *values)


def _followers(pieces: Sequence[Track], times: Floats) -> dict[int, int]:
    """Which piece goes on with which other one; both by number. The most alike come together first."""
    ends = np.array([times[piece.frames[-1]] for piece in pieces])
    found = []
    for later, piece in enumerate(pieces):
        begin = times[piece.frames[0]]
        for earlier in np.flatnonzero((ends < begin) & (ends >= begin - LOST)).tolist():
            if (common := _overlap(pieces[earlier].boxes[-1], piece.boxes[0])) >= OVERLAP:
                found.append((-common, earlier, later))
    follows, led = dict[int, int](), set[int]()
    for _, earlier, later in sorted(found):
        if earlier not in follows and later not in led:
            follows[earlier] = later
            led.add(later)
    return follows


def _overlap(one: Floats, other: Floats) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    common = float(np.maximum(high - low, 0).prod())
    union = float(one[2:].prod() + other[2:].prod()) - common
    return common / union if union > 0 else 0.0


def _chain(first: int, follows: dict[int, int]) -> Iterator[int]:
    number: int | None = first
    while number is not None:
        yield number
        number = follows.get(number)

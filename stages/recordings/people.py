"""Who is the same person: tracks of different shots whose faces have the same shape, where that is clear."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.recordings.proportions import SPREAD

Floats = NDArray[np.float64]

SAME, OTHER = 2.2, 3.0
"""Differences, rms in units of SPREAD: within the first are the same person's, beyond the second those of others."""

LEAST_LOOKS = 25
"""Looks at a face that it takes to know its shape: two seconds of them."""


@dataclass(frozen=True)
class Seen:
    """A track of the shot of some number, in its frames `first` to `last`, with the mean `shape` [6] of its face.

    NaN where it was looked at too little.
    """

    shot: int
    first: int
    last: int
    shape: Floats

    def is_beside(self, other: "Seen") -> bool:
        """Whether both are seen at one time, so that they are two."""
        return self.shot == other.shot and self.first <= other.last and other.first <= self.last


def mean_shape(shapes: Floats) -> Floats:
    """The mean of the looks [n, 6] at a face; NaN where there are too few."""
    looks = shapes[np.isfinite(shapes).all(axis=1)]
    return np.asarray(looks.mean(axis=0)) if len(looks) >= LEAST_LOOKS else np.full(shapes.shape[1], np.nan)


def people_of(tracks: Sequence[Seen]) -> list[int]:
    """The number of the person of each track, counted in the order in which they appear.

    A track is of somebody seen before where its shape is that one's and no other one's; else of somebody new.
    """
    numbers, known, count = list[int](), list[_Known](), 0
    for track in tracks:
        near = [] if np.isnan(track.shape).any() else _near(track, known)
        if len(near) == 1 and near[0][0] <= SAME:
            person = near[0][1]
            person.add(track)
        else:
            person, count = _Known(count, track.shape, [track]), count + 1
            known += [] if np.isnan(track.shape).any() else [person]
        numbers.append(person.number)
    return numbers


@dataclass
class _Known:
    """Somebody, and the mean `shape` of the tracks."""

    number: int
    shape: Floats
    tracks: list[Seen]

    def add(self, track: Seen) -> None:
        self.tracks.append(track)
        self.shape = self.shape + (track.shape - self.shape) / len(self.tracks)


def _near(track: Seen, known: Sequence[_Known]) -> list[tuple[float, _Known]]:
    """Who may be the one of a track, and at what difference; nobody who is seen at the same time."""
    if not known:
        return []
    differences = (np.stack([person.shape for person in known]) - track.shape) / SPREAD
    distances = np.sqrt(np.mean(differences**2, axis=1))
    near = [(float(distances[place]), known[place]) for place in np.flatnonzero(distances < OTHER).tolist()]
    return [(one, person) for one, person in near if not any(map(track.is_beside, person.tracks))]

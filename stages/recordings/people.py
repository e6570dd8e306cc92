"""Who is the same person: tracks of different shots whose faces are the same, where that is clear.

A recogniser tells it by embeddings of faces, where one looked at them (stage `identity`), else their proportions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.models import sface
from portrait_prep.stages.models.sface import unit
from portrait_prep.stages.recordings.proportions import SPREAD

Floats = NDArray[np.float64]

SAME, OTHER = 2.2, 3.0
"""Differences, rms in units of SPREAD: within the first are the same person's, beyond the second those of others."""

LEAST_LOOKS = 25
"""Looks at a face that it takes to know its shape: two seconds of them."""


@dataclass(frozen=True)
class Seen:
    """A track of the shot of some number, in its frames `first` to `last`, with the mean `shape` [6] of its face.

    NaN where it was looked at too little. So is the mean `embedding` [128], of length 1, where no recogniser did.
    """

    shot: int
    first: int
    last: int
    shape: Floats
    embedding: Floats

    def is_beside(self, other: "Seen") -> bool:
        """Whether both are seen at one time, so that they are two."""
        return self.shot == other.shot and self.first <= other.last and other.first <= self.last


def mean_shape(shapes: Floats) -> Floats:
    """The mean of the looks [n, 6] at a face; NaN where there are too few."""
    looks = shapes[np.isfinite(shapes).all(axis=1)]
    return np.asarray(looks.mean(axis=0)) if len(looks) >= LEAST_LOOKS else np.full(shapes.shape[1], np.nan)


def mean_embedding(embeddings: Floats) -> Floats:
    """The mean of some embeddings [n, 128], of length 1; NaN where there is none."""
    return unit(embeddings.mean(axis=0)) if len(embeddings) else np.full(sface.NUMBERS, np.nan)


def people_of(tracks: Sequence[Seen]) -> list[int]:
    """The number of the person of each track, counted in the order in which they appear.

    A track is of somebody seen before where its face is that one's and no other one's; else of somebody new.
    """
    numbers, known, count = list[int](), list[_Known](), 0
    for track in tracks:
        seen, looked_at = (_is_known(one) for one in (track.shape, track.embedding))
        person = (_recognised if looked_at else _alike)(track, known) if known and (seen or looked_at) else None
        if person is None:
            person, count = _Known(count), count + 1
            known += [person] if seen or looked_at else []
        person.add(track)
        numbers.append(person.number)
    return numbers


def _is_known(value: Floats) -> bool:
    return not np.isnan(value).any()


class _Mean:
    """The mean of what is known of several tracks; NaN before anything is."""

    def __init__(self, length: int) -> None:
        self.value, self._count = np.full(length, np.nan), 0

    def add(self, value: Floats) -> None:
        if _is_known(value):
            self._count += 1
            self.value = value if self._count == 1 else self.value + (value - self.value) / self._count


class _Known:
    """Somebody, and the means of shape and embedding of the tracks."""

    def __init__(self, number: int) -> None:
        self.number, self.tracks = number, list[Seen]()
        self.shape, self.embedding = _Mean(len(SPREAD)), _Mean(sface.NUMBERS)

    def add(self, track: Seen) -> None:
        self.tracks.append(track)
        self.shape.add(track.shape)
        self.embedding.add(track.embedding)

    def is_beside(self, track: Seen) -> bool:
        """Whether they are seen at one time."""
        return any(map(track.is_beside, self.tracks))


def _recognised(track: Seen, known: Sequence[_Known]) -> _Known | None:
    """Whose face it is to a recogniser: nobody's is nearer, not even that of one who is seen at the same time."""
    cosines = unit(np.stack([person.embedding.value for person in known])) @ track.embedding
    nearest = int(np.argmax(np.nan_to_num(cosines, nan=-1)))
    near = cosines[nearest] >= sface.SAME and not known[nearest].is_beside(track)
    return known[nearest] if near else None


def _alike(track: Seen, known: Sequence[_Known]) -> _Known | None:
    """Whose face has the same proportions, and nobody else's who is not seen at the same time."""
    differences = (np.stack([person.shape.value for person in known]) - track.shape) / SPREAD
    distances = np.sqrt(np.mean(differences**2, axis=1))
    near = [place for place in np.flatnonzero(distances < OTHER).tolist() if not known[place].is_beside(track)]
    return known[near[0]] if len(near) == 1 and distances[near[0]] <= SAME else None

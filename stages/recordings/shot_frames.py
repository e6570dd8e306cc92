"""The frames of a recording, shot by shot."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.shots import shots

LONG = 1.0
"""Seconds for which a picture may be shown within a shot. One that stands longer is a still, or what was to come after
it did not decode: a file that is damaged there has no frames."""


def ends_of(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each of n frames makes way for the next, s; the last one is shown as long as most are."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / FPS
    return np.append(times[1:], times[-1] + step)


def is_long(times: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of n frames are shown for LONG."""
    return np.asarray(ends - times > LONG)


def _alike(frames: range, long: NDArray[np.bool_]) -> Iterator[range]:
    """Frames cut where such that are long and such that are not meet."""
    borders = np.flatnonzero(np.diff(long[frames.start : frames.stop])) + frames.start + 1
    edges = [frames.start, *borders.tolist(), frames.stop] if frames else []
    return (range(first, stop) for first, stop in pairwise(edges))


@dataclass(frozen=True)
class ShotFrames:
    """Which frames are of which shot: `ranges` has all n of them, with -1 or the shot's number. `times` [n], s.

    A frame that is shown for LONG is of none, and what comes after it is another shot.
    """

    times: NDArray[np.float64]
    ranges: Sequence[tuple[range, int]]

    @classmethod
    def of(cls, borders: Batch) -> "ShotFrames":
        """By the columns `time`, `cut` and `blend` [n] of a recording."""
        times = borders["time"]
        ranges, at, number = list[tuple[range, int]](), 0, 0
        long = is_long(times, ends_of(times))
        for shot in [*shots(borders["cut"], borders["blend"]), range(len(times), len(times))]:
            if shot.start > at:
                ranges.append((range(at, shot.start), -1))
            for piece in _alike(shot, long):
                ranges.append((piece, -1 if long[piece.start] else number))
                number += not long[piece.start]
            at = shot.stop
        return cls(times, ranges)

    @property
    def shot_count(self) -> int:
        """How many shots there are."""
        return sum(number >= 0 for _, number in self.ranges)

    def cut(self, batches: Iterable[Batch], first: int = 0) -> Iterator[Batch]:
        """The rows of each shot, and of what lies between, of all n rows in batches of any lengths.

        To these columns come `ends` [n] (when a frame makes way for the next), `shot` [n] (its number, counted from
        `first`; -1 where frames show two) and `cut_before` and `cut_after`: whether another one borders on it. No more
        than one shot, and a batch, is in memory.
        """
        ends = ends_of(self.times)
        for (frames, number), rows in zip(self.ranges, self._rows(batches), strict=True):
            yield {
                **rows,
                "ends": ends[frames.start : frames.stop],
                "shot": np.full(len(frames), number if number < 0 else first + number),
                "cut_before": np.array(frames.start > 0),
                "cut_after": np.array(frames.stop < len(self.times)),
            }

    def _rows(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        held, first, stops = list[Batch](), 0, [frames.stop for frames, _ in self.ranges][::-1]
        for batch in batches:
            begin, length = 0, len(batch["time"])
            while stops and stops[-1] <= first + length:
                end = stops.pop() - first
                yield together([*held, {name: values[begin:end] for name, values in batch.items()}])
                held, begin = [], end
            if begin < length:
                held.append({name: values[begin:] for name, values in batch.items()})
            first += length


def together(batches: Iterable[Batch]) -> Batch:
    """Batches as one."""
    held = list(batches)
    return {name: np.concatenate([batch[name] for batch in held]) for name in held[0]}

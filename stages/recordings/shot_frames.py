"""The frames of a recording, shot by shot."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.shots import shots


def ends_of(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """When each of n frames makes way for the next, s; the last one is shown as long as most are."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / FPS
    return np.append(times[1:], times[-1] + step)


@dataclass(frozen=True)
class ShotFrames:
    """Which frames are of which shot: `ranges` has all n of them, with -1 or the shot's number. `times` [n], s."""

    times: NDArray[np.float64]
    ranges: Sequence[tuple[range, int]]

    @classmethod
    def of(cls, borders: Batch) -> "ShotFrames":
        """By the columns `time`, `cut` and `blend` [n] of a recording."""
        ranges, at, count = list[tuple[range, int]](), 0, len(borders["time"])
        for number, shot in enumerate([*shots(borders["cut"], borders["blend"]), range(count, count)]):
            if shot.start > at:
                ranges.append((range(at, shot.start), -1))
            if shot:
                ranges.append((shot, number))
            at = shot.stop
        return cls(borders["time"], ranges)

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

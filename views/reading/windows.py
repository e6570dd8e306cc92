"""Items of a data set as stretches of frames: which video, from which frame on, how many."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from portrait_prep.views.reading.selection import Footage

T = TypeVar("T", bound=np.generic)
BLOCK = 250
"""Frames at a time where a stretch of any length must be streamed."""


class Window(NamedTuple):
    """Frames `first` to `first + frames - 1` of video number `video`."""

    video: int
    first: int
    frames: int


class Stretches(Sequence[Window]):
    """Windows cut from runs of frames; only the runs are held in memory.

    `runs` int64 [n, 3]: number of the video, first frame, last + 1. `length` and `stride` in frames; a run that is not
    longer than `length` is one window.
    """

    def __init__(self, runs: Iterable[tuple[int, int, int]], length: int, stride: int) -> None:
        self._runs = np.array(list(runs), np.int64).reshape(-1, 3)
        self._length, self._stride = length, stride
        self._ends = np.cumsum(np.maximum(self._runs[:, 2] - self._runs[:, 1] - length, 0) // stride + 1)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, number: int) -> Window: ...

    @overload
    def __getitem__(self, number: slice) -> list[Window]: ...

    def __getitem__(self, number: int | slice) -> Window | list[Window]:
        """Raise IndexError when there is no such window."""
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} windows, and none with number {number}")
        number = number % len(self)
        run = int(np.searchsorted(self._ends, number, side="right"))
        video, first, stop = self._runs[run].tolist()
        first += self._stride * (number - (int(self._ends[run - 1]) if run else 0))
        return Window(video, first, min(self._length, stop - first))


def windows(
    videos: Iterable[Footage], length: int, stride: int = 1, *, short: bool = False, across_gaps: bool = False
) -> Stretches:
    """Windows of `length` frames every `stride` frames, as many as fit.

    None reaches into a long gap, so that none holds NaN; `across_gaps`: they may. A stretch between gaps (or video)
    that is shorter than `length` gives none; `short`: it gives one that is as long as it is, to be padded. What is left
    over at the end of a stretch is in no window. `length=1` gives the single frames. Raises ValueError when `length` or
    `stride` is not positive.
    """
    if length < 1 or stride < 1:
        raise ValueError(f"length and stride must be positive, not {length} and {stride}")
    found = (
        (number, first, stop)
        for number, footage in enumerate(videos)
        for first, stop in (((0, footage.frames),) if across_gaps else footage.runs)
        if short or stop - first >= length
    )
    return Stretches(found, length, stride)


def whole(videos: Sequence[Footage]) -> Stretches:
    """Each video as one window, gaps and all: utterances."""
    longest = max((footage.frames for footage in videos), default=1)
    return Stretches(((number, 0, footage.frames) for number, footage in enumerate(videos)), longest, 1)


def blocks(window: Window, most: int = BLOCK) -> Iterator[Window]:
    """The window in pieces of at most so many frames, which fit into memory."""
    for first in range(window.first, window.first + window.frames, most):
        yield Window(window.video, first, min(most, window.first + window.frames - first))


def padded(values: NDArray[T], length: int) -> NDArray[T]:
    """`values` [n, ...] with zeros added up to [length, ...]; the same array where nothing is to be added."""
    missing = length - len(values)
    return values if missing <= 0 else np.pad(values, [(0, missing), *[(0, 0)] * (values.ndim - 1)])


def mask(frames: int, length: int) -> NDArray[np.bool_]:
    """bool [length]: true in the first `frames` frames, false where they are padded."""
    return np.asarray(np.arange(length) < frames)

"""What was found in a recording, over its time, as short as a page can show it: faces, and how sure a voice is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.manifests.segments import Segment
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.recordings.joining import Joiner, Task
from portrait_prep.stages.recordings.tracks import Track, tracks_of

STEP = 0.2
"""Seconds of the steps in which the voice is told."""

MOST_STEPS = 100_000
"""Steps of a recording at most: beyond five and a half hours they are longer."""

LEVELS = 10
"""Levels of the voice: a digit each."""

NOTHING = " "
"""Stands for a step of which nothing was read."""


def lanes(joiner: Joiner, task: Task, rows: Sequence[Segment]) -> dict[str, Any]:
    """`faces` [begin and end in ms, median height in px, place of the middle in per cent of the width, person], `step`
    in seconds, and `voice`, a digit for each step: its mean probability in tenths, blank where nothing was read.

    The person is that of `rows`, or null. Empty where a column is damaged.
    """
    voice, faces = Voice(max((row.end for row in rows), default=0.0)), list[list[Any]]()
    people = {(row.shot, row.track): row.subject for row in rows if row.track is not None}
    try:
        for _, span, first in joiner.spans(task):
            width = span.recording.picture[0] if span else 0
            for shot in span.shots(first) if span else ():
                voice.add(shot)
                number = int(shot["shot"][0])
                tracks = tracks_of(shot) if number >= 0 else []
                faces += (_face(shot, track, width, people.get((number, at))) for at, track in enumerate(tracks))
    except (Damaged, OSError, LookupError):
        return {}
    return {"faces": faces, "step": voice.step, "voice": voice.digits()}


def _face(shot: Batch, track: Track, width: int, person: str | None) -> list[Any]:
    begin, end = shot["time"][track.frames[0]], shot["ends"][track.frames[-1]]
    middle = np.median(track.boxes[:, 0] + track.boxes[:, 2] / 2)
    size, place = np.nan_to_num([track.size, 100 * middle / max(width, 1)])
    return [round(begin * 1000), round(end * 1000), round(size), round(place), person]


class Voice:
    """The mean probability of a voice in each step of a recording of so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.step = max(STEP, seconds / MOST_STEPS)
        self._sums, self._counts = np.zeros((2, int(seconds / self.step) + 1))

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take in frames: `time` [n] in s and `voice` [n]."""
        numbers = np.clip(columns["time"] / self.step, 0, len(self._sums) - 1).astype(np.int64)
        np.add.at(self._sums, numbers, columns["voice"])
        np.add.at(self._counts, numbers, 1)

    def digits(self) -> str:
        """See `lanes`."""
        seen = self._counts > 0
        means = np.divide(self._sums, self._counts, out=np.zeros_like(self._sums), where=seen)
        told = np.clip(np.nan_to_num(means) * LEVELS, 0, LEVELS - 1).astype(np.int64).astype(str)
        return "".join(np.where(seen, told, NOTHING))

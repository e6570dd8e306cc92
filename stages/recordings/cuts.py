"""Cuts: the picture changes from one frame to the next as it does nowhere around, and does not change back.

Two changes are looked at. That of places, in grey levels: in a shot that is steady it shows even the jump of an
interview whose middle was cut out. And that which motion does not explain: it shows another picture even where the
camera moves. Either counts by how far it stands out of the four steps before and after; a step over frames that the
source left out may be greater by as much as it takes longer.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat

import numpy as np

from portrait_prep.stages.recordings.difference import UPPER, Luma, change, unexplained, unlike_in_light

AROUND = 4
"""Steps before, and after, that are compared."""

FLASH = 3
"""Frames after which all is as before, if it was a flash."""

STILL = 0.5
"""Grey levels by which places change though nothing happens."""

RELIT = 0.07
"""Share of a difference that another light must leave unexplained: a lamp that is switched on leaves 0.05."""

BLANK = 0.15
"""Share of what is seen in both pictures that another light must leave unexplained: see `difference.unlike_in_light`. A
lamp leaves 0.1 at most."""

EXPLAINED = 0.1
"""Share that motion does not explain though nothing happens."""

JUMP = 1.75
"""Times by which the change of places must exceed those around."""

OTHER = 1.6
"""Times by which the unexplained share must exceed those around."""

LONGEST = 5.0
"""Times as long as the steps around it that a step may take to be greater by as much: beyond that it is not motion."""

HINT = 0.7
"""Times by which the change of places, with the light or without, must exceed those around to be looked at closer."""


@dataclass(frozen=True)
class Step:
    """From a frame to the next one, `seconds` later."""

    before: Luma
    after: Luma
    seconds: float

    @cached_property
    def change(self) -> float:
        """See `difference.change`."""
        return change(self.before, self.after)

    @cached_property
    def difference(self) -> float:
        """Mean change of the places, in grey levels, light and all."""
        return float(np.abs(self.after - self.before)[:UPPER].mean())

    @property
    def relit(self) -> bool:
        """Whether another light explains it: of a blank page none makes a picture, nor the other way round."""
        return self.change < RELIT * self.difference and unlike_in_light(self.before, self.after) < BLANK

    @cached_property
    def unexplained(self) -> float:
        """See `difference.unexplained`."""
        return unexplained(self.before, self.after)


def cuts(frames: Iterable[tuple[float, Luma]]) -> Iterator[float]:
    """For each frame (time in seconds, picture) how sure a new shot begins with it, 0 to 1; 0.5: as likely as not.

    Depends on five frames before and four after.
    """
    window: deque[Step | None] = deque(repeat(None, 2 * AROUND + 1), 2 * AROUND + 1)
    last: tuple[float, Luma] | None = None
    for number, frame in enumerate(chain(frames, repeat(None, AROUND))):
        window.append(Step(last[1], frame[1], frame[0] - last[0]) if last is not None and frame is not None else None)
        last = frame
        if number >= AROUND:
            yield _sureness(list(window))


def _sureness(window: list[Step | None]) -> float:
    step = window[AROUND]
    if step is None:
        return 0.0
    around = [other for other in window if other is not None and other is not step]
    longer = _longer(step, around)
    usual = longer * max((other.change for other in around), default=0.0) + STILL
    plain = longer * max((other.difference for other in around), default=0.0) + STILL
    if step.change < HINT * usual and step.difference < HINT * plain:
        return 0.0
    if step.relit:
        return 0.0
    lasting = list(_lasting(window))
    score = min(each.change for each in lasting) / usual / JUMP
    if step.unexplained > OTHER * EXPLAINED:
        explained = longer * max((other.unexplained for other in around), default=0.0) + EXPLAINED
        score = max(score, min(each.unexplained for each in lasting) / explained / OTHER)
    return score / (1 + score)


def _longer(step: Step, around: list[Step]) -> float:
    """How many times as long as those around it a step takes."""
    usually = float(np.median([other.seconds for other in around])) if around else 0.0
    return min(max(step.seconds / usually, 1.0), LONGEST) if usually > 0 else 1.0


def _lasting(window: list[Step | None]) -> Iterator[Step]:
    """The step in the middle, and those that leave out what may be a flash before or after it."""
    for back in range(FLASH + 1):
        for on in range(FLASH + 1 - back):
            first, last = window[AROUND - back], window[AROUND + on]
            if first and last:
                yield first if first is last else Step(first.before, last.after, 0.0)

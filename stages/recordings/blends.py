"""Dissolves, fades and wipes: for some frames a picture shows what it was before and what it becomes.

Ends of different distance are compared. They must be different pictures whatever the light and motion, and what is
between them must lie on the way from one to the other, by a share that grows evenly: of all places alike, or place
after place as a straight edge passes over them. Motion, and something that comes before the lens, puts other things
between, and its edges are not straight; a change of the light ends in the same picture.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.recordings.difference import HEIGHT, MOST, WIDTH, Luma, unexplained, unlike_in_light

SPANS = (0.24, 0.4, 0.64, 1.04, 1.68, 2.4)
"""Seconds between ends: dissolves of 0.2 to 2 s and a little more."""

EVERY = 0.12
"""Seconds between frames that are looked at as the later end. Where they lie depends on times alone."""

CONTEXT = SPANS[-1] + 2 * EVERY
"""Seconds, before and after, upon which the answer for a frame depends."""

APART = 6.0
"""Grey levels by which ends must differ, mean of all places."""

MIDDLE = 0.15
"""A frame is between both ends where it has this share of either at least."""

UNEVEN = 0.05
"""How far shares may be from growing evenly, mean."""

UNMIXED = 0.55
"""How much of what is between may be no mixture, in units of what it would be if it had nothing to do with the ends."""

STRAIGHT = 0.6
"""How much of when each place becomes another a straight edge that sweeps over the picture must explain. Of wipes and
pushes it is 0.6 to 0.98, of what moves in shots 0.5 at most."""

LEAST_SWEPT = 5
"""Frames at least in which the edge is seen amid the picture: of fewer, any motion seems to be straight."""

OTHER = 0.3
"""Share of an end that the other one must leave unexplained. See `difference.unexplained`."""

DARK, BLANK = 32.0, 4.0
"""Grey levels: a picture whose mean and standard deviation are below these is black."""

RELIT = 0.125
"""Share of an end that another light must leave unexplained: see `difference.unlike_in_light`. Of dissolves it is 0.15
at least, of exposures that change 0.1 at most."""

CLEAN = 4.0
"""Times as well as it takes to which a mixture makes up for ends that are not so different: two who sit alike."""

WITHIN = 0.1
"""Share of the time between ends by which a dissolve may seem to reach beyond them."""

EDGE = 0.03
"""Share of either picture that is not seen: as in the first frame of a dissolve of a second."""

Values = NDArray[np.float64]

EDGES = np.stack([np.ones(HEIGHT * WIDTH), *np.indices((HEIGHT, WIDTH)).reshape(2, -1)], axis=1).astype(np.float32)
"""One, the row and the column of each place: what the time is linear in at which a straight edge reaches it."""


@dataclass
class Frame:
    """A frame of the last seconds, and how sure it belongs to a dissolve."""

    time: float
    luma: Luma
    blend: float


@dataclass(frozen=True)
class Ramp:
    """The share of the later end grows evenly from one time to another; `fit`: how well it is a mixture, or a wipe, in
    units of what it takes."""

    begin: float
    end: float
    fit: float


def blends(frames: Iterable[tuple[float, Luma]]) -> Iterator[float]:
    """For each frame (time in seconds, picture) how sure it belongs to no shot: to a dissolve or fade, or it is black.

    From 0 to 1; 0.5 is where it is as likely as not.
    """
    last: deque[Frame] = deque()
    for time, luma in frames:
        before = last[-1].time if last else time
        last.append(Frame(time, luma, float(luma.mean() < DARK and luma.std() < BLANK)))
        if time // EVERY != before // EVERY:
            _look_back(list(last))
        while last[0].time < time - CONTEXT:
            yield last.popleft().blend
    yield from (frame.blend for frame in last)


def _look_back(frames: list[Frame]) -> None:
    """Note in the frames which of them belong to a dissolve that is over with the last one."""
    times = np.array([frame.time for frame in frames])
    rows = np.stack([frame.luma.reshape(-1) for frame in frames])
    for span in SPANS:
        start = bisect_left(times, times[-1] - span - EVERY / 100)
        if times[start] > times[-1] - span + EVERY:
            continue
        ramp = _ramp(times[start:], rows[start:])
        if ramp is None:
            continue
        sure = _sureness(ramp, frames[start].luma, frames[-1].luma)
        for frame in frames[start + 1 : -1]:
            if EDGE < (frame.time - ramp.begin) / (ramp.end - ramp.begin) < 1 - EDGE:
                frame.blend = max(frame.blend, sure)


def _sureness(ramp: Ramp, one: Luma, other: Luma) -> float:
    if unlike_in_light(one, other) < RELIT:
        return 0.0
    apart: float = min(ramp.fit, CLEAN) ** 0.25 * unexplained(one, other) / OTHER
    score = min(ramp.fit, apart)
    return score / (1 + score)


def _ramp(times: Values, rows: Luma) -> Ramp | None:
    """What is between the first row and the last [n, places], where they differ and it shows both by turns."""
    way = rows[-1] - rows[0]
    if len(rows) < 4 or np.abs(way).mean() < APART:
        return None
    passed, whole, passing = rows[1:-1] - rows[0], float(way @ way), times[1:-1] - times[0]
    shares = passed @ way / whole
    middle = (shares > MIDDLE) & (shares < 1 - MIDDLE)
    if not middle.any():
        return None
    begin, end = _growth(times - times[0], shares, middle)
    uneven = np.abs(np.clip((passing - begin) / (end - begin), 0, 1) - shares).mean()
    room = WITHIN * (times[-1] - times[0])
    if uneven > UNEVEN or not -room < begin < end < times[-1] - times[0] + room:
        return None
    left = np.einsum("np,np->n", passed, passed) / whole - shares**2
    unmixed = float(np.mean(left[middle] / (shares * (1 - shares))[middle]))
    fit = UNMIXED / max(unmixed, 1e-3)
    if fit < 1 and np.count_nonzero(middle) >= LEAST_SWEPT:
        fit = max(fit, _swept(passed, way) / STRAIGHT)
    return Ramp(times[0] + begin, times[0] + end, fit) if fit >= 1 else None


def _swept(passed: Luma, way: Luma) -> float:
    """How much of when each place becomes another is explained by a straight edge that sweeps over the picture: 0 to 1.

    Of frames [n, places] as they differ from the first one, and of how the last one does [places].
    """
    late = np.count_nonzero(passed * np.sign(way) < np.abs(way) / 2, axis=0).astype(np.float32)
    weight = np.minimum(np.abs(way), MOST)
    plane = np.linalg.lstsq(EDGES * weight[:, np.newaxis], late * weight, rcond=None)[0]
    spread = weight * (late - np.average(late, weights=weight**2))
    left = weight * (late - EDGES @ plane)
    return 1 - float(left @ left) / max(float(spread @ spread), 1e-6)


def _growth(times: Values, shares: Values, middle: NDArray[np.bool_]) -> tuple[float, float]:
    """When the shares of all frames but the first and the last begin to grow, and when they have grown."""
    if np.count_nonzero(middle) == 1:
        number = int(middle.argmax())
        return times[number], times[number + 2]
    rate, offset = np.polyfit(times[1:-1][middle], shares[middle], 1)
    return -offset / rate, (1 - offset) / rate

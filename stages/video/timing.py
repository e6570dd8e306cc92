"""Time as the source's own frames tell it: how far they lie apart, and where the picture stands still between them."""

from typing import Any

import numpy as np

from portrait_prep.media.probe import HELD, Probe
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.pipeline.declare.stage import BadVideo

STANDSTILL = 30.0
"""Seconds without a new frame after which nothing is made of a video: the clock jumped, or the camera was off."""

METRICS = (
    Metric(
        "frame_rate",
        "1/s",
        "source frames a second: 1 over the median time between two",
        title="Source frame rate",
        decimals=1,
        bounds=(
            at_least(
                "min_frame_rate",
                11.0,
                "least frames a second of the source: film at half its speed has 12",
                "the source has {value:.1f} frames a second, fewer than {limit:g}",
                ge=0,
            ),
        ),
        blind="frames that repeat the one before: that is a matter of picture_rate",
    ),
    Metric(
        "longest_hole",
        "s",
        "longest time from one source frame to the next, or that the last one claims to be shown; phones come to 0.1, "
        f"calls to 0.5. A last frame is shown for {HELD:g} s at most",
        title="Longest hole",
        bounds=(
            at_most(
                "max_hole",
                1.0,
                "longest time, in seconds, from one frame of the source to the next",
                "its picture has a hole of {value:.2f} s, more than {limit:g} s",
                places="hole_times",
                gt=0,
            ),
        ),
        blind="a hole that was filled with repeats: that is a matter of longest_repeat",
    ),
    Metric("hole_times", "s", "holes of more than half a second, in seconds of the source: from, to", kind="ranges"),
)
"""Metrics of `timing`."""

TOLD = 0.5
"""Seconds from which on a hole is listed."""

MOST_TOLD = 20
"""Holes listed at most, the first ones."""


def timing(facts: Probe) -> dict[str, Any]:
    """Values of METRICS."""
    edges = np.append(facts.times, facts.times[-1] + facts.last) - facts.origin
    edges[0] = min(edges[0], facts.start - facts.origin)
    gaps = np.diff(edges)
    holes = [[float(edges[place]), float(edges[place + 1])] for place in np.flatnonzero(gaps > TOLD)[:MOST_TOLD]]
    inner = np.diff(facts.times)
    return {
        "frame_rate": 1 / float(np.median(inner)) if len(inner) and np.median(inner) > 0 else None,
        "longest_hole": float(gaps.max()),
        "hole_times": holes,
    }


def check_timing(name: str, facts: Probe) -> None:
    """Raises BadVideo where there is one frame only, or none for so long that the file is no one recording."""
    gaps = np.diff(facts.times)
    if len(gaps) == 0:
        raise BadVideo(f"{name} is too short: 1 frame, said to last {facts.last:.2f} s")
    place = int(gaps.argmax())
    if gaps[place] > STANDSTILL:
        begin, end = (float(time) - facts.origin for time in facts.times[place : place + 2])
        raise BadVideo(f"{name} has no picture from {begin:.2f} to {end:.2f} s: cut it there")

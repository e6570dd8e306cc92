"""Interlacing that no one declared: two fields of different times, stored as one progressive frame.

Where something moves, its edges are combs: rows that alternate. Fine detail may alternate, too, so that a comb is only
what starts the second look: ffmpeg's `idet` compares the rows of frames in a row with their neighbours in time, which
tells a field of another time from a fine pattern, and says which field comes first.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.ffmpeg import FfmpegFailed, run, video_input
from portrait_prep.media.probe import Probe
from portrait_prep.pipeline.declare.metric import Metric

STEP = 12
"""Grey levels by which each row of a comb differs from its neighbours."""

SUSPECT = 0.0015
"""Share of pixels in combs from which on there is a second look: progressive frames come to 0.0011, combed to 0.08."""

FRAMES = 75
"""Frames of that look, in a row."""

METRICS = (
    Metric(
        "combing",
        "share",
        "greatest share of pixels in combs (four rows that alternate by 12 grey levels each) on the frames looked at, "
        f"before deinterlacing; from {SUSPECT:g} on ffmpeg's idet looks at {FRAMES} frames, and what it finds "
        "interlaced is deinterlaced",
        blind="combs that were scaled; those of a face that hardly moves",
    ),
    Metric(
        "fields", "", "which field comes first, where fields were found that nobody declared: tff, bff", kind="text"
    ),
)


def combing(luma: NDArray[np.uint8]) -> float:
    """Share of pixels of a picture [height, width] that lie in combs."""
    steps = np.diff(luma[:, ::2].astype(np.int16), axis=0)
    large, up = np.abs(steps) >= STEP, steps > 0
    turns = large[1:] & large[:-1] & (up[1:] != up[:-1])
    return float(np.mean(turns[1:] & turns[:-1])) if len(turns) > 1 else 0.0


def field_order(path: Path, facts: Probe) -> str | None:
    """Which field comes first, `tff` or `bff`, where most of some frames are two fields; None where they are not."""
    picture = video_input(path, facts)[str(facts.index)].filter("idet")
    told = picture.filter("metadata", mode="print", key=KEY, file="pipe:1")
    kinds: list[str] = []

    def consume(pipe: IO[bytes]) -> None:
        kinds.extend(_kinds(pipe))

    try:
        run(told.output("-", format="null", **{"frames:v": FRAMES}), consume)
    except FfmpegFailed:
        return None  # what is wrong with it is found where it is encoded
    top, bottom = kinds.count("tff"), kinds.count("bff")
    if top + bottom <= len(kinds) / 2:
        return None
    return "tff" if top >= bottom else "bff"


KEY = "lavfi.idet.multiple.current_frame"


def _kinds(lines: Iterable[bytes]) -> Iterable[str]:
    return [line.decode().strip().partition("=")[2] for line in lines if line.startswith(KEY.encode())]

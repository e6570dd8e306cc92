"""Repeated frames: a photograph, a webcam that froze, a film of fewer than 25 pictures a second.

An encoder does not reproduce a repeated frame exactly, and people who sit still change little. So a frame counts as a
repeat in two cases: hardly any pixel changed by more than a few grey levels (a living face changes more, even smoothed
and compressed hard); or the change is small beside those of the neighbouring frames, as in a film of few pictures a
second. Only frames with a face count: black and titles are found by its absence.
"""

from array import array
from itertools import pairwise

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS, Image
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.stages.video.sampled import thinned

LEVELS = 3.0
"""Grey levels by which a pixel must differ to have changed, in a picture of usual contrast."""

CONTRAST = 40.0
"""Usual standard deviation of grey levels. LEVELS shrinks in proportion in a flatter picture, down to 1."""

MOST_CHANGED = 4
"""Pixels of a repeat that may have changed: one in a thousand."""

RELATIVE_CHANGE = 0.12
"""A frame is a repeat, too, if its mean change is below this share of the usual change around it."""

AROUND = FPS
"""Frames before and after that are compared with: in a second either way even 2 pictures a second change 4 times."""

RANK = 4
"""The usual change is the fourth largest of these: a single cut, blink or keyframe does not decide it."""

LASTING = 10
"""Between so many repeats before and after, one new picture does not end a stretch: encoders refine still pictures."""

METRICS = (
    Metric(
        "repeated_share",
        "share",
        "share of the frames with a face that repeat the one before: of 4096 pixels at most 4 change by 3 grey levels, "
        "or the mean change is below 0.12 of those around. Talkers come to 0.05, a film at 24 frames to 0.07, a calm "
        "listener to 0.10 and at x264's crf 40 to 0.49, film at half its speed to 0.51, a photograph to 0.97",
        title="Repeated frames",
        decimals=0,
        bounds=(
            at_most(
                "max_repeated_share",
                0.8,
                "greatest share of frames that repeat the one before",
                "{value:.0%} of the frames repeat the one before, more than {limit:.0%}: the picture stands still",
                ge=0,
                le=1,
            ),
        ),
        blind="a still person from a photograph with grain; repeats that an encoder changed, of a face that hardly "
        "moves",
    ),
    Metric(
        "picture_rate",
        "1/s",
        "new pictures a second, of 25: those that do not repeat the one before",
        title="New pictures",
        decimals=1,
        bounds=(
            at_least(
                "min_picture_rate",
                11.0,
                "least new pictures a second, of 25: film at half its speed has 12",
                "there are {value:.1f} new pictures a second, fewer than {limit:g}",
                ge=0,
                le=25,
            ),
        ),
        blind="what repeated_share cannot tell",
    ),
    Metric(
        "longest_repeat",
        "s",
        "longest time for which the picture stands still with a face in it; a new picture between ten repeats before "
        "and ten after does not count. People who sit still come to 0.4",
        title="Longest still",
        bounds=(
            at_most(
                "max_longest_repeat",
                1.0,
                "longest time, in seconds, for which the picture may stand still",
                "the picture stands still for {value:.2f} s, more than {limit:g} s",
                places="repeat_times",
                ge=0,
            ),
        ),
        blind="a freeze that an encoder of low quality keeps mending",
    ),
    Metric(
        "repeat_times",
        "s",
        "when that was, in seconds of the source: from, to",
        kind="ranges",
    ),
)
"""Metrics of `Repeats`."""


class Repeats:
    """Finds the repeated frames of one video, frame by frame; keeps six bytes a frame."""

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None
        self._changes, self._still, self._seen = array("f"), array("b"), array("b")

    def add(self, pixels: Image, seen: bool) -> None:
        """Take in the next frame, as `sampled` gives it, and whether it shows a face."""
        grey = cv2.cvtColor(thinned(pixels), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        change = np.full_like(grey, 255) if self._last is None else cv2.absdiff(grey, self._last)
        level = max(LEVELS * min(float(cv2.meanStdDev(grey)[1][0, 0]) / CONTRAST, 1.0), 1.0)
        self._changes.append(float(change.mean()))
        self._still.append(int(np.count_nonzero(change >= level)) <= MOST_CHANGED)
        self._seen.append(seen)
        self._last = grey

    def metrics(self, start: float) -> dict[str, float | list[list[float]] | None]:
        """Values of METRICS, where the first frame is shown at second `start` of the source; None without a face."""
        seen = np.array(self._seen, bool)
        if not seen.any():
            return {"repeated_share": None, "picture_rate": None, "longest_repeat": None, "repeat_times": []}
        repeats = self._repeats() & seen
        share = float(repeats.sum() / seen.sum())
        first, last = longest_still(repeats)
        return {
            "repeated_share": share,
            "picture_rate": FPS * (1 - share),
            "longest_repeat": (last - first) / FPS,
            "repeat_times": [[start + first / FPS, start + last / FPS]] if last > first else [],
        }

    def _repeats(self) -> NDArray[np.bool_]:
        """Which frames repeat the one before, bool [frames]; the first does not."""
        changes = np.array(self._changes, np.float32)
        changes[0] = 0
        around = sliding_window_view(np.pad(changes, AROUND), 2 * AROUND + 1)
        usual = np.partition(around, -RANK, axis=1)[:, -RANK]
        repeats = np.array(self._still, bool) | (changes < RELATIVE_CHANGE * usual)
        repeats[0] = False
        return repeats


def longest_still(repeats: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest still stretch of `repeats`, bool [frames]: numbers of its first frame and of the last repeat.

    A new picture with LASTING repeats before and after it does not end a stretch. (0, 0) where there is no repeat.
    """
    new = np.append(np.flatnonzero(~repeats), len(repeats))
    first, longest, was_lasting = 0, (0, 0), False
    for picture, following in pairwise(new.tolist()):
        is_lasting = following - picture > LASTING
        if not (is_lasting and was_lasting):
            first = picture
        if following - 1 - first > longest[1] - longest[0]:
            longest = first, following - 1
        was_lasting = is_lasting
    return longest

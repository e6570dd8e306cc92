"""Dissolves: one picture turns into another one while both are seen.

In between, every place of the picture is the same mixture of what was there before and what comes after, in brightness
and in detail (what is left without the local mean). Motion, a turn of the head, a pan and a zoom mix nothing; a fade, a
light that is switched on, and a camera that exposes anew change the brightness of the same details. Heads move during a
dissolve, too, so what counts is what most places do: medians.
"""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.metric import Metric, at_most

Floats = NDArray[np.float32]

SIDE = 32
"""Blocks along each side of the picture that is looked at."""

LOCAL = 7
"""Blocks over which the local mean is taken."""

SPANS = (12, 20, 32, 56)
"""Frames between the ends that are compared: dissolves of 0.4 s to 2 s and some more."""

BETWEEN = np.arange(1, 8) / 8
"""Where in between frames are looked at, in shares of a span."""

EVERY = 3
"""Of so many frames one is looked at as the end of a dissolve."""

CHANGE = 8.0
"""Grey levels by which the brightness of a place must change to count."""

CHANGED = 0.3
"""Share of the places that must."""

DETAIL = 3.0
"""Grey levels, root mean square, that the details of either end must have: a fade has none at one end."""

EVEN = 0.4
"""Least ratio of the details of one end to those of the other."""

CLEAR = 2.0
"""Grey levels of a detail that has a sign."""

FEWEST = 60
"""Places, of 1024, that it takes to compare details."""

OTHER = 0.65
"""Share of the details with the same sign at both ends from which on it is the same picture; by chance it is a half."""

UNMIXED = 0.2
"""How far places are from the common mixture, median, in units of their change. Dissolves come to 0.05 to 0.2; people
who turn to 0.27, zooms to 0.22, lights that are switched on to 0.26, at least.
"""

METRICS = (
    Metric(
        "dissolves",
        "",
        "dissolves of 0.4 to 2 s: in between, brightness and details are a mixture of before and after",
        title="Dissolves",
        decimals=0,
        bounds=(
            at_most(
                "max_dissolves",
                0,
                "most dissolves",
                "it has {value} dissolve{s} from one picture to another, more than {limit}",
                places="dissolve_times",
                ge=0,
            ),
        ),
        blind="one in ten, of 2 s one in four: between pictures much alike, such as plain backgrounds, or with fast "
        "motion; any through black or white; wipes. A zoom over fine texture may be taken for one",
    ),
    Metric("dissolve_times", "s", "where they are, in seconds of the source", kind="numbers"),
)


class Details:
    """What is left of a picture without the local mean: `values` [1024], and what of them is compared."""

    def __init__(self, values: Floats) -> None:
        self.values = values
        self.strength = np.sqrt(np.mean(values**2))
        self.above, self.below = values >= CLEAR, values <= -CLEAR

    def is_other(self, after: "Details") -> bool:
        """Whether another picture came after, with details of about the same strength."""
        weaker, stronger = sorted((self.strength, after.strength))
        if weaker < max(DETAIL, EVEN * stronger):
            return False
        same = np.count_nonzero(self.above & after.above) + np.count_nonzero(self.below & after.below)
        clear = same + np.count_nonzero(self.above & after.below) + np.count_nonzero(self.below & after.above)
        return bool(clear >= FEWEST and same / clear <= OTHER)


class Dissolves:
    """Finds the dissolves of one video, frame by frame; `frames` are those in their middle."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self._pictures: deque[Floats] = deque(maxlen=SPANS[-1] + 1)
        self._details: deque[Details] = deque(maxlen=SPANS[-1] + 1)
        self._number = 0
        self._last_hit = -SPANS[-1]

    def add(self, pixels: Image) -> None:
        """Take in the next frame, as `sampled` gives it."""
        picture = cv2.resize(cv2.extractChannel(pixels, 1), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(
            np.float32
        )
        self._pictures.append(picture.reshape(-1))
        self._details.append(Details((picture - cv2.blur(picture, (LOCAL, LOCAL))).reshape(-1)))
        if self._number % EVERY == 0:
            self._look()
        self._number += 1

    def _look(self) -> None:
        for span in SPANS:
            if span < len(self._pictures) and self._is_dissolve(span):
                if self._number - self._last_hit > SPANS[-1]:
                    self.frames.append(self._number - span // 2)
                self._last_hit = self._number
                return

    def _is_dissolve(self, span: int) -> bool:
        """Whether the last frame and the one `span` before it are the two ends of a dissolve."""
        start = len(self._pictures) - 1 - span
        if not self._details[start].is_other(self._details[-1]):
            return False
        picked = [start, *(start + round(span * share) for share in BETWEEN), start + span]
        shares = _shares(np.stack([self._pictures[number] for number in picked]), CHANGE, CHANGED * SIDE**2)
        if shares is None:
            return False
        mixture = np.median(shares, axis=1)
        middle = (mixture > 0.2) & (mixture < 0.8)
        if np.count_nonzero(middle) < 3:
            return False
        of_details = _shares(np.stack([self._details[number].values for number in picked]), 2.5 * CLEAR, FEWEST)
        return of_details is not None and all(
            np.median(np.abs(values - mixture[:, None])[middle], axis=1).mean() <= UNMIXED
            for values in (shares, of_details)
        )


def _shares(values: Floats, change: float, fewest: float) -> Floats | None:
    """How far rows in between [n, places] are on the way from the first row to the last; None with too few places.

    A place counts where the ends differ by at least `change`.
    """
    way = values[-1] - values[0]
    changed = np.abs(way) >= change
    if np.count_nonzero(changed) < fewest:
        return None
    return np.asarray((values[1:-1, changed] - values[0, changed]) / way[changed], np.float32)

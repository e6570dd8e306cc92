"""Whether something covers the mouth: a bar of subtitles, a mask, a microphone.

The network places lips on whatever is there, so landmarks cannot tell; colour can. Lips of any skin are at least as
red for their brightness as the rest of the face. Paper, cloth, metal and letters are grey, or of another colour.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import FPS, Image
from portrait_prep.pipeline.declare.metric import Metric, at_most
from portrait_prep.stages.face.points import LIPS, UPPER_FACE

EVERY = 5
"""One in so many frames with a face is looked at."""

LEAST_REDNESS = 10.0
"""Median Cr - Cb of the upper face below which a look tells nothing: black and white, blue light, darkness."""

LEAST_LUMA = 16.0
"""Redness is divided by the luma, but by no less than this: colours of darker pixels are noise."""

LIPS_PERCENTILE = 75
"""Percentile of the points of the lips that is compared: a beard may hide some of them."""

COVERED_BELOW = 0.3
"""Share of the upper face's relative redness below which lips are covered. Lips come to 0.93 to 13, covers to 0.2."""

METRICS = (
    Metric(
        "mouth_covered_share",
        "share",
        "share of looks (every 5th frame with a face) at which what lies at the lips has less than 0.3 of the redness "
        "of the upper face. People come to 0; null where the face has no colour, as in black and white",
        title="Mouth covered",
        decimals=0,
        bounds=(
            at_most(
                "max_mouth_covered_share",
                0.3,
                "greatest share of looks at which what lies at the lips has not the colour of the face",
                "at {value:.0%} of the looks what lies at the lips has not the colour of the face, more than "
                "{limit:.0%}: something may cover the mouth",
                places="mouth_covered_times",
                ge=0,
                le=1,
            ),
        ),
        blind="a hand, or anything else as red as skin; letters without a bar; lips painted black, blue or "
        "green, or lost in black shadow, from a cover",
    ),
    Metric("mouth_covered_times", "s", "the longest time of that, in seconds of the source: from, to", kind="ranges"),
)


class MouthCover:
    """Measures one video, frame by frame: the values of METRICS."""

    def __init__(self) -> None:
        self._faces = self._looks = self._covered = 0
        self._run: list[int] = []
        """First and last frame of the covered looks that are going on; empty if the last look was not covered."""
        self._longest: list[int] = []

    def add(self, frame: int, image: Image, landmarks: NDArray[np.float32]) -> None:
        """Take in the next frame with a face: its number, RGB uint8 [height, width, 3], landmarks [478, 3] in px."""
        if self._faces % EVERY == 0:
            lips, face = _redness(image, landmarks[LIPS]), _redness(image, landmarks[UPPER_FACE])
            if np.median(face[0]) >= LEAST_REDNESS:
                self._look(frame, bool(np.percentile(lips[1], LIPS_PERCENTILE) < COVERED_BELOW * np.median(face[1])))
        self._faces += 1

    def _look(self, frame: int, covered: bool) -> None:
        self._looks += 1
        self._covered += covered
        self._run = [*self._run[:1], frame] if covered else []
        self._longest = max(self._longest, self._run, key=lambda run: run[-1] - run[0] + 1 if run else 0)

    def metrics(self, start: float) -> dict[str, Any]:
        """Values of METRICS; the first frame is shown at second `start` of the source.

        The share is None where half of the looks or more tell nothing.
        """
        told = 2 * self._looks * EVERY > self._faces
        times = [[start + frame / FPS for frame in (self._longest[0], self._longest[-1])]] if self._longest else []
        return {
            "mouth_covered_share": self._covered / self._looks if told else None,
            "mouth_covered_times": times if told else [],
        }


def _redness(image: Image, points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cr - Cb (BT.601) of the pixels at points [n, 3], and the same relative to their luma: float64 [n] each."""
    limits = np.array(image.shape[1::-1]) - 1
    columns, rows = np.clip(np.rint(points[:, :2]), 0, limits).astype(np.intp).T
    red, green, blue = image[rows, columns].astype(np.float64).T
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    redness = 0.713 * (red - luma) - 0.564 * (blue - luma)
    return redness, redness / np.maximum(luma, LEAST_LUMA)

"""Which frames of the chosen videos become a clip, as MODA's loader takes and counts them.

Source: https://github.com/taichuai/MODA, datasets/audio2repr_dataset.py (`prepare_subject_dataset`, `__getitem__`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from portrait_prep.media.picture import FPS
from portrait_prep.media.wav import RATE, SAMPLES_PER_FRAME
from portrait_prep.views.exporting.stretches import named_stretches
from portrait_prep.views.moda.windows import LENGTH, STRIDE
from portrait_prep.views.reading.selection import Footage
from portrait_prep.views.reading.windows import Window

LEAST = LENGTH + STRIDE + 1
"""Frames of the shortest clip that the loader takes a sample from, and that leaves its index of the others whole."""
TRAIN, TEST = "train.txt", "test.txt"
LISTS = {"val": TEST, "test": TEST}
"""Split -> the list that its clips are in; all others are in the first."""


@dataclass(frozen=True)
class Clip:
    """Frames that become one folder, `name`. `list_file` names it; empty where it is too short for the loader."""

    name: str
    window: Window
    list_file: str


def clips_of(videos: Sequence[Footage], trim: bool) -> list[Clip]:
    """One of each stretch between long gaps.

    Up to two frames are cut off the end where the loader would miscount them; `trim`: up to 199, so that a clip's
    length is 601 + 200 k.
    """
    found = list[Clip]()
    for name, window in named_stretches(videos, (TRAIN, TEST)):
        frames = window.frames
        listed = frames >= LEAST
        if listed:
            frames = _counted_rightly(frames - (frames - LEAST) % STRIDE if trim else frames)
        list_file = LISTS.get(videos[window.video].video.split or "", TRAIN) if listed else ""
        found.append(Clip(name, window._replace(frames=frames), list_file))
    return found


def _counted_rightly(frames: int) -> int:
    """The most frames up to so many that the loader counts as such; it stretches others to what it counts.

    It rounds seconds times frames a second down, in floating point: of 803 frames it makes 802.
    """
    return next(count for count in range(frames, 0, -1) if int(count * SAMPLES_PER_FRAME / RATE * FPS) == count)

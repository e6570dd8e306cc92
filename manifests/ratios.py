"""Splitting videos by ratios of footage: 80/10/10 of the hours, with all videos of a subject on one side."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from portrait_prep.errors import BadInput
from portrait_prep.manifests.splits import TEST, TRAIN, VAL, apportioned, is_unsplit, of_corpus
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import a_few, counted

By = Literal["subject", "video", "session", "source", "statement"]
"""What stays whole in a split: all videos with the same value of this field are on one side."""

NAMES = {2: (TRAIN, TEST), 3: (TRAIN, VAL, TEST)}
"""What the sides are called, by how many there are."""


@dataclass(frozen=True)
class Ratios:
    """A split to be made: side -> ratio of footage, what stays whole, and which videos it is about.

    Without `ratios` the shares are those of the videos that have a split already. `corpus`: only videos of this corpus.
    `only_new`: only those of which no split has decided; the others stay, and count.
    """

    ratios: Mapping[str, float]
    by: By = "subject"
    seed: int = 0
    corpus: str | None = None
    only_new: bool = False

    def split(self, videos: Sequence[Video]) -> list[Video]:
        """The rows with a split in these ratios, and `split_by`; see `splits.apportioned`.

        A video of unknown duration counts as the mean one; one that repeats another is on that one's side. A side of
        ratio 0 stays empty. Raises BadInput where there are fewer subjects (sessions …) than sides, or a video is of
        none.
        """
        own = videos if self.corpus is None else of_corpus(videos, self.corpus)
        chosen = [video for video in own if not self._left_out(video)]
        if not chosen:
            raise BadInput("There is no video here to be split: add some by 'portrait-prep init'.")
        groups = self._groups(chosen)
        sides = self._sides(chosen, groups)
        split = {video_id: sides[group] for video_id, group in groups.items()}
        changing = {video.video_id for video in chosen if not self.only_new or is_unsplit(video)}
        return [
            video.model_copy(update={"split": split.get(video.repeats or video.video_id), "split_by": self.by})
            if video.video_id in changing
            else video
            for video in videos
        ]

    def _left_out(self, video: Video) -> bool:
        """Whether a split that stays left this video out on purpose."""
        return self.only_new and video.split is None and not is_unsplit(video)

    def _groups(self, videos: Sequence[Video]) -> dict[str, str]:
        """Video -> what stays whole with it, for those that are worked on."""
        field = "video_id" if self.by == "video" else self.by
        found = {video.video_id: getattr(video, field) for video in videos if video.worked_on}
        if without := [video_id for video_id, group in found.items() if group is None]:
            raise BadInput(
                f"--by {self.by} does not fit: without a {self.by} are {a_few(without)} of {len(found)} videos."
            )
        return {video_id: str(group) for video_id, group in found.items()}

    def _sides(self, videos: Sequence[Video], groups: Mapping[str, str]) -> Mapping[str, str]:
        """The side of each group."""
        settled = {}
        if self.only_new:
            settled = {groups[video.video_id]: video.split for video in videos if video.worked_on and video.split}
        weights = _summed((groups[video_id], seconds) for video_id, seconds in footage(videos).items())
        ratios = self.ratios or _summed((side, weights[group]) for group, side in settled.items())
        shares = {side: ratio for side, ratio in ratios.items() if ratio}
        if not shares:
            raise BadInput("No video has a split yet that new ones could follow: say --ratios, such as 80/10/10.")
        # What is on another side has no part in this.
        weights = {group: seconds for group, seconds in weights.items() if settled.get(group) in (None, *shares)}
        free, empty = weights.keys() - settled.keys(), shares.keys() - settled.values()
        if len(free) < len(empty) and not (self.only_new and not free):
            raise BadInput(
                f"{counted(len(free), self.by)} cannot make {counted(len(empty), 'split')}: give fewer ratios"
                f"{'' if self.by == 'video' else ', or split by video (--by video)'}."
            )
        return settled | apportioned(weights, shares, self.seed, settled)


def _summed(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The sum of each name's numbers, the same in whatever order they come."""
    numbers: dict[str, list[float]] = defaultdict(list)
    for name, number in parts:
        numbers[name].append(number)
    return {name: math.fsum(own) for name, own in numbers.items()}


def footage(videos: Sequence[Video]) -> dict[str, float]:
    """Seconds of each video that is worked on; of one of unknown duration the mean of the others (1 where all are)."""
    worked_on = [video for video in videos if video.worked_on]
    known = [video.duration for video in worked_on if video.duration]
    mean = math.fsum(known) / len(known) if known else 1.0
    return {video.video_id: video.duration or mean for video in worked_on}


def read_ratios(text: str) -> dict[str, float]:
    """Side -> ratio, of two numbers (train/test) or three (train/val/test). Raises BadInput for anything else."""
    try:
        ratios = [float(part) for part in re.split("[/:,]", text)]
    except ValueError:
        ratios = []
    if len(ratios) not in NAMES or not all(0 <= ratio < math.inf for ratio in ratios) or not any(ratios):
        raise BadInput(f"--ratios '{text}' are none: give two numbers (80/20: train/test) or three (80/10/10).")
    return dict(zip(NAMES[len(ratios)], ratios, strict=True))

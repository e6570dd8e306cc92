"""Merging the videos that a corpus lists into a catalogue: known rows keep their place, new ones get a shard."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from portrait_prep.manifests.splits import BY_SUBJECT, SIDES
from portrait_prep.manifests.video import CUT, Video


class OnMerge(Enum):
    """What happens to a field of a known row when its corpus lists the video again."""

    OWN = "kept: belongs to the catalogue, no corpus sets it"
    FIXED = "kept: no video changes its split or subject under a trained model"
    FOOTAGE = "replaced together with all other fields of this kind, or none is: file, interval and crop"
    CORRECTED = "replaced: a corpus may correct its labels"


ON_MERGE: Mapping[str, OnMerge] = {
    **dict.fromkeys(Video.model_fields, OnMerge.CORRECTED),
    **dict.fromkeys(("video_id", "corpus", "shard", "sound_shift"), OnMerge.OWN),
    **dict.fromkeys(("subject", "split", "split_by", "fold"), OnMerge.FIXED),
    **dict.fromkeys(("source", "sound", "duration", *CUT), OnMerge.FOOTAGE),
}


def merge(known: Sequence[Video], listed: Iterable[Video], shard_seconds: float) -> list[Video]:
    """Add to `known` the videos of `listed` whose id is new, each given a shard; the first of equal ids counts.

    `ON_MERGE` says which fields of a known row are replaced; a local file is never replaced by an address. Known rows
    that are not listed are kept, and so are rows of another corpus with the same id. A shard takes whole videos, in
    order, while their total duration is at most `shard_seconds`; a longer video gets a shard of its own. The last shard
    of the corpus is filled up first; no video ever changes its shard. New videos follow a split that was made since;
    see `_Placing`.
    """
    merged = {video.video_id: video for video in known}
    last, placing = _last_shards(known), _Placing(known)
    seen: set[str] = set()
    for video in listed:
        if video.video_id in seen:
            continue
        seen.add(video.video_id)
        if old := merged.get(video.video_id):
            merged[video.video_id] = _updated(old, video) if old.corpus == video.corpus else old
            continue
        seconds = video.duration or 0.0
        number, footage = last.get(video.corpus, (-1, math.inf))
        if footage + seconds > shard_seconds:
            number, footage = number + 1, 0.0
        last[video.corpus] = (number, footage + seconds)
        placed = placing.placed(video)
        merged[video.video_id] = placed.model_copy(update={"shard": f"{video.corpus}-{number:05d}"})
    return list(merged.values())


class _Placing:
    """On which side of a split or fold a new video is: nobody gets on two sides, and no two splits are mixed."""

    def __init__(self, known: Iterable[Video]) -> None:
        self._subjects: dict[str, dict[str, Any]] = defaultdict(dict)
        """Subject -> fields that all its new videos have, too."""
        self._ways: dict[str, set[str | None]] = defaultdict(set)
        """Corpus -> what its splits keep whole."""
        for video in known:
            if not video.worked_on:
                continue
            if video.split is not None:
                self._ways[video.corpus].add(video.split_by)
            if video.split_by in BY_SUBJECT:
                sides = {name: side for name in SIDES if (side := getattr(video, name)) is not None}
                self._subjects[video.subject] |= sides | ({"split_by": video.split_by} if "split" in sides else {})

    def placed(self, video: Video) -> Video:
        """A new video of a known subject is on its side. Of others, a split that the corpus has no more is dropped."""
        ways = self._ways.get(video.corpus, {None})
        given = {} if ways & {None, video.split_by} else {"split": None, "split_by": None}
        return video.model_copy(update=given | self._subjects.get(video.subject, {}))


def _updated(old: Video, new: Video) -> Video:
    """A known row with what the corpus now says of it."""
    footage_stays = new.remote and not old.remote
    replaced = {OnMerge.CORRECTED} if footage_stays else {OnMerge.CORRECTED, OnMerge.FOOTAGE}
    return old.model_copy(update={name: getattr(new, name) for name, kind in ON_MERGE.items() if kind in replaced})


def _last_shards(videos: Sequence[Video]) -> dict[str, tuple[int, float]]:
    """For each corpus: the number of its last shard, and the footage in it in seconds."""
    footage: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for video in videos:
        number = video.shard.removeprefix(f"{video.corpus}-")
        if number.isdecimal():  # a shard that a person named is never filled up
            footage[video.corpus][int(number)] += video.duration or 0.0
    return {corpus: max(shards.items()) for corpus, shards in footage.items()}

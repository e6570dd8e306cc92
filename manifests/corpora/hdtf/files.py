"""Files of HDTF that a user has already: which clip each is for, and what to take from it."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portrait_prep.manifests.corpora.folder.files import videos_below
from portrait_prep.manifests.corpora.hdtf.annotations import SUBSETS, Annotations, Clip
from portrait_prep.manifests.video import source_of
from portrait_prep.media.box import Box
from portrait_prep.media.probe import duration

NAMED = re.compile(rf"(?:({'|'.join(SUBSETS)})_)?([A-Za-z-]+[0-9]*)(?:_([0-9]+))?")
"""`WDA_KatieHill_000`, `KatieHill_0`: a clip that is cut already; `KatieHill`, `WDA_KatieHill`: a whole video."""


@dataclass(frozen=True)
class Take:
    """What to take of a source: `start` to `end` in seconds, inside `crop` in pixels of a picture `height` high.

    0: nobody knows how high, so that the crop cannot be used; None: as high as the source's own.
    """

    source: str
    start: float | None = None
    end: float | None = None
    crop: Box | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Files:
    """Ready clips by clip id and by `footage`, whole videos by `video_key`.

    `unannotated` are named after a video of the release, but not after an interval that it has; `others` after none.
    """

    ready: Mapping[str, Path] = field(default_factory=dict)
    same: Mapping[tuple[str, float, float], Path] = field(default_factory=dict)
    whole: Mapping[str, Path] = field(default_factory=dict)
    unannotated: Sequence[Path] = ()
    others: Sequence[Path] = ()

    def take(self, clip: Clip) -> Take:
        """The clip's own file as it is, else its part of the whole video's file, else of what lies at its address.

        A file under another name that the lists have for the same footage is as good as its own.
        """
        if path := self.ready.get(clip.clip_id) or self.same.get(clip.footage):
            return Take(source_of(path), duration=duration(path))
        if path := self.whole.get(clip.video_key):
            length = duration(path)
            end = clip.end if length is None else min(clip.end, length)
            return _annotated(source_of(path), clip, max(end - clip.start, 0.0))
        return _annotated(clip.address, clip, clip.end - clip.start)


def _annotated(source: str, clip: Clip, seconds: float) -> Take:
    """The clip's interval of a whole video and its crop as they are annotated: who sees the picture scales the crop."""
    return Take(source, clip.start, clip.end, clip.crop, clip.height, seconds)


def find_files(source: Path, lists: Annotations) -> Files:
    """Sort the videos below the folder `source`; of two for the same clip the first by path counts.

    Raises BadInput when it cannot be listed.
    """
    clips = {(clip.video, clip.index): clip for clip in lists.clips}
    keys = {clip.video: clip.video_key for clip in lists.clips}
    videos = {*keys, *lists.without_interval}
    ready: dict[str, Path] = {}
    same: dict[tuple[str, float, float], Path] = {}
    whole: dict[str, Path] = {}
    unannotated: list[Path] = []
    others: list[Path] = []
    for path in videos_below(source):
        video, index = _named(path.stem, videos)
        if video is None:
            others.append(path)
        elif index is None and video in keys:
            whole.setdefault(keys[video], path)
        elif index is not None and (clip := clips.get((video, index))):
            ready.setdefault(clip.clip_id, path)
            same.setdefault(clip.footage, path)
        else:
            unannotated.append(path)
    return Files(ready, same, whole, unannotated, others)


def _named(stem: str, videos: Collection[str]) -> tuple[str | None, int | None]:
    """The one of `videos` that a file is named after, and the number of the interval, where its name has one."""
    if not (match := NAMED.fullmatch(stem)):
        return None, None
    subset, name, index = match.groups()
    known = [video for each in SUBSETS if subset in (None, each) and (video := f"{each}_{name}") in videos]
    return (known[0] if known else None), (None if index is None else int(index))

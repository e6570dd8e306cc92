"""Files of HDTF that a user has already: which clip each is for, and what to take from it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from manifests.catalogue import source_of
from manifests.corpora.folder import videos_below
from manifests.corpora.hdtf_annotations import SUBSETS, Clip
from manifests.crops import Crop, fitted
from manifests.probe import NotAVideo, duration, probe

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
    crop: Crop | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Files:
    """Ready clips by clip id, whole videos by `video_key`; `others` have a name that no video of the release has."""

    ready: Mapping[str, Path] = field(default_factory=dict)
    whole: Mapping[str, Path] = field(default_factory=dict)
    others: Sequence[Path] = ()

    def take(self, clip: Clip) -> Take:
        """The clip's own file as it is, else its part of the whole video's file, else of what lies at its address."""
        if path := self.ready.get(clip.clip_id):
            return Take(source_of(path), duration=duration(path))
        if path := self.whole.get(clip.video_key):
            return _part(path, clip)
        return Take(clip.address, clip.start, clip.end, clip.crop, clip.height, clip.end - clip.start)


def find_files(source: Path, clips: Sequence[Clip]) -> Files:
    """Sort the videos below the folder `source`; of two for the same clip the first by path counts.

    Raises BadInput when it cannot be listed.
    """
    named = {clip.name: clip for clip in clips}
    known = {clip.clip_id for clip in clips}
    ready: dict[str, Path] = {}
    whole: dict[str, Path] = {}
    others: list[Path] = []
    for path in videos_below(source):
        match = NAMED.fullmatch(path.stem)
        clip = named.get(match[2]) if match else None
        if not match or clip is None or match[1] not in (None, clip.subset):
            others.append(path)
        elif match[3] is None:
            whole.setdefault(clip.video_key, path)
        elif (clip_id := f"{clip.subset}_{clip.name}_{int(match[3]):03d}") in known:
            ready.setdefault(clip_id, path)
        else:
            others.append(path)
    return Files(ready, whole, others)


def _part(path: Path, clip: Clip) -> Take:
    """The clip's interval of a whole video; its crop, where there is one that can be used, at the picture's height."""
    length, picture = _measured(path)
    end = clip.end if length is None else min(clip.end, length)
    crop = fitted(clip.crop, clip.height, picture) if picture and clip.crop else None
    height = picture[1] if picture and crop else None
    return Take(source_of(path), clip.start, clip.end, crop, height, max(end - clip.start, 0.0))


def _measured(path: Path) -> tuple[float | None, tuple[int, int] | None]:
    """Seconds, and width and height as displayed; None for what cannot be read: the stages will say why."""
    try:
        return duration(path), probe(path, end=1.0).display
    except (NotAVideo, OSError):
        return duration(path), None

"""The annotation lists of HDTF: fifteen text files, five for each of three subsets, read by their grammar.

Fields are separated by spaces; `NAME` is a person's name and perhaps a number that tells that person's videos apart.

    <subset>_video_url.txt      NAME https://www.youtube.com/watch?v=ID[&t=Ns]   (or any other http(s) address)
    <subset>_resolution.txt     NAME.mp4 HEIGHT                    pixels
    <subset>_annotion_time.txt  NAME.mp4 MM:SS-MM:SS …             (the file name really is spelled so)
    <subset>_crop_wh.txt        NAME_INDEX.mp4 X WIDTH Y HEIGHT    pixels of a picture that is HEIGHT high
    <subset>_crop_ratio.txt     NAME_INDEX.mp4 SCALE

Source: Zhang et al., Flow-guided One-shot Talking Face Generation with a High-resolution Audio-visual Dataset, CVPR
2021; https://github.com/MRzzm/HDTF.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from portrait_prep.errors import BadInput
from portrait_prep.media.box import Box
from portrait_prep.media.file import MOST_TEXT, regular

SUBSETS = ("RD", "WDA", "WRA")
BYTE_ORDER_MARK = "\ufeff"
WATCH = "https://www.youtube.com/watch?v="
ON_YOUTUBE = re.compile(r"https?://(?:www\.|m\.)?youtube\.com/watch\?v=([A-Za-z0-9_-]{11})(?:[&#].*)?")
ELSEWHERE = re.compile(r"https?://(?!(?:www\.|m\.)?youtube\.com/watch\b)[^/?#]+(?:[/?#].*)?")
"""A mirror or a server of one's own; a YouTube address with an id that cannot be one is a slip of the pen."""
INTERVAL = re.compile(r"(\d+):([0-5]\d)-(\d+):([0-5]\d)")

T = TypeVar("T")


@dataclass(frozen=True)
class Clip:
    """One annotated interval, in seconds; `ratio` says how far to zoom out. None for what the lists do not have.

    `video_key` tells one video from another: the id by which YouTube knows it, elsewhere the address itself.
    """

    subset: str
    name: str
    index: int
    video_key: str
    height: int
    start: float
    end: float
    crop: Box | None
    ratio: float | None

    @property
    def video(self) -> str:
        """`WDA_KatieHill`: the video by its name in the lists, of which it can have two."""
        return f"{self.subset}_{self.name}"

    @property
    def clip_id(self) -> str:
        """`WDA_KatieHill_000`, as the usual downloader names its files."""
        return f"{self.video}_{self.index:03d}"

    @property
    def footage(self) -> tuple[str, float, float]:
        """What is seen in it: clips that are listed twice have the same."""
        return self.video_key, self.start, self.end

    @property
    def address(self) -> str:
        """Where the whole video is."""
        return self.video_key if ELSEWHERE.fullmatch(self.video_key) else WATCH + self.video_key


@dataclass(frozen=True)
class Annotations:
    """All clips in the order of the lists, the videos that have none, and what is odd about how they are written."""

    clips: tuple[Clip, ...]
    without_interval: tuple[str, ...]
    oddities: tuple[str, ...]


def read_annotations(folder: Path) -> Annotations:
    """Read the fifteen lists in `folder`. Raises BadInput where one is missing or breaks the grammar."""
    oddities: list[str] = []
    clips: list[Clip] = []
    without: list[str] = []
    for subset in SUBSETS:
        lists = _Lists.read(folder, subset, oddities)
        clips += lists.clips(subset)
        without += [f"{subset}_{name}" for name in lists.videos if name not in lists.intervals]
    return Annotations(tuple(clips), tuple(without), tuple(oddities))


@dataclass(frozen=True)
class _Lists:
    """The five lists of a subset, by name or by name and index."""

    videos: dict[str, str]
    heights: dict[str, int]
    intervals: dict[str, list[tuple[float, float]]]
    crops: dict[str, Box]
    ratios: dict[str, float]

    @classmethod
    def read(cls, folder: Path, subset: str, oddities: list[str]) -> "_Lists":
        def entries(kind: str, parse: Callable[[list[str]], T]) -> dict[str, T]:
            return _entries(folder / f"{subset}_{kind}.txt", parse, oddities)

        lists = cls(
            videos=entries("video_url", _video_key),
            heights=entries("resolution", lambda fields: int(_only(fields))),
            intervals=entries("annotion_time", lambda fields: [_interval(field) for field in fields]),
            crops=entries("crop_wh", _crop),
            ratios=entries("crop_ratio", lambda fields: float(_only(fields))),
        )
        lists.check(subset)
        return lists

    def check(self, subset: str) -> None:
        """What one list names, another must know. Raises BadInput."""
        indexed = {f"{name}_{index}" for name, found in self.intervals.items() for index in range(len(found))}
        for kind, names, known in (
            ("resolution", self.heights.keys(), self.videos.keys()),
            ("annotion_time", self.intervals.keys(), self.videos.keys() & self.heights.keys()),
            ("crop_wh", self.crops.keys(), indexed),
            ("crop_ratio", self.ratios.keys(), indexed),
        ):
            if unknown := sorted(names - known):
                raise BadInput(
                    f"{subset}_{kind}.txt has {unknown[0]}, which the other lists of {subset} do not have: "
                    "get HDTF_dataset again as published."
                )

    def clips(self, subset: str) -> Iterator[Clip]:
        for name, video_key in self.videos.items():
            for index, (start, end) in enumerate(self.intervals.get(name, ())):
                key = f"{name}_{index}"
                crop, ratio = self.crops.get(key), self.ratios.get(key)
                yield Clip(subset, name, index, video_key, self.heights[name], start, end, crop, ratio)


def _entries(path: Path, parse: Callable[[list[str]], T], oddities: list[str]) -> dict[str, T]:
    """The lines of a list by their first field, less the `.mp4` that most lists write behind it."""
    lines = _lines(path, oddities)
    found: dict[str, T] = {}
    for number, line in enumerate(lines, 1):
        if not (fields := line.split()):
            continue
        name = fields[0].removesuffix(".mp4")
        try:
            if name in found:
                raise ValueError(f"{name} stands in it twice")
            found[name] = parse(fields[1:])
        except ValueError as error:
            raise BadInput(
                f"Line {number} of {path} cannot be used ({error}): get HDTF_dataset again as published."
            ) from error
    return found


def _lines(path: Path, oddities: list[str]) -> list[str]:
    try:
        text = regular(path, MOST_TEXT).read_text("utf-8")
    except FileNotFoundError as error:
        raise BadInput(
            f"There is no {path}: give the folder HDTF_dataset of https://github.com/MRzzm/HDTF as --annotations."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): get HDTF_dataset again as published.") from error
    if text.startswith(BYTE_ORDER_MARK):
        oddities.append(f"{path.name} begins with a byte-order mark")
    lines = text.removeprefix(BYTE_ORDER_MARK).splitlines()
    if trailing := sum(line != line.rstrip() for line in lines):
        oddities.append(f"{path.name} has a space at the end of {trailing} line{'s' if trailing > 1 else ''}")
    return lines


def _only(fields: list[str]) -> str:
    if len(fields) != 1:
        raise ValueError(f"one value expected, not {len(fields)}")
    return fields[0]


def _video_key(fields: list[str]) -> str:
    """The eleven characters by which YouTube knows the video, or the address of a video that lies elsewhere."""
    address = _only(fields)
    if match := ON_YOUTUBE.fullmatch(address):
        return match[1]
    if not ELSEWHERE.fullmatch(address):
        raise ValueError(f"{address} is no address of a video")
    return address


def _interval(field: str) -> tuple[float, float]:
    if not (match := INTERVAL.fullmatch(field)):
        raise ValueError(f"{field} is no interval MM:SS-MM:SS")
    minutes, seconds, to_minutes, to_seconds = map(int, match.groups())
    start, end = 60 * minutes + seconds, 60 * to_minutes + to_seconds
    if end <= start:
        raise ValueError(f"{field} ends before it begins")
    return float(start), float(end)


def _crop(fields: list[str]) -> Box:
    if len(fields) != 4:
        raise ValueError(f"four values expected, not {len(fields)}")
    x, w, y, h = map(int, fields)
    if min(x, y) < 0 or min(w, h) <= 0:
        raise ValueError("a crop of no size or outside of the picture")
    return Box(x, y, w, h)

"""The corpus HDTF: 436 annotated intervals of 369 videos on YouTube.

A video's id is `<subset>_<name>_<index>` (`WDA_KatieHill_000`). Its subject is the person, `KatieHill`: HDTF's name
without subset and without the number behind it; persons known to go by two names have one. The lists call all of RD
`Radio1`, `Radio2` … and say nowhere who speaks: these count as one subject, so that nobody can be on both sides of a
split.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.hdtf.annotations import Annotations, Clip, read_annotations
from portrait_prep.manifests.corpora.hdtf.files import Files, Take, find_files
from portrait_prep.manifests.splits import by_subject, drawn
from portrait_prep.manifests.video import DUPLICATE_OF, Video
from portrait_prep.manifests.wording import a_few, counted, largest

CORPUS = "hdtf"
LICENCE = "annotations CC BY 4.0; the video's rights are its owner's on YouTube"

SplitBy = Literal["subject", "random"]
"""`subject`: about 80 % of the subjects for training, 20 % for testing, nobody in both.

`random`: as in the paper, 132 videos for training and 32 for testing, whoever speaks; the others are in neither. The
paper does not list them: they are drawn by a seed.
"""
PAPER = {"train": 132, "test": 32}

ALSO = {"WhipJimClyburn": "JamesClyburn"}
"""Persons by another name that the lists use: gh3YqnvNdio is listed under both."""

USUAL_HEIGHTS = (720, 1080)

DUPLICATED = f"{DUPLICATE_OF}another"
NO_CROP = "no crop"
OUT_OF_ORDER = "out of order"
CONTAINS = "contains another interval"
NO_HEIGHT = "declared height 0"
ODD_HEIGHT = "odd declared height"
TOO_TALL = "crop taller than declared height"

HANDLED: Mapping[str, str] = {
    DUPLICATED: "kept in the catalogue, never worked on",
    NO_CROP: "cropped around the detected face",
    OUT_OF_ORDER: "taken as written",
    CONTAINS: "both are taken",
    NO_HEIGHT: "the crop is of no known scale: cropped around the detected face",
    ODD_HEIGHT: "taken as written, and scaled to the height of the file",
    TOO_TALL: "the crop cannot be right: cropped around the detected face",
}
"""Each kind of defect, and what is done about it."""

CUT_SHORT = 1.0
"""Seconds by which a file may miss its interval untold: the lists give whole seconds."""


def catalogue(annotations: Path, source: Path | None = None, split: SplitBy = "subject", seed: int = 0) -> list[Video]:
    """One row for each interval that the lists in `annotations` give, in their order.

    `source` is a folder with files that are there already. A row whose file is not there has the video's address as its
    source. Raises BadInput when a list or the folder cannot be used, and when there is nothing to list.
    """
    _check(split)
    lists = read_annotations(annotations)
    clips = lists.clips
    if not clips:
        raise BadInput(f"The lists in {annotations} have no interval: get HDTF_dataset again as published.")
    files = Files() if source is None else find_files(source, lists)
    defects = _defects(clips)
    rows = [_row(clip, files.take(clip), "; ".join(defects[clip.clip_id])) for clip in clips]
    return with_sides(rows, clips, split, seed)


def with_sides(rows: Sequence[Video], clips: Sequence[Clip], split: SplitBy = "subject", seed: int = 0) -> list[Video]:
    """The rows with this split. A random one is of all `clips` of the lists: one that is listed twice is on one side.

    Raises BadInput for a way to split that there is not.
    """
    _check(split)
    if split == "subject":
        return [row.model_copy(update={"split": by_subject(row.subject, seed=seed), "split_by": None}) for row in rows]
    sides = drawn((clip.video_key for clip in clips), PAPER["train"], PAPER["test"], seed)
    found = {clip.clip_id: sides.get(clip.video_key) for clip in clips}
    return [row.model_copy(update={"split": found.get(row.video_id), "split_by": "video"}) for row in rows]


def _check(split: str) -> None:
    if split not in get_args(SplitBy):
        raise BadInput(f"'{split}' is no way to split: use {', '.join(get_args(SplitBy))}.")


def subject_of(name: str) -> str:
    """The person behind an HDTF name: digits stripped, known duplicates merged."""
    person = name.rstrip("0123456789")
    return ALSO.get(person, person)


def _row(clip: Clip, take: Take, defect: str) -> Video:
    crop = take.crop
    return Video(
        video_id=clip.clip_id,
        corpus=CORPUS,
        subject=subject_of(clip.name),
        source=take.source,
        start=take.start,
        end=take.end,
        crop_x=crop and crop.x,
        crop_y=crop and crop.y,
        crop_w=crop and crop.w,
        crop_h=crop and crop.h,
        source_height=take.height,
        duration=take.duration,
        licence=LICENCE,
        defect=defect or None,
    )


def _defects(clips: Sequence[Clip]) -> Mapping[str, list[str]]:
    """Clip id -> its defects, a duplicate's first."""
    siblings: dict[tuple[str, str], list[Clip]] = defaultdict(list)
    same: dict[tuple[str, float, float], list[Clip]] = defaultdict(list)
    for clip in clips:
        siblings[clip.subset, clip.name].append(clip)
        same[clip.footage].append(clip)
    defects: dict[str, list[str]] = defaultdict(list)
    for group in same.values():
        kept = min(group, key=lambda clip: _person(clip) in ALSO)
        for clip in group:
            if clip is not kept:
                defects[clip.clip_id].append(DUPLICATE_OF + kept.clip_id)
    for clip in clips:
        defects[clip.clip_id] += [*_of_interval(clip, siblings[clip.subset, clip.name]), *_of_crop(clip)]
    return defects


def _person(clip: Clip) -> str:
    return clip.name.rstrip("0123456789")


def _of_interval(clip: Clip, siblings: Sequence[Clip]) -> list[str]:
    defects = []
    if any(other.index < clip.index and other.start > clip.start for other in siblings):
        defects.append(OUT_OF_ORDER)
    if any(other is not clip and clip.start <= other.start and other.end <= clip.end for other in siblings):
        defects.append(CONTAINS)
    return defects


def _of_crop(clip: Clip) -> list[str]:
    defects = [] if clip.crop else [NO_CROP]
    if clip.height == 0:
        return [*defects, NO_HEIGHT]
    if clip.height not in USUAL_HEIGHTS:
        defects.append(ODD_HEIGHT)
    if clip.crop and clip.crop.y + clip.crop.h > clip.height:
        defects.append(TOO_TALL)
    return defects


def summary(rows: Sequence[Video], annotations: Path, source: Path | None = None) -> list[str]:
    """What there is to say of these rows, one line each: defects by kind, what the lists lack, what the files are."""
    lists = read_annotations(annotations)
    kinds = Counter(
        DUPLICATED if defect.startswith(DUPLICATE_OF) else defect
        for row in rows
        for defect in (row.defect or "").split("; ")
        if defect
    )
    lines = [f"By subject: {largest(Counter(row.subject for row in rows))}."]
    lines += [f"{count} x {kind}: {HANDLED[kind]}." for kind, count in kinds.items()]
    lines += [f"{name} has no interval: left out." for name in lists.without_interval]
    lines += [f"{oddity}: read all the same." for oddity in lists.oddities]
    wanted = [row for row in rows if row.worked_on]
    if source is not None:
        lines += _of_files(wanted, lists, find_files(source, lists), source)
    if away := sum(row.remote for row in wanted):
        asked = counted(away, "video", "has only an address: {} gets it", "have only an address: {} gets them")
        lines.append(asked.format("'portrait-prep run download'") + ", with yt-dlp.")
    return lines


def _of_files(rows: Sequence[Video], lists: Annotations, files: Files, source: Path) -> list[str]:
    seconds = {clip.clip_id: clip.end - clip.start for clip in lists.clips}
    here = [row for row in rows if not row.remote]
    short = [row.video_id for row in here if row.duration and seconds[row.video_id] - row.duration > CUT_SHORT]
    lines = [f"{len(here)} of {counted(len(rows), 'video')} {'has' if len(here) == 1 else 'have'} a file."]
    if short:
        lines.append(f"{a_few(short)} shorter than annotated: taken as they are.")
    for paths, what in (
        (files.unannotated, "of videos of HDTF, but of no interval that its lists have"),
        (files.others, "of no video of HDTF"),
    ):
        if paths:
            lines.append(f"{a_few([path.name for path in paths])} in {source}, {what}: left out.")
    return lines

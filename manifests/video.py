"""A video: one row of the catalogue, how it names its source, and what must hold of it."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

from portrait_prep.manifests.ids import NAME_RULE, is_name
from portrait_prep.manifests.record import AddedLater, Model

FILE_URI = "file://"
ADDRESSES = ("http://", "https://")
ANCHORED = (FILE_URI, *ADDRESSES, "/")
"""How a source begins that does not depend on where its reader stands."""
CUT = ("start", "end", "crop_x", "crop_y", "crop_w", "crop_h", "source_height")
"""Fields that say which part of a source is used: interval and crop."""
LONGEST_TEXT = 1 << 14
"""Characters of a field; a path has 4096 at most."""
ALL_SUBJECTS = "*"
"""What stands for all subjects together where there are figures of each, so that no subject can be called it."""
TAKEN = frozenset({"subjects"})
"""What no shard can be called: a stage keeps a table under this name that joins the videos of all shards."""
DUPLICATE_OF = "duplicate of "
"""Start of the `defect` of a row whose file has the same bytes as another video's."""
FURTHER = "; "
"""Stands between the defects of a row."""
MOST_SHIFT = 10.0
"""Seconds by which a sound may be moved."""


@dataclass(frozen=True)
class LabelField:
    """Marks a field of `Video` that is a label: what is seen or heard. `counted`: the report counts videos by it."""

    counted: bool = False


class Video(Model):
    """One row of the catalogue. Times in seconds, crop in source pixels; null where a field does not apply.

    `sound` is a file of its own for the sound, where the source's is not to be taken; it begins at `start`.
    `sound_shift` is by how many seconds the sound is to come later than it does (negative: earlier).
    `source_height` is the height of the picture that the crop is meant for: a picture of another height has the crop
    scaled. 0: nobody knows which, so that the crop cannot be used; null: the source's own.

    `split_by` tells what split and fold keep whole: `subject` (so does null), or something less, as `video` or `take`,
    where the same person is on several sides on purpose.

    `text` is what is said, where the corpus tells it.

    A new label is one more field that is marked as `LabelField`: manifests, exports and the report take it from here.
    """

    video_id: str
    corpus: str
    subject: str
    shard: str = ""
    split: str | None = None
    split_by: str | None = None
    fold: int | None = None
    source: str
    sound: str | None = None
    sound_shift: Annotated[float | None, AddedLater()] = None
    start: float | None = None
    end: float | None = None
    crop_x: int | None = None
    crop_y: int | None = None
    crop_w: int | None = None
    crop_h: int | None = None
    source_height: int | None = None
    duration: float | None = None
    licence: str | None = None
    defect: str | None = None
    text: Annotated[str | None, LabelField()] = None
    emotion: Annotated[str | None, LabelField(counted=True)] = None
    four_class: Annotated[str | None, LabelField(counted=True)] = None
    four_class_merged: Annotated[str | None, LabelField()] = None
    intensity: Annotated[str | None, LabelField(counted=True)] = None
    statement: Annotated[str | None, LabelField()] = None
    repetition: Annotated[int | None, LabelField()] = None
    channel: Annotated[str | None, LabelField(counted=True)] = None
    session: Annotated[int | None, LabelField(counted=True)] = None
    valence: Annotated[float | None, LabelField()] = None
    activation: Annotated[float | None, LabelField()] = None
    dominance: Annotated[float | None, LabelField()] = None
    votes: Annotated[str | None, LabelField()] = None

    @property
    def path(self) -> Path:
        """The file that `source` names, where it names one; see `source_of`."""
        return path_of(self.source)

    @property
    def remote(self) -> bool:
        """Whether `source` is an address, not a file of this machine."""
        return is_address(self.source)

    @property
    def fetched(self) -> bool:
        """Whether its picture or its sound lies at an address."""
        return self.remote or (self.sound is not None and is_address(self.sound))

    @property
    def repeats(self) -> str | None:
        """The id of the video of which this row is only a duplicate."""
        return original_of(self.defect)

    @property
    def worked_on(self) -> bool:
        """False for a row that only repeats another video; it is kept for the record and never processed."""
        return original_of(self.defect) is None


def original_of(defect: str | None) -> str | None:
    """The id of the video of which a row with this defect is only a duplicate; other defects may follow it."""
    if defect is None or not defect.startswith(DUPLICATE_OF):
        return None
    return defect.removeprefix(DUPLICATE_OF).partition(FURTHER)[0]


LABELS: Mapping[str, LabelField] = {
    name: mark for name, field in Video.model_fields.items() for mark in field.metadata if isinstance(mark, LabelField)
}
"""Field -> how it is marked, in the order of the catalogue's columns."""


def is_address(text: str) -> bool:
    """Whether a source is to be fetched, and is not a file of this machine."""
    return text.startswith(ADDRESSES)


def source_of(path: Path) -> str:
    """How the catalogue names a file: its absolute path; as a file URI (RFC 8089) where that is not valid UTF-8."""
    text = str(path.absolute())
    try:
        text.encode()
    except UnicodeEncodeError:
        return FILE_URI + quote_from_bytes(os.fsencode(text))
    return text


def path_of(source: str) -> Path:
    """The file that `source_of` named."""
    return Path(file_of(source))


def file_of(source: str) -> str:
    """The same as text: paths take time where very many files are only looked at."""
    if source.startswith(FILE_URI):
        return os.fsdecode(unquote_to_bytes(source.removeprefix(FILE_URI)))
    return source


def anchored(video: Video, root: Path) -> Video:
    """The video with absolute paths: the catalogue may name files from the workspace at `root` on."""
    paths = (("source", video.source), ("sound", video.sound))
    changed = {
        name: str(root.absolute() / path) for name, path in paths if path is not None and not path.startswith(ANCHORED)
    }
    return video.model_copy(update=changed) if changed else video


def _is_time(seconds: float | None) -> bool:
    return seconds is None or 0 <= seconds < math.inf


def _is_short(video: Video) -> bool:
    return all(len(value) <= LONGEST_TEXT for value in video.__dict__.values() if isinstance(value, str))


def _is_side(pixels: int | None) -> bool:
    return pixels is None or pixels > 0


CHECKS: Sequence[tuple[Callable[[Video], bool], str]] = (
    (lambda video: is_name(video.video_id), f"its video_id is no name of a file ({NAME_RULE})"),
    (lambda video: is_name(video.shard), f"its shard is no name of a file ({NAME_RULE})"),
    (lambda video: video.shard not in TAKEN, "its shard has the name of a table of the workspace"),
    (
        lambda video: video.subject != ALL_SUBJECTS,
        f"its subject must not be '{ALL_SUBJECTS}': that stands for them all",
    ),
    (lambda video: _is_time(video.start) and _is_time(video.end), "start and end must be seconds, 0 or more"),
    (lambda video: video.end is None or (video.start or 0.0) < video.end, "it must end after its start"),
    (lambda video: _is_time(video.duration), "its duration must be seconds, 0 or more"),
    (
        lambda video: abs(video.sound_shift or 0.0) <= MOST_SHIFT,
        f"its sound_shift must be seconds, {MOST_SHIFT:g} either way at most",
    ),
    (
        lambda video: _is_side(video.crop_w) and _is_side(video.crop_h),
        "its crop must have a width and a height",
    ),
    (_is_short, f"one of its texts has more than {LONGEST_TEXT} characters"),
    (lambda video: (video.source_height or 0) >= 0, "its source_height must be pixels, 0 or more"),
)
"""Conditions that every row must meet, each with the message for a row that does not."""


def problem_of(video: Video) -> str:
    """The message of the first of the `CHECKS` that a row does not meet; empty where it meets all."""
    return next((problem for holds, problem in CHECKS if not holds(video)), "")

"""The catalogue: one row a video, saying where it comes from, whose it is, how it is labelled and in which shard."""

import hashlib
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.record import Model
from portrait_prep.media.file import regular

SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
MAX_ID = 96
"""Longest video id: leaves room for suffixes within the 255 bytes of a file name."""
FILE_URI = "file://"
ADDRESSES = ("http://", "https://")
CUT = ("start", "end", "crop_x", "crop_y", "crop_w", "crop_h", "source_height")
"""What is taken of a source."""
ROWS_A_BYTE = 16
"""Rows of a catalogue in a byte of its file, at most: no two ids are the same, however well they are packed."""
DUPLICATE_OF = "duplicate of "
"""Begins the defect of a row that only repeats another video."""


@dataclass(frozen=True)
class LabelField:
    """Marks a field of `Video` that is a label: what is seen or heard. `counted`: the report counts videos by it."""

    counted: bool = False


class Video(Model):
    """One row of the catalogue. Times in seconds, crop in source pixels; null where a field does not apply.

    `sound` is a file of its own for the sound, where the source's is not to be taken; it begins at `start`.
    `source_height` is the height of the picture that the crop is meant for: a picture of another height has the crop
    scaled. 0: nobody knows which, so that the crop cannot be used; null: the source's own.

    `split_by` tells what a split keeps whole: `subject` (so does null), or something less, as `video` or `take`, where
    the same person is on several sides on purpose.

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
    def worked_on(self) -> bool:
        """False for a row that only repeats another video; it is kept for the record and never processed."""
        return not (self.defect or "").startswith(DUPLICATE_OF)


LABELS: Mapping[str, LabelField] = {
    name: mark for name, field in Video.model_fields.items() for mark in field.metadata if isinstance(mark, LabelField)
}
"""Field -> how it is marked, in the order of the catalogue's columns."""
ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def _arrow_type(name: str) -> pa.DataType:
    annotation = Video.model_fields[name].annotation
    for python_type, arrow_type in ARROW_TYPES.items():
        if annotation in (python_type, python_type | None):
            return arrow_type
    raise TypeError(f"catalogue field {name} has no Parquet type")


SCHEMA = pa.schema([pa.field(name, _arrow_type(name)) for name in Video.model_fields])


def safe_id(text: str, salt: str) -> str:
    """`text` if it already is a safe id, else a readable one made stable and unique by a digest of `salt`.

    A safe id matches `[A-Za-z0-9._-]+`, starts neither with a dot (a hidden file) nor with a dash (an option) and is at
    most 96 characters long. Give the true path (or name) as `salt`: the same input always gets the same id.
    """
    if SAFE_ID.fullmatch(text) and len(text) <= MAX_ID:
        return text
    return with_digest(text, salt)


def with_digest(text: str, salt: str) -> str:
    """`text` made safe, cut short, and ended by eight hexadecimal digits of the sha256 of `salt`."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[: MAX_ID - 9] or "video"
    return f"{stem}-{hashlib.sha256(salt.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


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
    if source.startswith(FILE_URI):
        return Path(os.fsdecode(unquote_to_bytes(source.removeprefix(FILE_URI))))
    return Path(source)


def read_catalogue(path: Path) -> list[Video]:
    """Read `catalogue.parquet`. Raises BadInput when it is missing or is not a catalogue."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder where the catalogue should be: move it away.")
    try:
        if pq.read_metadata(regular(path)).num_rows > ROWS_A_BYTE * path.stat().st_size:
            raise pa.ArrowInvalid("it claims more rows than its bytes can hold")
        rows = pq.read_table(path, schema=SCHEMA).to_pylist()
    except FileNotFoundError as error:
        raise BadInput(
            f"There is no catalogue at {path}: run 'portrait-prep init' for this workspace first."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"{path} is not a readable catalogue: restore it, or move it away and run 'portrait-prep init'."
        ) from error
    return [_row(path, number, row) for number, row in enumerate(rows, 1)]


def _row(path: Path, number: int, row: Mapping[str, object]) -> Video:
    """Raises BadInput where a field that every video has is null, as when another table lies there."""
    try:
        return Video.model_validate(row)
    except ValidationError as error:
        field = error.errors()[0]["loc"][0]
        raise BadInput(
            f"{path} is no catalogue: row {number} has no valid {field}; restore it, or move it away and run "
            "'portrait-prep init'."
        ) from error


def write_catalogue(path: Path, videos: Sequence[Video]) -> None:
    """Write `catalogue.parquet` whole or not at all, in the given order."""
    table = pa.Table.from_pylist([video.model_dump() for video in videos], schema=SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


class OnMerge(Enum):
    """What becomes of a field of a known row when its corpus is looked at again."""

    OWN = "the catalogue's own: a corpus does not say it"
    FIXED = "stays, so that nothing moves to another side or subject under a trained model"
    FOOTAGE = "is replaced with all others of its kind, or none is: where the footage lies, and what of it is taken"
    CORRECTED = "is replaced: what a corpus says of a video, it may correct"


ON_MERGE: Mapping[str, OnMerge] = {
    **dict.fromkeys(Video.model_fields, OnMerge.CORRECTED),
    **dict.fromkeys(("video_id", "corpus", "shard"), OnMerge.OWN),
    **dict.fromkeys(("subject", "split", "split_by", "fold"), OnMerge.FIXED),
    **dict.fromkeys(("source", "sound", "duration", *CUT), OnMerge.FOOTAGE),
}


def merge(known: Sequence[Video], listed: Iterable[Video], shard_seconds: float) -> list[Video]:
    """Add to `known` the videos of `listed` whose id is new, each given a shard; the first of equal ids counts.

    `ON_MERGE` says what a known row takes over; a file at hand is not given up for an address. No known row is left
    out, and one of another corpus is another video, which stays as it is. A shard takes whole videos, in order, while
    their footage stays within `shard_seconds`; a longer video gets a shard of its own. The last shard of the corpus is
    filled up first; no video ever changes its shard.
    """
    merged = {video.video_id: video for video in known}
    last = _last_shards(known)
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
        merged[video.video_id] = video.model_copy(update={"shard": f"{video.corpus}-{number:05d}"})
    return list(merged.values())


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

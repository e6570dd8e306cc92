"""The catalogue: one row a video, saying where it comes from, whose it is, how it is labelled and in which shard."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, overload
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.ids import NAME_SAID, is_name
from portrait_prep.manifests.printing import printable
from portrait_prep.manifests.record import Model
from portrait_prep.media.file import regular

FILE_URI = "file://"
ADDRESSES = ("http://", "https://")
CUT = ("start", "end", "crop_x", "crop_y", "crop_w", "crop_h", "source_height")
"""What is taken of a source."""
ROWS_A_BYTE = 16
"""Rows of a catalogue in a byte of its file, at most: no two ids are the same, however well they are packed."""
DUPLICATE_OF = "duplicate of "
"""Begins the defect of a row that only repeats another video."""
TAKEN = frozenset({"subjects"})
"""What no shard can be called: a stage keeps a table under this name that joins the videos of all shards."""
SHOWN = 60
"""Characters of an id that a sentence about it quotes."""


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


REQUIRED = tuple(name for name in Video.model_fields if Video.model_fields[name].annotation is str)
"""What every row has: where one has not, another table lies there."""
SCHEMA = pa.schema([pa.field(name, _arrow_type(name)) for name in Video.model_fields])


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


def _is_time(seconds: float | None) -> bool:
    return seconds is None or 0 <= seconds < math.inf


def _is_side(pixels: int | None) -> bool:
    return pixels is None or pixels > 0


CHECKS: Sequence[tuple[Callable[[Video], bool], str]] = (
    (lambda video: is_name(video.video_id), f"its video_id is no name of a file ({NAME_SAID})"),
    (lambda video: is_name(video.shard), f"its shard is no name of a file ({NAME_SAID})"),
    (lambda video: video.shard not in TAKEN, "its shard has the name of a table of the workspace"),
    (lambda video: _is_time(video.start) and _is_time(video.end), "start and end must be seconds, 0 or more"),
    (lambda video: video.end is None or (video.start or 0.0) < video.end, "it must end after its start"),
    (lambda video: _is_time(video.duration), "its duration must be seconds, 0 or more"),
    (
        lambda video: _is_side(video.crop_w) and _is_side(video.crop_h),
        "its crop must have a width and a height",
    ),
    (lambda video: (video.source_height or 0) >= 0, "its source_height must be pixels, 0 or more"),
)
"""What must hold of every row by its meaning, whoever wrote it, and what is said of one of which it does not."""


def problem_of(video: Video) -> str:
    """The first of the `CHECKS` that does not hold of a row; empty where all do."""
    return next((problem for holds, problem in CHECKS if not holds(video)), "")


AT_ONCE = 250
"""Rows that are `Video`s at one time where all are gone through."""


class Catalogue(Sequence[Video]):
    """All rows, in order, as a table: some 300 bytes each. A `Video`, of 7 kB, is made whenever it is asked for."""

    def __init__(self, table: pa.Table) -> None:
        """`table` has the columns of SCHEMA; in its rows nothing that is REQUIRED is null."""
        self._table = table.combine_chunks()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Video]:
        for first in range(0, len(self), AT_ONCE):
            yield from _videos(self._table.slice(first, AT_ONCE))

    @overload
    def __getitem__(self, place: int) -> Video: ...
    @overload
    def __getitem__(self, place: slice) -> list[Video]: ...
    def __getitem__(self, place: int | slice) -> Video | list[Video]:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return self.take(np.array([range(len(self))[place]]))[0]

    def take(self, places: NDArray[np.int64]) -> list[Video]:
        """The rows at these places [n]."""
        return _videos(self._table.take(pa.array(places)))

    def find(self, video_id: str) -> Video | None:
        """The row of a video, or None."""
        place = pc.index(self._table["video_id"], video_id).as_py()
        return None if place < 0 else self[place]

    @cached_property
    def shards(self) -> "Shards":
        """Shard -> its videos."""
        return Shards(self, self._table["shard"])


class Shards(Mapping[str, Sequence[Video]]):
    """Shard -> its videos, both in the order of the catalogue. They are made whenever a shard is asked for."""

    def __init__(self, catalogue: Catalogue, column: pa.ChunkedArray) -> None:
        self._catalogue = catalogue
        encoded = column.combine_chunks().dictionary_encode()
        numbers = encoded.indices.to_numpy()
        self._order = np.argsort(numbers, kind="stable")
        ends = np.cumsum(np.bincount(numbers, minlength=len(encoded.dictionary)))
        self._ends = dict(zip(encoded.dictionary.to_pylist(), pairwise([0, *ends.tolist()]), strict=True))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ends)

    def __getitem__(self, shard: str) -> list[Video]:
        first, stop = self._ends[shard]
        return self._catalogue.take(self._order[first:stop])


def by_shard(videos: Iterable[Video]) -> Mapping[str, Sequence[Video]]:
    """Shard -> its videos, in the order in which they are given."""
    if isinstance(videos, Catalogue):
        return videos.shards
    shards: dict[str, list[Video]] = {}
    for video in videos:
        shards.setdefault(video.shard, []).append(video)
    return shards


def _videos(rows: pa.Table) -> list[Video]:
    return [Video.model_construct(**row) for row in rows.to_pylist()]


def require_sound(path: Path, videos: Iterable[Video]) -> None:
    """Raise BadInput for the first row of the catalogue at `path` that cannot be, or has the id of an earlier one."""
    numbers: dict[str, int] = {}
    for number, video in enumerate(videos, 1):
        problem = problem_of(video)
        if not problem and numbers.setdefault(video.video_id, number) != number:
            problem = f"row {numbers[video.video_id]} has the same video_id"
        if problem:
            name = printable(video.video_id[:SHOWN]) + ("…" if len(video.video_id) > SHOWN else "")
            raise BadInput(f"{path}, row {number} ('{name}'): {problem}. Mend the row, or take it out, and try again.")


def read_catalogue(path: Path) -> Catalogue:
    """Read `catalogue.parquet`. Raises BadInput when it is missing, is not a catalogue, or a row cannot be."""
    catalogue = read_rows(path)
    require_sound(path, catalogue)
    return catalogue


def read_rows(path: Path) -> Catalogue:
    """The rows of `catalogue.parquet`, whatever they say. Raises BadInput when it is missing or is not a catalogue."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder where the catalogue should be: move it away.")
    try:
        if pq.read_metadata(regular(path)).num_rows > ROWS_A_BYTE * path.stat().st_size:
            raise pa.ArrowInvalid("it claims more rows than its bytes can hold")
        table = pq.read_table(path, schema=SCHEMA)
    except FileNotFoundError as error:
        raise BadInput(
            f"There is no catalogue at {path}: run 'portrait-prep init' for this workspace first."
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"{path} is not a readable catalogue: restore it, or move it away and run 'portrait-prep init'."
        ) from error
    for name in REQUIRED:
        if table[name].null_count:
            number = table[name].is_null().to_pylist().index(True) + 1
            raise BadInput(
                f"{path} is no catalogue: row {number} has no valid {name}; restore it, or move it away and run "
                "'portrait-prep init'."
            )
    return Catalogue(table)


def write_catalogue(path: Path, videos: Sequence[Video]) -> None:
    """Write `catalogue.parquet` whole or not at all, in the given order."""
    table = pa.Table.from_pylist([video.model_dump() for video in videos], schema=SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)

"""The catalogue: `catalogue.parquet`, one row a video, read as a table and checked row by row."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.ids import did_you_mean, is_pattern, matching
from portrait_prep.manifests.printing import printable
from portrait_prep.manifests.video import Video, problem_of
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table

MAX_ROWS_PER_BYTE = 16
"""A file with more rows for its size is not believed: ids differ, and so cannot be compressed that far."""
QUOTED = 60
"""Characters of an id that a message quotes."""
ROWS_PER_BATCH = 250
"""Rows that exist as `Video`s at one time while all are iterated."""

ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def _arrow_type(name: str) -> pa.DataType:
    annotation = Video.model_fields[name].annotation
    for python_type, arrow_type in ARROW_TYPES.items():
        if annotation in (python_type, python_type | None):
            return arrow_type
    raise TypeError(f"catalogue field {name} has no Parquet type")


REQUIRED = tuple(name for name in Video.model_fields if Video.model_fields[name].annotation is str)
"""Fields that are never null; a table with a null in one of them is not a catalogue."""
FIELDS = set(Video.model_fields)
NO_MORE = (("__pydantic_extra__", None), ("__pydantic_private__", None))
"""What a model of pydantic has besides its fields."""
SCHEMA = pa.schema([pa.field(name, _arrow_type(name)) for name in Video.model_fields])


class Catalogue(Sequence[Video]):
    """All rows in order, kept as an Arrow table: about 300 bytes a row. A `Video` takes 7 kB and is made on access."""

    def __init__(self, table: pa.Table) -> None:
        """`table` has the columns of SCHEMA, without nulls in those that are REQUIRED."""
        self._table = table.combine_chunks()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Video]:
        for first in range(0, len(self), ROWS_PER_BATCH):
            yield from _videos(self._table.slice(first, ROWS_PER_BATCH))

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> list[Video]: ...
    def __getitem__(self, index: int | slice) -> Video | list[Video]:
        rows = range(len(self))[index]
        if isinstance(rows, int):
            return _videos(self._table.slice(rows, 1))[0]
        if rows.step == 1:
            return _videos(self._table.slice(rows.start, len(rows)))
        return _videos(self._table.take(pa.array(rows)))

    def in_order(self, indices: NDArray[np.int64]) -> "Catalogue":
        """The rows in the order of these indices, int64 [n]."""
        return self if np.array_equal(indices, np.arange(len(self))) else Catalogue(self._table.take(pa.array(indices)))

    def ids(self) -> Iterator[str]:
        """The ids of all videos, one by one."""
        return (video_id.as_py() for video_id in self._table["video_id"])

    def find(self, video_id: str) -> Video | None:
        """The row of a video, or None."""
        try:
            index = pc.index(self._table["video_id"], video_id).as_py()
        except UnicodeEncodeError:  # typed in bytes that are no UTF-8, which no row has
            return None
        return None if index < 0 else self[index]

    def require(self, video_id: str) -> Video:
        """The row of a video. Raises BadInput where there is none."""
        video = self.find(video_id)
        if video is None:
            meant = did_you_mean(video_id, self.ids())
            raise BadInput(f"There is no video '{video_id}' in the catalogue; {meant}'portrait-prep list' lists all.")
        return video

    def named(self, names: Iterable[str]) -> list[str]:
        """The ids that are meant by ids and patterns, each once. Raises BadInput for one that means none."""
        found = dict[str, None]()
        for name in names:
            meant = matching(name, dict.fromkeys(self.ids())) if is_pattern(name) else []
            found |= dict.fromkeys(meant or [self.require(name).video_id])
        return list(found)

    def values_of(self, field: str) -> list[str | int | float]:
        """The values that a field has, each once, null left out."""
        return [value for value in pc.unique(self._table[field]).to_pylist() if value is not None]

    def having(self, field: str, values: Collection[str]) -> list[str]:
        """The ids of the rows whose `field` is one of `values`."""
        if not values:
            return []
        rows = self._table.filter(pc.is_in(self._table[field], pa.array(sorted(values), pa.string())))
        return [str(video_id) for video_id in rows["video_id"].to_pylist()]

    def lacking(self, ids: Iterable[str]) -> list[str]:
        """Those of `ids` that no row has, in the order given."""
        asked = pa.array(ids, pa.string())
        return [str(name) for name in asked.filter(pc.invert(pc.is_in(asked, self._table["video_id"]))).to_pylist()]

    @cached_property
    def shards(self) -> "Shards":
        """Shard -> its videos."""
        return Shards(self, self._table["shard"])


class Shards(Mapping[str, Sequence[Video]]):
    """Shard -> its videos, both in the order of the catalogue. The videos are made on access."""

    def __init__(self, catalogue: Catalogue, column: pa.ChunkedArray) -> None:
        encoded = column.combine_chunks().dictionary_encode()
        numbers = encoded.indices.to_numpy()
        self._sorted = catalogue.in_order(np.argsort(numbers, kind="stable"))
        ends = np.cumsum(np.bincount(numbers, minlength=len(encoded.dictionary)))
        self._ends = dict(zip(encoded.dictionary.to_pylist(), pairwise([0, *ends.tolist()]), strict=True))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ends)

    def __contains__(self, shard: object) -> bool:
        return shard in self._ends

    def __getitem__(self, shard: str) -> list[Video]:
        first, stop = self._ends[shard]
        return self._sorted[first:stop]


def by_shard(videos: Iterable[Video]) -> Mapping[str, Sequence[Video]]:
    """Shard -> its videos, in the order in which they are given."""
    if isinstance(videos, Catalogue):
        return videos.shards
    shards: dict[str, list[Video]] = {}
    for video in videos:
        shards.setdefault(video.shard, []).append(video)
    return shards


def _videos(rows: pa.Table) -> list[Video]:
    """As `Video.model_construct` makes them, which takes three times as long, since it looks at each field."""
    videos = []
    for row in rows.to_pylist():
        video = Video.__new__(Video)
        for name, value in (("__dict__", row), ("__pydantic_fields_set__", FIELDS), *NO_MORE):
            object.__setattr__(video, name, value)
        videos.append(video)
    return videos


def require_valid(path: Path, videos: Iterable[Video]) -> None:
    """Raise BadInput for the first row of the catalogue at `path` that is not valid, or repeats an id."""
    numbers: dict[str, int] = {}
    for number, video in enumerate(videos, 1):
        problem = problem_of(video)
        if not problem and numbers.setdefault(video.video_id, number) != number:
            problem = f"row {numbers[video.video_id]} has the same video_id"
        if problem:
            name = printable(video.video_id[:QUOTED]) + ("…" if len(video.video_id) > QUOTED else "")
            raise BadInput(f"{path}, row {number} ('{name}'): {problem}. Mend the row, or take it out, and try again.")


def read_catalogue(path: Path) -> Catalogue:
    """Read `catalogue.parquet`. Raises BadInput when it is missing, is not a catalogue, or a row is not valid."""
    catalogue = read_rows(path)
    require_valid(path, catalogue)
    return catalogue


def read_rows(path: Path) -> Catalogue:
    """The rows of `catalogue.parquet`, valid or not. Raises BadInput when it is missing or is not a catalogue."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder where the catalogue should be: move it away.")
    try:
        size = regular(path).stat().st_size
        if pq.read_metadata(path).num_rows > MAX_ROWS_PER_BYTE * size:
            raise pa.ArrowInvalid("it claims more rows than its bytes can hold")
        with bounded_table(size):
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

"""Columns of one shard file at random: any frames of any of its videos, touching only the row groups that hold them."""

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.media.file import File
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP
from portrait_prep.pipeline.store.arrow import to_numpy
from portrait_prep.pipeline.store.shards import ShardReader
from portrait_prep.views.reading.pages import Chunk, Values, decode, plain_start
from portrait_prep.views.reading.store import Store

Decoded = Store[Values]
"""(shard file, column, row group) -> its values."""


@dataclass(slots=True)
class Layout:
    """Where one column of numbers lies: its chunk in each row group, and where known, its first value."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    chunks: tuple[Chunk, ...]
    starts: dict[int, int | None] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Values of one frame."""
        return math.prod(self.shape)

    def start(self, file: File, group: int) -> int | None:
        """Where the first value of a row group lies in the file, when its rows can be read one by one."""
        if group not in self.starts:
            chunk = self.chunks[group]
            as_stored = chunk.physical != "BOOLEAN" and chunk.dtype == self.dtype
            self.starts[group] = plain_start(file, chunk) if as_stored else None
        return self.starts[group]


class ShardColumns:
    """Some columns of one shard file. Holds where everything lies, no data and no open file.

    `digests`: video id -> digest of what the stage made of it, as recorded in the file.
    """

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        """Raise FileNotFoundError; Damaged when it is no whole shard; BadInput when a column is not in it."""
        self.path = path
        # Taken before the footer is read: a file that takes this one's place from now on is found out.
        self._identity = identity(path.stat())
        with ShardReader(path) as reader:
            self.digests = {name: record.digest for name, record in reader.records.items() if record.done}
            self._groups = {name: reader.groups(name) for name in self.digests}
            self._layouts = {name: _layout(reader, name) for name in names}

    def check(self) -> None:
        """Raise Damaged when another file has taken its place since."""
        try:
            same = identity(self.path.stat()) == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            raise changed(self.path)

    def open(self) -> File:
        """The file itself. Raises Damaged when another has taken its place since."""
        file = File(self.path)
        if identity(file.status) != self._identity:
            raise changed(self.path)
        return file

    def empty(self, name: str, frames: int) -> NDArray[Any]:
        """Room for so many frames of a column."""
        layout = self._layouts[name]
        return np.empty((frames, *layout.shape), layout.dtype)

    def read(self, video_id: str, name: str, first: int, frames: int, file: File, decoded: Decoded) -> NDArray[Any]:
        """Frames `first` to `first + frames - 1` of a column, [frames, *shape], a copy of one's own.

        The video must have these frames. Raises Damaged when they cannot be read back.
        """
        layout, target = self._layouts[name], self.empty(name, frames)
        for part, group, row in _parts(self._groups[video_id], first, frames):
            self._fill(target[part], layout, (name, group, row), file, decoded)
        return target

    def _fill(
        self, target: NDArray[Any], layout: Layout, place: tuple[str, int, int], file: File, decoded: Decoded
    ) -> None:
        """Copy rows of one row group, from `row` on."""
        name, group, row = place
        start = layout.start(file, group)
        if start is not None:
            file.read_into(target, start + row * layout.width * layout.dtype.itemsize)
            return
        values = decoded.get((self.path, name, group), lambda: self._decode(name, group, file))
        values.fill(target, row * layout.width)

    def _decode(self, name: str, group: int, file: File) -> Values:
        try:
            values = decode(file, self._layouts[name].chunks[group])
            return self._assemble(name, group) if values is None else values
        except (OSError, ValueError, pa.ArrowException) as error:
            raise Damaged(f"{self.path} cannot be read back: delete it and run again.") from error

    def _assemble(self, name: str, group: int) -> Values:
        """Have PyArrow read what `decode` does not know."""
        with ShardReader(self.path) as reader:
            if identity(self.path.stat()) != self._identity:
                raise changed(self.path)
            table = reader.file.read_row_group(group, columns=[name], use_threads=False)
        return Values(to_numpy(table.column(name)).reshape(-1), self._layouts[name].dtype)


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Tells a file from one that is put in its place."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def changed(path: Path) -> Damaged:
    """What to say of a shard file that another one has taken the place of."""
    return Damaged(f"{path} is not the file that the manifests tell of: let the run end, then open the reader anew.")


def _parts(groups: range, first: int, frames: int) -> Iterator[tuple[slice, int, int]]:
    """Cut frames at the borders of row groups: the part of the result, the row group, and its first row."""
    done = 0
    while done < frames:
        index, row = divmod(first + done, ROWS_PER_GROUP)
        count = min(ROWS_PER_GROUP - row, frames - done)
        yield slice(done, done + count), groups[index], row
        done += count


def _layout(reader: ShardReader, name: str) -> Layout:
    if name not in reader.column_names:
        raise BadInput(f"{reader.path} holds no column '{name}'; it holds {', '.join(reader.column_names)}.")
    if "frame" not in reader.column_names:
        raise BadInput(f"{reader.path} has one row a video: '{name}' is a fact, and no column of frames.")
    kind, shape = reader.file.schema_arrow.field(name).type, []
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    if not pa.types.is_primitive(kind):
        raise BadInput(f"{name} in {reader.path} is no column of numbers.")
    metadata = reader.file.metadata
    leaves = [metadata.schema.column(number).path.partition(".")[0] for number in range(metadata.num_columns)]
    leaf = leaves.index(name)
    chunks = tuple(
        Chunk.of(metadata.row_group(group).column(leaf), metadata.schema.column(leaf))
        for group in range(metadata.num_row_groups)
    )
    return Layout(np.dtype(kind.to_pandas_dtype()), tuple(shape), chunks)

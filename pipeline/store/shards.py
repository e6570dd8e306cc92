"""Shards on disk: the Parquet file of one unit (stage, shard), its rows and the records of its videos.

Each video's rows lie in row groups of their own, of up to 250 rows, in the order of the records; the records lie in
the footer, under the key `portrait_prep`. A failed video has a record and no rows.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Record
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_table
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, Batch, Column, P, Stage
from portrait_prep.pipeline.store.arrow import Digests, batch_of, encoding, schema, to_arrow

FOOTER_KEY = b"portrait_prep"
MOST_BYTES = 1 << 30
"""Most bytes that are read at a time; 250 rows of all columns of any stage have a hundredth."""
MOST_VALUES = 1 << 25
"""Most numbers for which memory is allowed at a time; 250 maps of 256 x 256 have a half."""
UNREADABLE = (pa.ArrowException, OSError, IndexError)
"""What pyarrow raises for rows that cannot be read."""


class ShardReader:
    """Reads one shard file. Raises FileNotFoundError, or Damaged when it is no whole shard."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._size = regular(path).stat().st_size
            self._file = pq.ParquetFile(path)
            self.footer: str = self._file.metadata.metadata[FOOTER_KEY].decode()
            self.records = {row["video_id"]: Record(**row) for row in from_json(self.footer)["records"]}
            if any(record.rows > self.rows for record in self.records.values()):
                raise ValueError("a record claims more rows than there are")
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise Damaged(f"{path} is not a whole shard: delete it and run again.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def rows(self) -> int:
        """Rows of the whole file."""
        return int(self._file.metadata.num_rows)

    @property
    def file(self) -> pq.ParquetFile:
        """The Parquet file, for reading parts of row groups; open as long as this reader is."""
        return self._file

    @cached_property
    def column_names(self) -> list[str]:
        """All columns, keys first."""
        return list(self._file.schema_arrow.names)

    def columns(self, stage: Stage[Any]) -> tuple[Column, ...]:
        """The stage's columns that are there; which ones depends on the parameters at the time of writing."""
        there = set(self.column_names)
        return tuple(column for column in stage.columns if column.name in there)

    @cached_property
    def _groups(self) -> dict[str, range]:
        """Video id -> its row groups."""
        groups, start = {}, 0
        for video_id, record in self.records.items():
            stop = start + -(-record.rows // ROWS_PER_GROUP)
            groups[video_id] = range(start, stop)
            start = stop
        return groups

    def groups(self, video_id: str) -> range:
        """The row groups that hold a video's rows: all but the last have 250. Raises KeyError."""
        return self._groups[video_id]

    def tables(self, video_id: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Stream a video's rows, one Arrow table a row group. Raises Damaged when bytes cannot be read back."""
        try:
            for group in self._groups[video_id]:
                yield self._read([group], columns, ROWS_PER_GROUP)
        except UNREADABLE as error:
            raise Damaged(f"{self.path} cannot be read back: delete it and run again.") from error

    def batches(self, video_id: str, columns: Sequence[str]) -> Iterator[Batch]:
        """Stream some columns of a video as arrays. Raises Damaged."""
        return map(self._batch_of, self.tables(video_id, columns))

    def _batch_of(self, table: pa.Table) -> Batch:
        try:
            return batch_of(table)
        except ValueError as error:
            raise Damaged(f"{self.path} cannot be read back: delete it and run again.") from error

    def _read(self, groups: Sequence[int], columns: Sequence[str] | None, most: int) -> pa.Table:
        """Read row groups. Raises ArrowInvalid when they declare more than `most` rows or MOST_BYTES.

        Raises Damaged where a column is not there.
        """
        if missing := set(columns or ()).difference(self.column_names):
            raise Damaged(f"{self.path} holds no {', '.join(sorted(missing))}: delete it and run again.")
        claimed = [self._file.metadata.row_group(group) for group in groups]
        if (
            sum(group.num_rows for group in claimed) > most
            or sum(group.total_byte_size for group in claimed) > MOST_BYTES
        ):
            raise pa.ArrowInvalid("it claims more rows or bytes than a shard has")
        names = None if columns is None else list(columns)
        values = sum(_values_in(group, names or self.column_names) for group in claimed)
        with bounded_table(self._size, min(values, MOST_VALUES)):
            return self._file.read_row_groups(list(groups), columns=names, use_threads=False)

    def row(self, video_id: str, number: int, columns: Sequence[str]) -> Batch:
        """One row of a video as arrays of length one; reads only the row group that holds it. Raises Damaged."""
        group, offset = divmod(number, ROWS_PER_GROUP)
        try:
            table = self._read([self._groups[video_id][group]], columns, ROWS_PER_GROUP)
        except UNREADABLE as error:
            raise Damaged(f"{self.path} cannot be read back: delete it and run again.") from error
        return self._batch_of(table.slice(offset, 1))

    def single_rows(self, video_ids: Sequence[str], columns: Sequence[str]) -> Iterator[Batch]:
        """The one row of each of several videos, in this order, of a stage with one row a video. Raises Damaged."""
        try:
            groups = [group for video_id in video_ids for group in self._groups[video_id]]
            table = self._read(groups, columns, len(groups) * ROWS_PER_GROUP)
        except UNREADABLE as error:
            raise Damaged(f"{self.path} cannot be read back: delete it and run again.") from error
        if len(table) != len(video_ids):
            raise Damaged(f"{self.path} does not hold one row a video: delete it and run again.")
        rows = self._batch_of(table)
        for number in range(len(video_ids)):
            yield {name: values[number : number + 1] for name, values in rows.items()}


def _values_in(group: pq.RowGroupMetaData, names: Collection[str]) -> int:
    """How many numbers these columns claim to have there."""
    columns = (group.column(number) for number in range(group.num_columns))
    return sum(column.num_values for column in columns if column.path_in_schema.partition(".")[0] in names)


class ShardWriter:
    """Writes one shard file: rows video by video, then the records. The caller commits the file."""

    def __init__(self, path: Path, stage: Stage[P], params: P) -> None:
        self._open(path, stage, stage.columns_under(params), schema(stage, params))

    @classmethod
    def like(cls, reader: ShardReader, path: Path, stage: Stage[Any]) -> Self:
        """Write a file of the columns that another one has, whatever the parameters are now."""
        writer = cls.__new__(cls)
        found = reader.file.schema_arrow
        metadata = {key: value for key, value in (found.metadata or {}).items() if key != FOOTER_KEY}
        writer._open(path, stage, reader.columns(stage), found.with_metadata(metadata))
        return writer

    def _open(self, path: Path, stage: Stage[Any], columns: tuple[Column, ...], schema_: pa.Schema) -> None:
        self._stage, self._columns, self._schema = stage.name, columns, schema_
        self._records: list[Record] = []
        self._writer = pq.ParquetWriter(path, schema_, **encoding(stage, columns))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        footer = {"stage": self._stage, "records": [record.model_dump(mode="json") for record in self._records]}
        self._writer.add_key_value_metadata({FOOTER_KEY: json.dumps(footer)})
        self._writer.close()

    def rows(self, video_id: str, batches: Iterator[Batch]) -> tuple[int, dict[str, str]]:
        """Write a video's rows as they come; return how many, and the digest of each column."""
        digests, count = Digests(self._columns), 0
        for batch in regroup(batches):
            table = self._table(video_id, count, batch)
            digests.update(batch_of(table))
            self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
            count += table.num_rows
        return count, digests.results()

    def record(self, record: Record) -> None:
        """Note a record; its rows, if any, are the ones written last."""
        self._records.append(record)

    def takes(self, reader: ShardReader, record: Record) -> bool:
        """Whether a video can be taken over from another file: its rows must have the columns of this one."""
        there = reader.file.schema_arrow
        return not record.rows or (there.names, there.types) == (self._schema.names, self._schema.types)

    def copy(self, reader: ShardReader, record: Record) -> None:
        """Take over a video, rows and record, from another file."""
        for table in reader.tables(record.video_id):
            self._writer.write_table(table.cast(self._schema), row_group_size=ROWS_PER_GROUP)
        self.record(record)

    def _table(self, video_id: str, first: int, batch: Batch) -> pa.Table:
        length = len(next(iter(batch.values())))
        arrays = {
            "video_id": pa.array([video_id] * length, pa.string()),
            "frame": pa.array(range(first, first + length), pa.int32()),
        }
        arrays |= {column.name: to_arrow(column, batch[column.name]) for column in self._columns}
        return pa.Table.from_arrays([arrays[name] for name in self._schema.names], schema=self._schema)


def verify(reader: ShardReader, stage: Stage[Any], record: Record, batches: Iterable[Batch] | None = None) -> None:
    """Compare a video's rows with its record. `batches`: all columns of these, if they were read. Raises Damaged."""
    columns = reader.columns(stage)
    digests, rows = Digests(columns), 0
    other = Damaged(f"{reader.path} does not hold what was recorded for {record.video_id}: delete it and run again.")
    for batch in batches or reader.batches(record.video_id, [column.name for column in columns]):
        try:
            digests.update(batch)
        except ValueError as error:
            raise other from error
        rows += len(next(iter(batch.values()), ()))  # another stage's file has none of the columns
    found = digests.results() if record.done else {}
    recorded = {column.name: record.digests[column.name] for column in stage.columns if column.name in record.digests}
    if rows != record.rows or found != recorded:
        raise other


def by_stage(references: Iterable[str]) -> dict[str, list[str]]:
    """`stage.column` references as stage -> columns, in order of appearance."""
    columns: dict[str, list[str]] = {}
    for reference in references:
        stage, _, column = reference.partition(".")
        columns.setdefault(stage, []).append(column)
    return columns


def joined(streams: Sequence[Iterator[Batch]]) -> Iterator[Batch]:
    """Several stages' batches of one video side by side. Raises ValueError when they do not have the same rows."""
    for parts in zip(*streams, strict=True):
        yield {name: values for part in parts for name, values in part.items()}


def regroup(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Cut batches of any length into batches of exactly 250 rows, the last one shorter."""

    held: list[Batch] = []
    count = 0
    for batch in batches:
        rows = len(next(iter(batch.values())))
        start = 0
        while count + rows - start >= ROWS_PER_GROUP:
            stop = start + ROWS_PER_GROUP - count
            held.append({name: values[start:stop] for name, values in batch.items()})
            yield {name: np.concatenate([part[name] for part in held]) for name in batch}
            held, count, start = [], 0, stop
        if start < rows:
            held.append({name: values[start:] for name, values in batch.items()})
            count += rows - start
    if held:
        yield {name: np.concatenate([part[name] for part in held]) for name in held[0]}

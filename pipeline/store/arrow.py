"""How the values of a shard lie in its Parquet file: small where they are streamed, plain where trainers jump about.

Measured on windows of 600 frames picked at random out of 125,000: a row group of canonical faces split into pages, as
Parquet does by default, costs five times as much to read as one page; plain values can be read in place, twenty times
as fast. Float columns shrink by a fifth more when their bytes are split into streams (BYTE_STREAM_SPLIT) before zstd.
Maps of classes shrink to less than half when they are runs of places in a dictionary before it, and by a fifth more at
its level 6, which takes as long as level 1.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import Batch, Column, P, Stage


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column: `float32[478,3]` becomes fixed_size_list<fixed_size_list<float>[3]>[478]."""
    kind = pa.string() if column.dtype == "str" else pa.from_numpy_dtype(np.dtype(column.dtype))
    for length in reversed(column.shape):
        kind = pa.list_(kind, length)
    return kind


def keys(stage: Stage[Any]) -> tuple[Column, ...]:
    """The columns that name a row."""
    video = Column("video_id", "str", meaning="the video, as in the catalogue")
    frame = Column("frame", "int32", meaning="frame k of the normalized mp4, from 0")
    return (video, frame) if stage.rows == "frame" else (video,)


def schema(stage: Stage[P], params: P) -> pa.Schema:
    """The schema of a stage's shard under these parameters; field metadata names unit, shape and meaning."""
    fields = [field_of(column) for column in (*keys(stage), *stage.columns_under(params))]
    return pa.schema(fields, metadata={"stage": stage.name, "stage_version": str(stage.version)})


def field_of(column: Column) -> pa.Field:
    """A column in a schema; its metadata names unit, shape and meaning."""
    about = {"unit": column.unit, "shape": json.dumps(column.shape), "meaning": column.meaning}
    return pa.field(column.name, arrow_type(column), metadata=about)


def to_arrow(column: Column, values: NDArray[Any]) -> pa.Array:
    """Wrap values [rows, *shape] as an Arrow array. Raises ValueError when dtype or shape is not the declared one."""
    if not column.is_plain:
        return pa.array(list(values), type=arrow_type(column))
    if values.dtype != np.dtype(column.dtype) or values.shape[1:] != column.shape:
        raise ValueError(
            f"column {column.name} must be {column.dtype}{list(column.shape)} a row, "
            f"not {values.dtype}{list(values.shape[1:])}"
        )
    array = pa.array(np.ascontiguousarray(values).reshape(-1))
    for length in reversed(column.shape):
        array = pa.FixedSizeListArray.from_arrays(array, length)
    return array


def to_numpy(array: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Undo `to_arrow`: numbers as [rows, *shape] without a copy where possible, anything else as objects.

    Raises ValueError for tensors that lack values, which none has that `to_arrow` made.
    """
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    rows, shape = len(array), []
    while pa.types.is_fixed_size_list(array.type):
        if array.null_count:
            raise ValueError("a tensor lacks values")
        shape.append(array.type.list_size)
        array = array.flatten()
    if shape and array.null_count:
        raise ValueError("a tensor lacks values")
    if pa.types.is_string(array.type) or array.null_count:
        return np.array(array.to_pylist(), dtype=object)
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(rows, *shape)


def batch_of(table: pa.Table) -> Batch:
    """The columns of an Arrow table as arrays."""
    return {name: to_numpy(table.column(name)) for name in table.column_names}


class Digests:
    """One sha256 a column over a video's values, the same however they were cut into batches.

    Numbers count as their little-endian bytes in C order, strings and nullable values as lines of JSON.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = {column.name: (column, hashlib.sha256()) for column in columns}

    def update(self, batch: Batch) -> None:
        """Take in the next rows of every column. Raises ValueError where values are not of its kind."""
        for name, (column, digest) in self._columns.items():
            if column.is_plain:
                digest.update(_numbers(batch[name], column.dtype).tobytes())
            else:
                digest.update("".join(json.dumps(_plain(value)) + "\n" for value in batch[name]).encode())

    def results(self) -> dict[str, str]:
        """Column name -> hexadecimal digest."""
        return {name: digest.hexdigest() for name, (_, digest) in self._columns.items()}


def _numbers(values: NDArray[Any], dtype: str) -> NDArray[Any]:
    try:
        return np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
    except TypeError as error:  # some are missing
        raise ValueError(str(error)) from error


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def digest_of(parts: Iterable[tuple[str, str]]) -> str:
    """One digest over named digests, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()


PAGE_BYTES = 1 << 24
"""More than 250 rows of any column: each column of a row group is one page."""


def encoding(stage: Stage[Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    """Options of `pyarrow.parquet.ParquetWriter` for a shard of these columns."""
    common = {
        "use_dictionary": ["video_id", *(leaf(column) for column in columns if column.is_map)],
        "write_statistics": ["video_id", "frame"],
        "data_page_size": PAGE_BYTES,
    }
    if not stage.packed:
        return {**common, "compression": "none"}
    floats = [leaf(column) for column in columns if column.dtype.startswith("float") and not column.nullable]
    level = 6 if any(column.is_map for column in columns) else 1
    return {**common, "compression": "zstd", "compression_level": level, "use_byte_stream_split": floats}


def leaf(column: Column) -> str:
    """The path of a column's numbers in the Parquet schema: below one list for each dimension."""
    return ".".join((column.name, *("list.element" for _ in column.shape)))

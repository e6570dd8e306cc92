"""Which column chunks are read without PyArrow, and that what cannot be is left to it, never misread."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.media.file import File
from portrait_prep.views.reading.pages import HEAD, Chunk, _numbers, decode, plain_start

LEAF = "c.list.element.list.element"
ONE_PAGE: dict[str, Any] = {"use_dictionary": False, "data_page_size": 1 << 24}


def written(folder: Path, values: pa.Array, **options: Any) -> tuple[File, Chunk]:
    """The one chunk of a file that holds these values."""
    path = folder / "x.parquet"
    pq.write_table(pa.table({"c": values}), path, **(ONE_PAGE | options))
    metadata = pq.ParquetFile(path).metadata
    return File(path), Chunk.of(metadata.row_group(0).column(0), metadata.schema.column(0))


def nested(values: NDArray[Any]) -> pa.Array:
    """[n, a, b] as Arrow has it."""
    array = pa.array(values.reshape(-1))
    for length in values.shape[:0:-1]:
        array = pa.FixedSizeListArray.from_arrays(array, length)
    return array


def numbers(dtype: str) -> NDArray[Any]:
    return np.random.default_rng(0).normal(0, 1000, (250, 7, 3)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int64"])
def test_plain_values_lie_in_the_file_as_in_memory(tmp_path: Path, dtype: str) -> None:
    values = numbers(dtype)
    file, chunk = written(tmp_path, nested(values), compression="none")
    start = plain_start(file, chunk)
    assert start is not None
    row = np.empty((2, 7, 3), dtype)
    file.read_into(row, start + 30 * row[0].nbytes)
    np.testing.assert_array_equal(row, values[30:32])


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int16", "bool"])
def test_one_page_is_decoded(tmp_path: Path, dtype: str, split: bool, compression: str) -> None:
    values = numbers(dtype)
    streams = [LEAF] if split and dtype != "bool" else False
    file, chunk = written(tmp_path, nested(values), compression=compression, use_byte_stream_split=streams)
    found = decode(file, chunk)
    assert found is not None
    target = np.empty((11, 7, 3), dtype)
    found.fill(target, 200 * 21)
    np.testing.assert_array_equal(target, values[200:211])


@pytest.mark.parametrize(
    "options",
    [
        {"data_page_size": 1 << 10, "write_batch_size": 16},
        {"data_page_version": "2.0"},
        {"use_dictionary": True},
        {"compression": "gzip"},
        {"compression": "lz4"},
        {"use_byte_stream_split": [LEAF], "dtype": "float64"},
        {"use_byte_stream_split": [LEAF], "dtype": "float16"},
    ],
    ids=str,
)
def test_what_is_otherwise_is_left_to_pyarrow(tmp_path: Path, options: dict[str, Any]) -> None:
    dtype = options.pop("dtype", "float32")
    file, chunk = written(tmp_path, nested(np.round(numbers(dtype), -3)), **({"compression": "none"} | options))
    assert plain_start(file, chunk) is None
    assert decode(file, chunk) is None


@pytest.mark.parametrize("missing", [[None, 1.5, 2.5], [[1.0, None], [2.0, 3.0]], [None, [2.0, 3.0]]], ids=str)
def test_nulls_are_left_to_pyarrow(tmp_path: Path, missing: list[Any]) -> None:
    kind = pa.list_(pa.float32(), 2) if isinstance(missing[-1], list) else pa.float32()
    file, chunk = written(tmp_path, pa.array(missing, kind), compression="none")
    assert plain_start(file, chunk) is None
    assert decode(file, chunk) is None


def test_text_is_left_to_pyarrow(tmp_path: Path) -> None:
    file, chunk = written(tmp_path, pa.array(["a", "b"]), compression="none")
    assert plain_start(file, chunk) is None
    assert decode(file, chunk) is None


@given(st.binary(max_size=HEAD))
def test_any_bytes_are_a_header_or_none(head: bytes) -> None:
    found = _numbers(head)
    assert found is None or len(found) == 5

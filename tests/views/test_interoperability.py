"""Other tools read shards as they lie, value for value: DuckDB, Hugging Face datasets, polars, where installed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from tests.views.small_corpus import COLUMNS, drawn, make

Read = Callable[[Path, str], NDArray[Any]]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Columns of bool, int16 and float32, plain and as split bytes under zstd, and NaN among them."""
    return make(tmp_path_factory.mktemp("small") / "w")


def with_duckdb(path: Path, column: str) -> NDArray[Any]:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    query = f"SELECT {column} FROM '{path}' WHERE video_id = 'cy-gap' ORDER BY frame"
    return flat(duckdb.sql(query).to_arrow_table()[column])


def with_datasets(path: Path, column: str, cache: str) -> NDArray[Any]:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    found = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
    table = found.with_format("arrow")[:]
    return flat(table.filter(pc.equal(table["video_id"], "cy-gap"))[column])


def with_polars(path: Path, column: str) -> NDArray[Any]:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    found = polars.scan_parquet(path).filter(polars.col("video_id") == "cy-gap").select(column).collect()
    return np.asarray(found[column].to_numpy())


def with_pandas(path: Path, column: str) -> NDArray[Any]:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    found = pandas.read_parquet(path, filters=[("video_id", "==", "cy-gap")])[column].to_numpy()
    return stacked(found)


def flat(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False))


def stacked(values: NDArray[Any]) -> NDArray[Any]:
    """Arrays of arrays as one."""
    return np.stack([stacked(value) for value in values]) if values.dtype == object else values


@pytest.mark.parametrize("tool", ["duckdb", "datasets", "polars", "pandas"])
def test_it_reads_every_column(workspace: Path, tool: str, tmp_path: Path) -> None:
    read: dict[str, Read] = {
        "duckdb": with_duckdb,
        "datasets": partial(with_datasets, cache=str(tmp_path)),
        "polars": with_polars,
        "pandas": with_pandas,
    }
    for reference, name in COLUMNS.items():
        stage, _, column = reference.partition(".")
        (path,) = (path for path in (workspace / stage).glob("*-*.parquet") if b"cy-gap" in path.read_bytes())
        expected = drawn("cy-gap", name)
        found = read[tool](path, column)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)

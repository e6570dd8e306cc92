from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from portrait_prep.pipeline.declare.stage import Batch, Column, Params, Stage
from portrait_prep.pipeline.store.shards import ShardWriter

FACES = np.random.default_rng(0).normal(256, 100, (600, 478, 3)).astype(np.float32)
STAGE = Stage(
    name="toy",
    version=1,
    params=Params,
    columns=(Column("face", "float32", (478, 3)), Column("seen", "bool"), Column("lag", "float64", nullable=True)),
    process=lambda _: iter(()),
)


def batches() -> Iterator[Batch]:
    yield {"face": FACES, "seen": np.ones(len(FACES), bool), "lag": np.array([None, 1.5] * 300, object)}


def written(path: Path, packed: bool) -> pq.ParquetFile:
    with ShardWriter(path, replace(STAGE, packed=packed), Params()) as writer:
        writer.rows("v", batches())
    return pq.ParquetFile(path)


def chunks(file: pq.ParquetFile, column: str) -> list[Any]:
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    found = [group.column(number) for group in groups for number in range(group.num_columns)]
    return [chunk for chunk in found if chunk.path_in_schema.split(".")[0] == column]


@pytest.mark.parametrize("packed", [True, False])
def test_any_reader_of_parquet_gets_the_values(tmp_path: Path, packed: bool) -> None:
    table = written(tmp_path / "a.parquet", packed).read()
    faces = table["face"].combine_chunks().flatten().flatten().to_numpy().reshape(FACES.shape)
    assert np.array_equal(faces, FACES)
    assert table["lag"].to_pylist() == [None, 1.5] * 300


def test_packed_floats_are_split_into_bytes_and_compressed(tmp_path: Path) -> None:
    file = written(tmp_path / "a.parquet", packed=True)
    assert {chunk.compression for chunk in chunks(file, "face")} == {"ZSTD"}
    assert all("BYTE_STREAM_SPLIT" in chunk.encodings for chunk in chunks(file, "face"))
    assert sum(chunk.total_compressed_size for chunk in chunks(file, "face")) < 0.95 * FACES.nbytes
    assert not any("BYTE_STREAM_SPLIT" in chunk.encodings for chunk in chunks(file, "lag")), "it may be null"


def test_what_is_read_at_random_lies_as_it_is_in_one_page_a_row_group(tmp_path: Path) -> None:
    file = written(tmp_path / "a.parquet", packed=False)
    content = (tmp_path / "a.parquet").read_bytes()
    for number, chunk in enumerate(chunks(file, "face")):
        assert chunk.compression == "UNCOMPRESSED"
        plain = FACES[250 * number : 250 * (number + 1)].tobytes()
        start = chunk.data_page_offset
        assert plain in content[start : start + chunk.total_compressed_size]

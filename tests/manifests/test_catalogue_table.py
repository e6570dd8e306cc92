"""The catalogue as a table: it gives its rows as a list would, and takes a fraction of the memory."""

import pickle
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import SCHEMA, Catalogue, by_shard, read_catalogue, write_catalogue
from portrait_prep.manifests.video import Video


def rows_of(shards: list[str]) -> list[Video]:
    return [
        Video(video_id=f"v{number}", corpus="c", subject=f"s{number % 3}", shard=shard, source=f"/s/{number}.mp4")
        for number, shard in enumerate(shards)
    ]


def table_of(videos: list[Video]) -> Catalogue:
    return Catalogue(pa.Table.from_pylist([video.model_dump() for video in videos], schema=SCHEMA))


SHARDS = st.lists(st.sampled_from(["a-00000", "a-00001", "b-00000"]), max_size=12)


@given(SHARDS)
def test_shards_are_those_of_a_list(shards: list[str]) -> None:
    videos = rows_of(shards)
    found, expected = by_shard(table_of(videos)), by_shard(videos)
    assert [(shard, list(members)) for shard, members in found.items()] == list(expected.items())
    assert len(found) == len(expected)


@given(SHARDS, st.integers(-15, 15), st.integers(-15, 15))
def test_rows_and_slices_are_those_of_a_list(shards: list[str], first: int, stop: int) -> None:
    videos = rows_of(shards)
    catalogue = table_of(videos)
    assert list(catalogue) == videos
    assert catalogue[first:stop] == videos[first:stop]
    assert [catalogue[place] for place in range(-len(videos), len(videos))] == videos + videos
    assert [catalogue.find(video.video_id) for video in videos] == videos
    assert catalogue.find("nobody") is None


def test_memory_is_a_table_s_and_not_that_of_as_many_objects(tmp_path: Path) -> None:
    count = 5000
    write_catalogue(tmp_path / "catalogue.parquet", rows_of([f"c-{number // 50:05d}" for number in range(count)]))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        catalogue = read_catalogue(tmp_path / "catalogue.parquet")
        assert sum(len(members) for members in catalogue.shards.values()) == sum(1 for _ in catalogue) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (peak + pa.total_allocated_bytes() - before) / count < 1000


def test_an_id_in_bytes_that_are_no_text_is_not_found() -> None:
    assert table_of(rows_of(["a-00000"])).find("\udcff") is None


@pytest.mark.parametrize("each", [1 << 20, 1 << 15])
def test_texts_that_unpack_to_far_more_than_the_file_are_refused_at_once(tmp_path: Path, each: int) -> None:
    """One value in a dictionary is the text of thousands of rows: 100 kB become gigabytes, or rows too long to show."""
    count = 2000 if each > 1 << 16 else 10
    rows = [video.model_dump() | {"licence": "x" * each} for video in rows_of(["a-00000"] * count)]
    path = tmp_path / "catalogue.parquet"
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for first in range(0, count, 100):
            writer.write_table(pa.Table.from_pylist(rows[first : first + 100], schema=SCHEMA))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(BadInput, match="is not a readable catalogue" if count > 10 else "one of its texts has more"):
        read_catalogue(path)


def test_rows_become_what_pydantic_makes_of_them(tmp_path: Path) -> None:
    written = [
        Video(video_id="a", corpus="c", subject="s", shard="c-00000", source="x", start=1.5, fold=2),
        Video(video_id="b", corpus="c", subject="ß", shard="c-00000", source="y", text="Hm.", split="train"),
    ]
    write_catalogue(tmp_path / "catalogue.parquet", written)
    for video, made in zip(read_catalogue(tmp_path / "catalogue.parquet"), written, strict=True):
        assert video == Video(**made.model_dump())
        assert video.model_dump_json() == made.model_dump_json()
        assert video.model_copy(update={"split": "val"}).split == "val"
        assert pickle.loads(pickle.dumps(video)) == video
        with pytest.raises(ValidationError, match="frozen"):
            video.split = "test"  # type: ignore[misc]

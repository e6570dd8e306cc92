"""A shard is believed where its rows are those of its records, and its checksum where the file is the one it is of."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.media import memory
from portrait_prep.pipeline.declare.stage import Column, Params, Stage
from portrait_prep.pipeline.store.shard_state import ShardState
from portrait_prep.pipeline.store.shards import FOOTER_KEY, ShardReader, ShardWriter, verify
from tests.pipeline.damage import as_is, edit_json, forge
from tests.pipeline.toy import add_videos, numbers, toy_session

STAGE = Stage("toy", 1, Params, (Column("number", "int32"),), lambda _: iter(()))
ROWS = {"a": 300, "b": 1, "c": 250}


def record(video_id: str, rows: int, digests: dict[str, str]) -> Record:
    basis = Basis(version=1)
    return Record(
        video_id=video_id, stage="toy", outcome="done", fingerprint="", basis=basis, rows=rows, digests=digests
    )


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "a.parquet"
    with ShardWriter(path, STAGE, Params()) as writer:
        for video_id, count in ROWS.items():
            rows, digests = writer.rows(video_id, iter([{"number": np.arange(count, dtype=np.int32)}]))
            writer.record(record(video_id, rows, digests))
    return path


def test_one_row_is_the_one_that_was_asked_for(shard: Path) -> None:
    with ShardReader(shard) as reader:
        for number in (0, 1, 249, 250, 299):
            assert reader.row("a", number, ["number", "frame"]) == {"number": [number], "frame": [number]}


def test_rows_of_several_videos_come_in_the_order_asked_for_and_only_where_each_has_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with ShardWriter(path, STAGE, Params()) as writer:
        for number, video_id in enumerate("abc"):
            rows, digests = writer.rows(video_id, iter([{"number": np.full(1 + (video_id == "c"), number, np.int32)}]))
            writer.record(record(video_id, rows, digests))
    with ShardReader(path) as reader:
        assert [int(row["number"][0]) for row in reader.single_rows(["b", "a"], ["number"])] == [1, 0]
        with pytest.raises(Damaged, match="does not hold one row a video"):
            list(reader.single_rows(["b", "c"], ["number"]))


@pytest.mark.parametrize("update", [{"rows": 299}, {"digests": {"number": "0" * 64}}, {"outcome": "failed"}])
def test_rows_that_are_not_those_of_the_record_are_damaged(shard: Path, update: dict[str, object]) -> None:
    with ShardReader(shard) as reader:
        verify(reader, STAGE, reader.records["a"])
        with pytest.raises(Damaged, match="does not hold what was recorded for a"):
            verify(reader, STAGE, reader.records["a"].model_copy(update=update))


def test_a_column_that_is_not_there_is_told_however_it_is_read(shard: Path) -> None:
    with ShardReader(shard) as reader:
        for read in (
            lambda: list(reader.batches("a", ["other"])),
            lambda: reader.row("a", 0, ["other"]),
            lambda: list(reader.single_rows(["b"], ["other"])),
        ):
            with pytest.raises(Damaged, match="holds no other"):
                read()


def test_rows_whose_numbers_are_missing_are_damaged(shard: Path) -> None:
    with pq.ParquetFile(shard) as file:
        groups = [file.read_row_group(group) for group in range(file.num_row_groups)]
        footer = file.metadata.metadata[FOOTER_KEY].decode()
    place = groups[0].column_names.index("number")
    emptied = [group.set_column(place, "number", pa.nulls(len(group), pa.int32())) for group in groups]
    with pq.ParquetWriter(shard, emptied[0].schema) as writer:
        for group in emptied:
            writer.write_table(group)
        writer.add_key_value_metadata({FOOTER_KEY.decode(): footer})
    with ShardReader(shard) as reader, pytest.raises(Damaged, match="does not hold what was recorded for a"):
        verify(reader, STAGE, reader.records["a"])


def test_a_tensor_that_lacks_values_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    stage = Stage("toy", 1, Params, (Column("points", "float32", (2, 3)),), lambda _: iter(()))
    with ShardWriter(path, stage, Params()) as writer:
        rows, digests = writer.rows("a", iter([{"points": np.zeros((5, 2, 3), np.float32)}]))
        writer.record(record("a", rows, digests))
    with pq.ParquetFile(path) as file:
        group, footer = file.read_row_group(0), file.metadata.metadata[FOOTER_KEY].decode()
    for values in ([None] * 5, [[[0, 0, 0], None]] * 5, [[[0, None, 0]] * 2] * 5):
        points = pa.array(values, pa.list_(pa.list_(pa.float32(), 3), 2))
        emptied = group.set_column(group.column_names.index("points"), "points", points)
        with pq.ParquetWriter(path, emptied.schema) as writer:
            writer.write_table(emptied)
            writer.add_key_value_metadata({FOOTER_KEY.decode(): footer})
        with ShardReader(path) as reader:
            with pytest.raises(Damaged, match="cannot be read back"):
                list(reader.batches("a", ["points"]))
            with pytest.raises(Damaged, match="cannot be read back"):
                reader.row("a", 0, ["points"])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shards") / "w"
    session = add_videos(root, {"a1": numbers(300), "a2": numbers(30)})
    session.run(session.select((), (), False), workers=0)
    return root


def other_record_of_the_same_length(root: Path) -> None:
    path = root / "count/toy-00000.parquet"
    size = path.stat().st_size
    forge(toy_session(root), "count", "a1", as_is, {"metrics": {"seconds": 13.0}}, redo_digests=False)
    assert path.stat().st_size == size


def another_size(root: Path) -> None:
    for video_id in ("a1", "a2"):
        edit_json(
            root / f"manifests/{video_id}.json", lambda told: told["stages"]["count"]["outputs"][0].update(bytes=7)
        )


@pytest.mark.parametrize("change", [other_record_of_the_same_length, another_size])
def test_a_checksum_is_known_only_while_footer_and_size_are_those_of_the_file(
    finished: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    root = Path(shutil.copytree(finished, tmp_path / "w"))
    session = toy_session(root)

    def known() -> set[str]:
        return set(ShardState.load(session.workspace, "toy-00000", session.videos, session.stages).checksums)

    assert known() == {"count", "scale", "total"}
    change(root)
    assert known() == {"scale", "total"}


def test_a_record_that_claims_more_rows_than_the_file_has_is_no_record_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with ShardWriter(path, STAGE, Params()) as writer:
        rows, digests = writer.rows("a", iter([{"number": np.arange(2, dtype=np.int32)}]))
        writer.record(record("a", rows + 1, digests))
    with pytest.raises(Damaged, match="is not a whole shard"):
        ShardReader(path)


@pytest.mark.parametrize("stages", [True, None, [], {"count": True}, {"count": ["x"]}, {"count": {"outputs": [1]}}])
def test_manifests_that_a_stranger_wrote_tell_no_checksum(finished: Path, tmp_path: Path, stages: object) -> None:
    root = shutil.copytree(finished, tmp_path / "w")
    for video_id in ("a1", "a2"):
        edit_json(root / f"manifests/{video_id}.json", lambda told: told.update(stages=stages))
    session = toy_session(root)
    shard_state = ShardState.load(session.workspace, "toy-00000", session.videos, session.stages)
    shard_state.verify(session.stages)
    assert not shard_state.damaged
    assert set(shard_state.records["count"]) == {"a1", "a2"}


def test_maps_that_are_all_alike_are_read_however_little_of_the_file_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("one", "other")
    maps = Stage("toy", 1, Params, tuple(Column(name, "uint8", (256, 256)) for name in names), lambda _: iter(()))
    path = tmp_path / "maps.parquet"
    with ShardWriter(path, maps, Params()) as writer:
        rows, digests = writer.rows("v", iter([dict.fromkeys(names, np.full((250, 256, 256), 7, np.uint8))]))
        writer.record(record("v", rows, digests))
    assert path.stat().st_size < 1 << 20
    monkeypatch.setattr(memory, "TABLE_ALLOWANCE", 0)  # as in a process in which nothing is left of what was reserved
    held = [pa.allocate_buffer(1 << 26) for _ in range(32)]
    with ShardReader(path) as reader:
        (batch,) = reader.batches("v", names)
    del held
    assert all((batch[name] == 7).all() for name in names)

"""What is no regular file, or nested or long beyond anything of ours, is damage like any other: nothing waits on it."""

import os
import shutil
import socket
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, BadSetting, Damaged, PortraitPrepError
from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.json_lines import MOST_LINE
from portrait_prep.manifests.verdict import read_reviews
from portrait_prep.media.container import NotAVideo, opened
from portrait_prep.media.file import File, regular
from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.settings import read_settings
from portrait_prep.pipeline.diff import compare
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shards import FOOTER_KEY, ShardReader
from tests.pipeline.toy import TOYS, add_videos, numbers, toy_session

DEEP = "[" * 200_000
FILES = (
    *("count/toy-00000.parquet", "scale/toy-00000.parquet", "total/toy-00000.parquet", "total/reduction.json"),
    *("manifests/a1.json", "manifests.parquet", "catalogue.parquet", "pipeline.toml", "reviews.jsonl", "media/a1.txt"),
)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def nested(path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({FOOTER_KEY: DEEP}), path)
    else:
        path.write_text(f"a = {DEEP}" if path.suffix == ".toml" else DEEP)


COMMANDS: tuple[Callable[[Session], object], ...] = (
    lambda session: session.status_counts(),
    lambda session: list(session.unfinished()),
    lambda session: list(Audit(session, deep=True).findings()),
    lambda session: compare(session, session),
    lambda session: session.run(session.select((), (), False), workers=0),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished") / "w"
    session = add_videos(root, {"a1": numbers(3), "b1": numbers(4)})
    session.run(session.select((), (), False), workers=0)
    return root


@pytest.mark.timeout(60)
@pytest.mark.parametrize("put", [pipe, device, folder, nested])
@pytest.mark.parametrize("name", FILES)
def test_every_command_comes_to_an_end_in_our_own_words(
    tmp_path: Path, finished: Path, name: str, put: Callable[[Path], None]
) -> None:
    for number, command in enumerate(COMMANDS):
        root = shutil.copytree(finished, tmp_path / str(number))
        (root / name).unlink(missing_ok=True)
        put(root / name)
        with suppress(PortraitPrepError, OSError):  # each is one sentence to the user
            command(toy_session(root))


def test_only_a_regular_file_of_a_known_size_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(10))
    (tmp_path / "link").symlink_to("file")
    assert regular(tmp_path / "link", 10) == tmp_path / "link"
    pipe(tmp_path / "pipe")
    device(tmp_path / "device")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for name in ("pipe", "device", "socket"):
        for read in (regular, sha256_of, File):
            with pytest.raises(OSError, match="Not a regular file"):
                read(tmp_path / name)
        with pytest.raises(NotAVideo, match="is not a regular file"), opened(tmp_path / name):
            pass
        with pytest.raises(Damaged):
            list(read_frames(tmp_path / name))
    with pytest.raises(OSError, match="File too large"):
        regular(tmp_path / "file", 9)
    with pytest.raises(IsADirectoryError):
        regular(tmp_path)


def test_settings_nested_too_deeply_are_told_as_such(tmp_path: Path) -> None:
    nested(tmp_path / "pipeline.toml")
    with pytest.raises(BadSetting, match="nested too deeply"):
        read_settings(tmp_path / "pipeline.toml", TOYS)


def test_a_shard_nested_too_deeply_is_damaged(tmp_path: Path) -> None:
    for name, depth in (("deep", 200_000), ("less", 900)):
        footer = '{"records": ' + "[" * depth + "]" * depth + "}"
        table = pa.table({"a": [1]}).replace_schema_metadata({FOOTER_KEY: footer})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        with pytest.raises(Damaged, match="is not a whole shard"):
            ShardReader(tmp_path / f"{name}.parquet")


def test_a_review_is_not_longer_than_any_person_writes(tmp_path: Path) -> None:
    path = tmp_path / "reviews.jsonl"
    with path.open("wb") as file:
        file.truncate(4 << 30)  # one line, of no blocks on the disk
    tracemalloc.start()
    with pytest.raises(BadInput, match="line 1, is not a review"):
        read_reviews(path)
    assert tracemalloc.get_traced_memory()[1] < 16 * MOST_LINE
    tracemalloc.stop()


def test_rows_that_are_claimed_beyond_what_a_file_can_hold_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3_000_000, np.int8)), pa.array(["a"]))
    pq.write_table(pa.table(dict.fromkeys(("video_id", "corpus", "subject", "source"), column)), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(BadInput, match="is not a readable catalogue"):
        read_catalogue(path)


def test_more_rows_than_a_group_has_are_not_read(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with ShardReader(finished / "count/toy-00000.parquet") as reader:
        table = reader.file.read()
        names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(3_000_000, np.int8)), pa.array(["a1"]))
        frames = pa.array(np.zeros(3_000_000, np.int32))
        large = pa.table({"video_id": names, "frame": frames, "number": frames}, metadata=table.schema.metadata)
        with pq.ParquetWriter(path, large.schema) as writer:
            writer.write_table(large, row_group_size=3_000_000)
            writer.add_key_value_metadata({FOOTER_KEY: reader.footer})
    with ShardReader(path) as reader, pytest.raises(Damaged, match="cannot be read back"):
        list(reader.tables("a1"))
    with ShardReader(path) as reader, pytest.raises(Damaged, match="cannot be read back"):
        reader.row("a1", 0, ["number"])
    with ShardReader(path) as reader, pytest.raises(Damaged, match="cannot be read back"):
        list(reader.batches("b1", ["number"]))  # its group is not there at all

"""The reader: what it gives is what the shards hold, whatever the window, the encoding and the process."""

import copy
import multiprocessing
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.store.shards import FOOTER_KEY
from portrait_prep.stages import stats
from portrait_prep.stages.streaming.described import DESCRIBED
from portrait_prep.views.reading.reader import Reader
from tests.views.small_corpus import COLUMNS, FRAMES, drawn, grey, make

READ = [video_id for video_id in FRAMES if not video_id.endswith(("rejected", "bad"))]
LEAVES = [
    "landmarks.list.element.list.element",
    "scale",
    "box.list.element.list.element.list.element",
    "pcm.list.element",
]
ENCODINGS: dict[str, dict[str, Any]] = {
    "as written": {},
    "plain": {"compression": "none", "data_page_size": 1 << 24},
    "streams": {"compression": "zstd", "use_byte_stream_split": True, "data_page_size": 1 << 24},
    "snappy": {"compression": "snappy", "data_page_size": 1 << 24},
    "lz4": {"compression": "lz4", "data_page_size": 1 << 24},
    "many pages": {"compression": "none", "data_page_size": 1 << 10, "write_batch_size": 16},
    "other pages": {"compression": "zstd", "data_page_version": "2.0", "data_page_size": 1 << 24},
    "dictionary": {"compression": "none", "use_dictionary": True, "data_page_size": 1 << 24},
    "checksums": {"compression": "none", "write_page_checksum": True, "data_page_size": 1 << 24},
    "statistics": {"compression": "none", "write_statistics": True, "data_page_size": 1 << 24},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("small") / "w")


@pytest.fixture
def workspace(written: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(written, tmp_path / "w"))


@pytest.fixture(scope="module", params=ENCODINGS)
def encoded(request: pytest.FixtureRequest, written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same workspace as another Parquet writer might have left it."""
    options = ENCODINGS[request.param]
    if not options:
        return written
    root = Path(shutil.copytree(written, tmp_path_factory.mktemp("encoded") / "w"))
    for stage in ("landmarks", "headpose", "speech"):
        for path in (root / stage).glob("*.parquet"):
            rewrite(path, **options)
    return root


def rewrite(path: Path, **options: Any) -> None:
    """Write a shard anew, with the same row groups."""
    table = pq.ParquetFile(path)
    schema = table.schema_arrow
    options = {"use_dictionary": False, "write_statistics": False} | options
    if options.get("use_byte_stream_split"):
        options["use_byte_stream_split"] = [leaf for leaf in LEAVES if leaf.partition(".")[0] in schema.names]
    groups = [table.read_row_group(group) for group in range(table.num_row_groups)]
    table.close()
    with pq.ParquetWriter(path, schema, **options) as writer:
        for group in groups:
            writer.write_table(group)
        writer.add_key_value_metadata({"portrait_prep": table.metadata.metadata[b"portrait_prep"]})


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_window_is_that_slice_of_the_column(encoded: Path, data: st.DataObject) -> None:
    reader = readers(encoded)
    number = data.draw(st.integers(0, len(READ) - 1))
    first = data.draw(st.integers(0, FRAMES[READ[number]]))
    frames = data.draw(st.integers(0, FRAMES[READ[number]] - first))
    columns = data.draw(st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1))
    batch = reader.read(number, first, frames, columns)
    assert set(batch) == columns
    for name, values in batch.items():
        whole = drawn(READ[number], COLUMNS[name])
        assert values.dtype == whole.dtype
        np.testing.assert_array_equal(values, whole[first : first + frames])
        assert values.flags.writeable
        values[:] = 0  # the caller's own: the next read must not see it


OPEN: dict[Path, Reader] = {}


def readers(root: Path) -> Reader:
    """One a workspace, so that examples meet what those before them left in its stores."""
    if root not in OPEN:
        OPEN[root] = Reader(root, COLUMNS, cache_bytes=3 << 20)
    return OPEN[root]


def test_only_what_is_asked_for_is_read(written: Path, tmp_path: Path) -> None:
    """Of plain uncompressed shards the very rows, else the row groups that hold them: the rest may be rubbish."""
    root = Path(shutil.copytree(written, tmp_path / "w"))
    reader = Reader(root, ["landmarks.landmarks"])
    path = root / "landmarks" / f"{reader.videos[0].video.shard}.parquet"
    rewrite(path, **ENCODINGS["streams"])
    metadata = pq.ParquetFile(path).metadata
    second = metadata.row_group(1).column(2)
    content = bytearray(path.read_bytes())
    content[second.data_page_offset : second.data_page_offset + second.total_compressed_size] = bytes(
        second.total_compressed_size
    )
    path.write_bytes(content)
    reader = Reader(root, ["landmarks.landmarks"])
    whole = drawn("ann-1", "landmarks")
    np.testing.assert_array_equal(reader.read(0, 0, 250)["landmarks.landmarks"], whole[:250])
    np.testing.assert_array_equal(reader.read(0, 500)["landmarks.landmarks"], whole[500:])
    with pytest.raises(Damaged, match="delete it and run again"):
        reader.read(0, 249, 2)


def test_sound_is_640_samples_a_frame(written: Path) -> None:
    reader = Reader(written)
    for number, video_id in enumerate(READ):
        np.testing.assert_array_equal(reader.sound(number, 5, 17), drawn(video_id, "pcm")[5:22])
        np.testing.assert_array_equal(reader.sound(number), drawn(video_id, "pcm"))


@pytest.mark.parametrize(("first", "frames"), [(0, 1), (11, 3), (36, 1), (300, 30), (700, 1)])
def test_images_are_those_frames(written: Path, first: int, frames: int) -> None:
    reader = Reader(written)
    number = reader.numbers["ann-1" if first > 36 else "bob-1"]
    images = reader.images(number, first, frames, size=32)
    assert images.shape == (frames, 32, 32, 3)
    expected = [grey(frame) for frame in range(first, first + frames)]
    np.testing.assert_allclose(images.mean(axis=(1, 2, 3)), expected, atol=3)


@pytest.mark.parametrize(("first", "frames"), [(-1, 2), (0, 38), (38, None), (30, 8), (0, -1)])
def test_frames_that_are_not_there_are_an_index_error(written: Path, first: int, frames: int | None) -> None:
    reader = Reader(written, COLUMNS)
    number = reader.numbers["bob-1"]
    for read in (reader.read, reader.sound, reader.images):
        with pytest.raises(IndexError, match="bob-1 has 37 frames"):
            read(number, first, frames)


def chosen(root: Path, *columns: str, **choice: Any) -> list[str]:
    return [footage.video.video_id for footage in Reader(root, columns, **choice).videos]


def test_videos_are_chosen_by_what_is_known_of_them(written: Path) -> None:
    assert chosen(written) == READ
    assert chosen(written, accepted=None) == [*READ, "cy-rejected", "cy-bad"]
    assert chosen(written, accepted=False) == ["cy-rejected", "cy-bad"]
    assert chosen(written, "landmarks.landmarks", accepted=False) == ["cy-rejected"]
    assert chosen(written, four_class="sad") == ["bob-1", "bob-2"]
    assert chosen(written, four_class=None) == ["cy-gap"]
    assert chosen(written, fold={0, 1}) == ["ann-1", "ann-2", "bob-2", "cy-gap"]
    assert chosen(written, subject=lambda subject: subject != "bob", split="train") == ["ann-2"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"colour": "red"}, "no field colour"),
        ({"subject": "dan"}, "6 of another subject, 1 not done at headpose and normalize"),
        ({"subject": "cy", "accepted": True, "fold": 7}, "4 of another subject, 1 of another fold, 1 not accepted"),
        ({"video_id": "dan-1"}, "6 not named, 1 not done"),
        ({"emotion": "happy"}, "6 with no emotion, 1 not done"),
        ({"columns": ["headpose.nose"]}, "holds no column 'nose'; it holds video_id, frame, scale, box"),
    ],
)
def test_a_choice_that_cannot_be_met_is_told(written: Path, choice: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        Reader(written, **({"columns": ["headpose.box"], "accepted": None} | choice))


def test_where_nothing_is_split_the_command_that_splits_is_told(written: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(written, tmp_path / "w"))
    rows = [row.model_copy(update={"split": None}) for row in read_catalogue(root / "catalogue.parquet")]
    write_catalogue(root / "catalogue.parquet", rows)
    with pytest.raises(BadInput, match=r"with no split.* \('portrait-prep split --ratios 80/10/10' gives them one\)"):
        Reader(root, split="train")


@pytest.mark.parametrize("column", ["headpose.scale", "landmarks.detected", "landmarks"])
def test_a_column_that_it_was_not_made_for_is_told(written: Path, column: str) -> None:
    with pytest.raises(BadInput, match=rf"not made to read {column}: .*landmarks.landmarks"):
        Reader(written, ["landmarks.landmarks"]).read(0, 0, 1, [column])


def test_a_workspace_without_manifests_is_told(workspace: Path) -> None:
    (workspace / "manifests.parquet").unlink()
    with pytest.raises(BadInput, match="run 'portrait-prep run'"):
        Reader(workspace)


@pytest.mark.parametrize(
    ("column", "value"), [("frames", None), ("metrics", "[]"), ("metrics", '{"gaps": [1]}'), ("accepted", None)]
)
def test_manifests_that_a_stranger_wrote_are_told(workspace: Path, column: str, value: str | None) -> None:
    path = workspace / "manifests.parquet"
    table = pq.read_table(path)
    changed = table.set_column(
        table.schema.get_field_index(column),
        table.schema.field(column).with_nullable(True),
        pa.array([value] * len(table), table.schema.field(column).type),
    )
    pq.write_table(changed, path)
    with pytest.raises(BadInput, match="cannot be read"):
        Reader(workspace, ["headpose.euler"])


def test_a_shard_that_has_changed_is_not_taken_for_the_old_one(workspace: Path) -> None:
    reader = Reader(workspace, ["headpose.scale"])
    path = workspace / "headpose" / f"{reader.videos[0].video.shard}.parquet"
    other = workspace / "other"
    shutil.copy(path, other)
    rewrite(other, **ENCODINGS["snappy"])
    other.replace(path)
    with pytest.raises(Damaged, match="open the reader anew"):
        reader.read(0)
    assert len(Reader(workspace, ["headpose.scale"]).read(0)["headpose.scale"]) == FRAMES["ann-1"]


def test_a_shard_of_the_same_size_and_time_is_not_taken_for_the_old_one_either(workspace: Path) -> None:
    reader = Reader(workspace, ["headpose.scale"])
    path = workspace / "headpose" / f"{reader.videos[0].video.shard}.parquet"
    shutil.copy2(path, workspace / "other")
    (workspace / "other").replace(path)
    with pytest.raises(Damaged, match="open the reader anew"):
        reader.read(0)


def test_pictures_and_sound_of_a_later_run_are_not_mixed_with_earlier_columns(workspace: Path) -> None:
    """A run puts the media in their place, and then the shard that tells of them."""
    fresh, used, heard = Reader(workspace), Reader(workspace), Reader(workspace)
    used.images(1, 0, 1)
    before = heard.sound(0, 0, 5)
    shard = workspace / "normalize" / "small-00000.parquet"
    digest = fresh.videos[0].digests["normalize"].encode()
    later = {path: path.read_bytes() for path in (workspace / "media").glob("ann-1.*")}
    later[shard] = shard.read_bytes().replace(digest, digest[::-1])
    for path, content in later.items():
        (workspace / "other").write_bytes(content)
        (workspace / "other").replace(path)
    for read in (fresh.images, fresh.sound, used.images, used.sound):
        with pytest.raises(Damaged, match="open the reader anew"):
            read(0, 0, 1)
    np.testing.assert_array_equal(heard.sound(0, 0, 5), before)  # what it has open is the earlier file


def test_a_shard_of_another_content_is_not_read(workspace: Path) -> None:
    path = workspace / "headpose" / "small-00000.parquet"
    footer = pq.ParquetFile(path).metadata.metadata[b"portrait_prep"]
    digest = Reader(workspace).videos[0].digests["headpose"].encode()
    assert footer.count(digest) == 1
    path.write_bytes(path.read_bytes().replace(digest, digest[::-1]))
    with pytest.raises(Damaged, match="not the file that the manifests tell of"):
        Reader(workspace, ["headpose.scale"])


def test_a_shard_with_fewer_groups_than_its_records_tell_of_is_damaged(workspace: Path) -> None:
    (video,) = (video for video in read_catalogue(workspace / "catalogue.parquet") if video.video_id == "cy-gap")
    path = workspace / "landmarks" / f"{video.shard}.parquet"
    with pq.ParquetFile(path) as file:
        table, footer = file.read(), file.metadata.metadata[FOOTER_KEY].decode()
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table, row_group_size=len(table))
        writer.add_key_value_metadata({FOOTER_KEY.decode(): footer})
    reader = Reader(workspace, ["landmarks.landmarks"])
    with pytest.raises(Damaged, match="fewer rows"):
        reader.read(reader.numbers["cy-gap"])


def test_a_sound_of_another_length_is_not_read(workspace: Path) -> None:
    path = workspace / "media" / "ann-1.wav"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(Damaged, match="ann-1"):
        Reader(workspace).sound(0, 0, 1)


def test_facts_are_the_one_row_of_a_video(written: Path) -> None:
    reader = Reader(written)
    for number, video_id in enumerate(READ):
        facts = reader.facts(number, "normalize.n_frames", "normalize.source")
        assert facts["normalize.n_frames"] == FRAMES[video_id]
        assert facts["normalize.source"].endswith(f"sources/{video_id}")
    with pytest.raises(Damaged, match="run stats"):
        reader.facts(0, "stats.canonical_mean")


def test_statistics_are_those_of_the_subject_and_of_all(workspace: Path) -> None:
    reader = Reader(workspace)
    with pytest.raises(BadInput, match="no statistics"):
        reader.statistics()
    (workspace / "stats").mkdir()
    stats.reduce(((footage.video, moments(footage.video)) for footage in reader.videos), workspace / "stats")
    assert reader.statistics("bob")["canonical_mean"].shape == (478, 3)
    np.testing.assert_allclose(reader.statistics("bob")["euler_mean"], len("bob"))
    np.testing.assert_allclose(reader.statistics("bob")["euler_std"], 2.0)
    np.testing.assert_allclose(reader.statistics()["euler_mean"], np.mean([3, 3, 3, 3, 2]))
    with pytest.raises(BadInput, match="no statistics of dan"):
        reader.statistics("dan")


def moments(video: Video) -> dict[str, Any]:
    """A row of the stats stage: ten frames with the mean len(subject) and the deviation 2."""
    row: dict[str, Any] = {}
    for column in DESCRIBED:
        row[f"{column.name}_count"] = np.array([10])
        row[f"{column.name}_mean"] = np.full((1, *column.shape), float(len(video.subject)))
        row[f"{column.name}_m2"] = np.full((1, *column.shape), 40.0)
    return row


@pytest.mark.parametrize("damage", [b"PK\x03\x04" + bytes(80), b"", b"x" * 50, None])
def test_statistics_that_cannot_be_read_are_told(workspace: Path, damage: bytes | None) -> None:
    reader = Reader(workspace)
    (workspace / "stats").mkdir()
    stats.reduce(((footage.video, moments(footage.video)) for footage in reader.videos), workspace / "stats")
    path = workspace / "stats/bob.npz"
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    with pytest.raises(BadInput, match="cannot be read: run"):
        reader.statistics("bob")


def test_gaps_divide_a_video_into_runs(written: Path) -> None:
    reader = Reader(written, ["landmarks.landmarks"])
    footage = reader.videos[reader.numbers["cy-gap"]]
    assert footage.runs == ((0, 100), (120, 333))
    points = reader.read(reader.numbers["cy-gap"])["landmarks.landmarks"]
    finite = np.isfinite(points).all(axis=(1, 2))
    inside = np.zeros(333, bool)
    for first, stop in footage.runs:
        inside[first:stop] = True
    np.testing.assert_array_equal(finite, inside)


def checksum(reader: Reader) -> float:
    """What another process reads."""
    return float(np.nansum(reader.read(0, 240, 20)["landmarks.landmarks"])) + float(reader.sound(0, 3, 1).sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_it_goes_into_other_processes(written: Path, method: str) -> None:
    reader = Reader(written, COLUMNS)
    expected = checksum(reader)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(checksum, (reader,)) == expected
    assert checksum(copy.copy(reader)) == expected


def test_its_pickle_holds_no_data(written: Path) -> None:
    reader = Reader(written, COLUMNS)
    before = len(pickle.dumps(reader))
    reader.read(0)
    reader.sound(0)
    reader.facts(0, "normalize.n_frames")
    assert len(pickle.dumps(reader)) == before < 20_000


def open_files() -> int:
    """Of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_it_holds_few_files_and_little_memory(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portrait_prep.views.reading.reader.OPEN_FILES", 2)
    reader = Reader(written, COLUMNS, cache_bytes=2_000_000)
    open_before = open_files()
    for number in range(len(reader)):
        reader.read(number)
        reader.sound(number)
        assert open_files() <= open_before + 2
        assert sum(values.nbytes for values in reader._decoded._values.values()) <= 2_000_000
    reader.close()
    assert open_files() <= open_before
    assert len(reader.read(0, 0, 5)["speech.pcm"]) == 5


def test_it_needs_no_torch(written: Path) -> None:
    """PyTorch is an optional package."""
    code = (
        "import sys; from portrait_prep.views.reading import reader, sampler, samples, windows; "
        f"reader.Reader({str(written)!r}).sound(0, 0, 1); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

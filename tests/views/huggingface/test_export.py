"""What `export datasets` writes, read by the format's rules, and by `datasets` itself where it is installed."""

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.arrow import to_arrow
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.huggingface.export import DATASETS, DatasetsOptions, grouped
from portrait_prep.views.huggingface.features import Feature, schema
from tests.views.exporting.interrupted import killed_and_not
from tests.views.small_corpus import COLUMNS, FRAMES, drawn, make

SPLITS = {"test": ["ann-1", "bob-1", "cy-gap"], "train": ["ann-2", "bob-2"]}
SHAPES = {
    "landmarks": (478, 3),
    "detected": (),
    "scale": (),
    "box": (2, 3, 2),
    "classes": (6, 5),
    "outlines": (2, 3),
    "pcm": (640,),
}
FEATURES = {
    "landmarks": {"shape": [478, 3], "dtype": "float32", "_type": "Array2D"},
    "detected": {"dtype": "bool", "_type": "Value"},
    "scale": {"dtype": "float32", "_type": "Value"},
    "box": {"shape": [2, 3, 2], "dtype": "float32", "_type": "Array3D"},
    "classes": {"shape": [6, 5], "dtype": "uint8", "_type": "Array2D"},
    "outlines": {"shape": [2, 3], "dtype": "uint32", "_type": "Array2D"},
    "pcm": {"feature": {"dtype": "int16", "_type": "Value"}, "length": 640, "_type": "Sequence"},
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("small") / "w")


@pytest.fixture(scope="module")
def exported(workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Killed at the command line and gone on with, too; four files of one split."""
    options = ("--columns", *COLUMNS, "--shard-size", "2")
    folder, said = killed_and_not(workspace, tmp_path_factory.mktemp("tables"), "datasets", *options)
    assert "left out, not accepted: 1 (cy-rejected)" in said
    assert f"{folder}: 1572 rows of 5 videos, 1.0 min." in said
    return folder


def head(folder: Path) -> dict[str, Any]:
    """The head of the card: here every value is JSON."""
    before, lines, _ = (folder / "README.md").read_text().split("---\n", 2)
    assert before == ""
    return {name: json.loads(value) for name, _, value in (line.partition(": ") for line in lines.splitlines())}


def table(folder: Path, pattern: str) -> pa.Table:
    paths = sorted(folder.glob(pattern))
    assert paths
    return pa.concat_tables(pq.read_table(path) for path in paths)


def flat(column: pa.ChunkedArray) -> NDArray[Any]:
    array = column.combine_chunks()
    while pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    return np.asarray(array.to_numpy(zero_copy_only=False))


def test_the_card_names_the_files_of_each_split(exported: Path) -> None:
    (config,) = head(exported)["configs"]
    paths = {each["split"]: each["path"] for each in config["data_files"]}
    assert list(paths) == list(SPLITS)
    names = {split: sorted(path.name for path in exported.glob(pattern)) for split, pattern in paths.items()}
    assert names["train"] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert sum(map(len, names.values())) == len(list((exported / "data").iterdir()))
    assert {path.name for path in exported.iterdir()} == {"README.md", "data"}


def test_a_row_is_a_frame_with_all_that_is_known_of_its_video(exported: Path) -> None:
    for split, videos in SPLITS.items():
        found = table(exported, f"data/{split}-*.parquet")
        assert found["video_id"].to_pylist() == [name for name in videos for _ in range(FRAMES[name])]
        assert found["frame"].to_pylist() == [frame for name in videos for frame in range(FRAMES[name])]
        assert set(found["split"].to_pylist()) == {split}
        four_class = {"ann": "hap", "bob": "sad", "cy": None}
        assert found["four_class"].to_pylist() == [
            four_class.get(name.partition("-")[0]) for name in found["video_id"].to_pylist()
        ]
        assert found["emotion"].null_count == len(found)
        assert not {"source", "sound", "shard"} & set(found.column_names)
        assert found.column_names[-len(SHAPES) - 2 :] == ["accepted", "frame", *SHAPES]
        for name, shape in SHAPES.items():
            expected = np.concatenate([drawn(video_id, name) for video_id in videos])
            values = flat(found[name]).reshape(-1, *shape)
            assert values.dtype == expected.dtype
            np.testing.assert_array_equal(values, expected)  # NaN of gaps stays NaN


def test_the_schema_tells_the_features(exported: Path) -> None:
    (path, *_) = sorted(exported.glob("data/*.parquet"))
    told = json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"]
    assert {name: told[name] for name in FEATURES} == FEATURES
    assert told["subject"] == {"dtype": "string", "_type": "Value"}
    assert told["fold"] == {"dtype": "int64", "_type": "Value"}
    assert told["frame"] == {"dtype": "int32", "_type": "Value"}
    assert [each["name"] for each in head(exported)["dataset_info"]["features"]] == list(told)


def test_the_card_tells_licences_counts_and_what_was_left_out(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    assert "| test | 3 | 1071 | 43 s |" in card
    assert "| 5 | not stated |" in card
    assert "5 videos of 3 subjects, all accepted." in card
    assert "Left out, not accepted: 1 video." in card
    assert "Left out, not done at headpose and landmarks and normalize and parsing and speech: 1 video." in card


def test_no_two_columns_have_one_name(workspace: Path, tmp_path: Path) -> None:
    """`datasets` would read neither."""
    write_export(DATASETS, workspace, tmp_path / "x", DatasetsOptions(columns=("speech.frame", "speech.pcm")))
    (path, *_) = (tmp_path / "x" / "data").iterdir()
    assert pq.read_schema(path).names[-3:] == ["frame", "speech.frame", "pcm"]


def test_row_groups_are_of_one_size(workspace: Path, tmp_path: Path) -> None:
    """However short the first video is: `datasets` reads as many rows at a time as are in the first group."""
    choice = Choice(split=("test",), rejected=True)
    write_export(DATASETS, workspace, tmp_path / "x", DatasetsOptions(columns=("speech.pcm",)), choice)
    (path,) = (tmp_path / "x" / "data").iterdir()
    metadata = pq.read_metadata(path)
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [1000, 81]


@given(st.lists(st.sampled_from([1, 250, 500, 1000, 2300]), max_size=9))
def test_no_row_is_lost_between_row_groups(sizes: list[int]) -> None:
    ends = [0, *np.cumsum(sizes, dtype=int).tolist()]
    groups = list(grouped(pa.table({"row": np.arange(*pair)}) for pair in pairwise(ends)))
    assert [len(group) for group in groups[:-1]] == [1000] * (len(groups) - 1)
    assert all(0 < len(group) <= 1000 for group in groups)
    assert [row for group in groups for row in group["row"].to_pylist()] == list(range(ends[-1]))


@pytest.mark.parametrize("dtype", ["float16", "uint8", "bool", "int64"])
def test_columns_of_other_types_are_read_back(dtype: str, tmp_path: Path) -> None:
    """Features of speech networks, and maps of classes."""
    column = Column("x", dtype, (2, 5))
    values = np.random.default_rng(0).integers(0, 2, (9, 2, 5)).astype(dtype)
    made = pa.Table.from_arrays([to_arrow(column, values)], schema=schema([Feature(column)]))
    pq.write_table(made, tmp_path / "x.parquet")
    assert flat(pq.read_table(tmp_path / "x.parquet")["x"]).reshape(9, 2, 5).tolist() == values.tolist()
    told = json.loads(made.schema.metadata[b"huggingface"])["info"]["features"]["x"]
    assert told == {"shape": [2, 5], "dtype": dtype, "_type": "Array2D"}


def test_videos_without_a_split_are_train(workspace: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(workspace, tmp_path / "w"))
    path = Workspace(copied).catalogue
    rows = [row.model_copy(update={"split": None, "licence": "CC0"}) for row in read_catalogue(path)]
    write_catalogue(path, rows)
    write_export(DATASETS, copied, tmp_path / "x", DatasetsOptions(columns=("headpose.scale",)))
    assert [path.name for path in (tmp_path / "x" / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    assert "5 videos have no split, and stand in `train`." in (tmp_path / "x" / "README.md").read_text()
    assert head(tmp_path / "x")["license_name"] == "CC0"


def test_datasets_reads_it(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    loaded = datasets.load_dataset(str(exported), cache_dir=str(tmp_path))
    assert {split: found.num_rows for split, found in loaded.items()} == {"test": 1071, "train": 501}
    found = loaded["test"].with_format("numpy")[:1000]["landmarks"]
    expected = np.concatenate([drawn(video_id, "landmarks") for video_id in SPLITS["test"]])[:1000]
    assert (found.shape, found.dtype.name) == ((1000, 478, 3), "float32")
    np.testing.assert_array_equal(found, expected)
    assert loaded["train"].features["landmarks"] == datasets.Array2D((478, 3), "float32")
    first = next(iter(datasets.load_dataset(str(exported), split="train", streaming=True)))
    assert (first["video_id"], first["subject"], first["four_class"]) == ("ann-2", "ann", "hap")


def test_its_own_reading_of_metadata_and_card_agrees(exported: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    (path, *_) = sorted(exported.glob("data/*.parquet"))
    told = datasets.Features.from_dict(json.loads(pq.read_schema(path).metadata[b"huggingface"])["info"]["features"])
    assert told == datasets.Features._from_yaml_list(head(exported)["dataset_info"]["features"])
    assert told["box"] == datasets.Array3D((2, 3, 2), "float32")

"""What `export webdataset` writes, read by the format's rules: a sample is what is named alike up to the first dot."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.webdataset import WEBDATASET, WebdatasetOptions
from tests.views.exporting.interrupted import killed_and_not
from tests.views.moving_faces import FRAMES, GAP, SPLITS

COLUMNS = ("headpose.canonical", "torso.billboard", "speech.pcm", "headpose.scale")
FILES = {"train-000000.tar", "val-000000.tar", "test-000000.tar", "all-000000.tar"}


@pytest.fixture(scope="module")
def exported(moving_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Killed at the command line and gone on with, too."""
    options = ("--columns", *COLUMNS)
    folder, said = killed_and_not(moving_workspace, tmp_path_factory.mktemp("tars"), "webdataset", *options)
    assert "train-000000.tar: 2 videos" in said
    assert f"{folder}: 6 samples in 4 tar files, 3.1 min." in said
    return folder


def samples(path: Path) -> dict[str, dict[str, bytes]]:
    """Key -> ending -> content; the files of a sample must stand together."""
    found: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, ending = member.name.partition(".")
            assert key not in found or key == list(found)[-1]
            file = tar.extractfile(member)
            assert file is not None
            found.setdefault(key, {})[ending] = file.read()
    return found


def arrays(sample: dict[str, bytes]) -> dict[str, Any]:
    return {
        ending.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
        for ending, content in sample.items()
        if ending.endswith(".npy")
    }


def test_each_video_is_a_sample_of_its_split(exported: Path, moving_workspace: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    reader = Reader(moving_workspace, (*COLUMNS, "torso.visible"))
    seen = set()
    for path in exported.iterdir():
        for key, sample in samples(path).items():
            told = json.loads(sample["json"])
            video_id = told["video_id"]
            assert key == video_id.replace(".", "%2E")
            assert (SPLITS.get(video_id) or "all") == path.name.partition("-")[0]
            for suffix in ("mp4", "wav"):
                assert sample[suffix] == (moving_workspace / "media" / f"{video_id}.{suffix}").read_bytes()
            read = reader.read(reader.numbers[video_id])
            found = arrays(sample)
            # Where shoulders were seen goes along, though nobody asked for it.
            assert set(found) == {"canonical", "billboard", "pcm", "scale", "visible"}
            for column, values in read.items():
                assert found[column.partition(".")[2]].dtype == values.dtype
                np.testing.assert_array_equal(found[column.partition(".")[2]], values)
            seen.add(video_id)
    assert seen == set(FRAMES)


def test_the_json_tells_what_is_known_and_no_path(exported: Path) -> None:
    told = json.loads(samples(exported / "val-000000.tar")["bob-gap"]["json"])
    expected: dict[str, Any] = {
        "video_id": "bob-gap",
        "corpus": "moving",
        "subject": "bob",
        "split": "val",
        "fold": None,
    }
    expected |= {"frames": FRAMES["bob-gap"], "gaps": [list(GAP)], "fps": 25, "accepted": True}
    expected |= {"fold": None, "licence": None, "text": None, "emotion": None, "statement": None, "valence": None}
    assert {name: told[name] for name in expected} == expected
    assert not {"source", "sound", "shard"} & told.keys()


def test_files_are_no_larger_than_asked_for(moving_workspace: Path, tmp_path: Path) -> None:
    options = WebdatasetOptions(columns=("landmarks.landmarks",), shard_size=10)
    lines = write_export(WEBDATASET, moving_workspace, tmp_path / "x", options, Choice(subject=("ann", "bob")))
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "x").iterdir()}
    assert sizes.keys() == {"train-000000.tar", "val-000000.tar"}
    assert sizes["train-000000.tar"] < 10_000_000 < sizes["val-000000.tar"]  # the second holds a single video
    assert "left out, of another subject: 3 (cy-drawn, train.txt, test.txt)" in lines
    options = WebdatasetOptions(columns=("landmarks.landmarks",), shard_size=7)
    write_export(WEBDATASET, moving_workspace, tmp_path / "y", options, Choice(only=("ann-*",)))
    assert [list(samples(tmp_path / "y" / f"train-00000{number}.tar")) for number in (0, 1)] == [["ann-1"], ["ann-2"]]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("canonical", "A column is named with its stage, as 'landmarks.landmarks', not 'canonical'."),
        ("headpose.nose", "holds no column 'nose'; it holds video_id, frame, euler"),
        ("normalize.n_frames", "has one row a video: 'n_frames' is a fact, and no column of frames"),
    ],
)
def test_other_columns_are_refused(moving_workspace: Path, tmp_path: Path, column: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        write_export(WEBDATASET, moving_workspace, tmp_path / "x", WebdatasetOptions(columns=(column,)))
    assert not (tmp_path / "x").exists()


def test_webdataset_reads_it(exported: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="WebDataset is not installed")
    files = sorted(map(str, exported.glob("*.tar")))
    loaded = list(webdataset.WebDataset(files, shardshuffle=False).decode())
    assert {sample["json"]["video_id"]: sample["canonical.npy"].shape for sample in loaded} == {
        video_id: (frames, 478, 3) for video_id, frames in FRAMES.items()
    }

"""What `export live-link` writes, read as importers of the app's recordings do, and as Bert-VITS2-ext's loader does."""

import csv
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import BadInput
from portrait_prep.stages.models.blendshapes import NAMES
from portrait_prep.views.crnn import CHANNELS, unreal_angles
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.live_link.export import LIVE_LINK, LiveLinkOptions
from portrait_prep.views.live_link.recording import timecode
from tests.views import spoken_faces
from tests.views.exporting.interrupted import killed_and_not
from tests.views.spoken_faces import GAP

HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,TongueOut,"
    "HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
"""The first line of recordings in public repositories."""
FRAMES = {"ann-1": 1030, "ann-2": 131, "bob-1": 520}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The spoken faces, some of them long enough for records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_faces, "FRAMES", FRAMES)
        yield spoken_faces.make(tmp_path_factory.mktemp("spoken") / "w")


def read(path: Path) -> tuple[list[str], list[int], dict[str, NDArray[np.float64]]]:
    """Timecodes, counts and the columns by name, NaN in empty cells."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert ",".join(header) == HEADER
    values = np.array([[float(cell or "nan") for cell in row[2:]] for row in rows])
    return [row[0] for row in rows], [int(row[1]) for row in rows], dict(zip(header[2:], values.T, strict=True))


def between(values: NDArray[np.float64], row: int, fps: int) -> NDArray[np.float64]:
    """What frames have at row / fps seconds, linearly."""
    whole, rest = divmod(row * 25, fps)
    after = values[min(whole + 1, len(values) - 1)]
    return np.asarray(values[whole] + (after - values[whole]) * rest / fps)


def test_recordings_hold_all_channels_under_their_names(workspace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    lines = write_export(LIVE_LINK, workspace, folder)
    assert {path.name for path in folder.iterdir()} == {f"{name}.{kind}" for name in FRAMES for kind in ("csv", "wav")}
    assert lines == [f"{folder}: 3 recordings, 1.1 min, 60 rows a second."]
    timecodes, counts, columns = read(folder / "ann-1.csv")
    assert len(timecodes) == 2472 == FRAMES["ann-1"] * 60 // 25
    assert [timecodes[row] for row in (0, 1, 59, 60, 2471)] == [
        *("00:00:00:00.000", "00:00:00:01.000", "00:00:00:59.000", "00:00:01:00.000", "00:00:41:11.000"),
    ]
    assert set(counts) == {61}
    scores, angles = spoken_faces.scores("ann-1").astype(float), unreal_angles(spoken_faces.euler("ann-1"))
    for row in (0, 3, 1111, 2470, 2471):
        told = between(scores, row, 60)
        for name, score in zip(NAMES[1:], told[1:], strict=True):
            assert columns[name[0].upper() + name[1:]][row] == pytest.approx(score, abs=1e-7), (name, row)
        turned = np.deg2rad(between(angles, row, 60))
        assert [columns[f"Head{axis}"][row] for axis in ("Yaw", "Pitch", "Roll")] == pytest.approx(turned, abs=1e-7)
    assert not columns["TongueOut"].any()
    for name in FRAMES:
        assert (folder / f"{name}.wav").read_bytes() == (workspace / "media" / f"{name}.wav").read_bytes()


def test_rows_within_a_long_gap_are_empty(workspace: Path, tmp_path: Path) -> None:
    lines = write_export(LIVE_LINK, workspace, tmp_path / "60", choice=Choice(("ann-2",)))
    _, counts, columns = read(tmp_path / "60" / "ann-2.csv")
    empty = [row for row, count in enumerate(counts) if count == 0]
    first, stop = GAP
    assert empty == [row for row in range(len(counts)) if first <= row * 25 // 60 < stop]
    assert {row for row in range(len(counts)) if np.isnan(columns["JawOpen"][row])} == set(empty)
    assert all(np.isnan(values[empty]).all() and np.isfinite(values[0]).all() for values in columns.values())
    assert lines[-1].endswith("1 recording, 5 s, 60 rows a second.")
    # The last row before the gap has no frame after it to go to.
    assert columns["JawOpen"][empty[0] - 1] == pytest.approx(spoken_faces.opening("ann-2")[first - 1], abs=1e-7)


def test_at_25_rows_a_second_each_is_a_frame(workspace: Path, tmp_path: Path) -> None:
    options = LiveLinkOptions(fps=25, rotations="signed")
    write_export(LIVE_LINK, workspace, tmp_path / "25", options, Choice(("bob-1",)))
    timecodes, _, columns = read(tmp_path / "25" / "bob-1.csv")
    assert len(timecodes) == FRAMES["bob-1"]
    assert timecodes[26] == "00:00:01:01.000"
    np.testing.assert_allclose(columns["JawOpen"], spoken_faces.opening("bob-1"), atol=1e-7)
    np.testing.assert_allclose(columns["HeadYaw"] * 180, unreal_angles(spoken_faces.euler("bob-1"))[:, 0], atol=1e-6)


@given(st.integers(0, 10**7), st.sampled_from([25, 30, 60]))
def test_a_timecode_is_the_time_of_its_row(row: int, fps: int) -> None:
    hours, minutes, seconds, frames = timecode(row, fps).split(":")
    assert float(frames) < fps
    assert int(minutes) < 60
    assert int(seconds) < 60
    assert (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * fps + float(frames) == row


class Loader:
    """`AudioVisemesLoader`: takes no less than 1190 rows, cuts them to 1210, and drops 4."""

    def __init__(self, root: Path, list_file: str) -> None:
        pairs = [line.split("|") for line in (root / "filelists" / list_file).read_text().splitlines()]
        assert all(sound == f"{channels[:-4]}.z.npy" for sound, channels in pairs)
        self.files = [root / channels for _, channels in pairs]

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        visemes = np.load(self.files[index], allow_pickle=False)
        assert visemes.shape[0] >= 1190
        return np.asarray(visemes[:1210][int(0.08 * 60) :])


def test_records_are_what_the_loader_takes_with_its_own_shift_undone(workspace: Path, tmp_path: Path) -> None:
    folder, said = killed_and_not(workspace, tmp_path, "live-link", "--records")
    assert "ann-2.csv: 314 rows, 48 of them empty: no face was found for long" in said
    assert "in no record, shorter than 19.76 s: 1 (ann-2)" in said
    loaders = {side: Loader(folder, f"{side}_visemes.list") for side in ("train", "val")}
    assert {side: [file.stem for file in loader.files] for side, loader in loaders.items()} == {
        "train": ["ann-1@0", "ann-1@500"],
        "val": ["bob-1@0"],
    }
    rows = loaders["train"][1]
    assert (rows.shape, rows.dtype.name) == ((1200, 61), "float32")
    for row in (0, 1, 700, 1199):
        jaw = between(spoken_faces.opening("ann-1"), 1200 + row, 60)
        assert rows[row, CHANNELS.index("JawOpen")] == pytest.approx(jaw, abs=1e-6)
    assert (rows[:, CHANNELS.index("JawLeft")] == np.float32(NAMES.index("jawLeft") / 100)).all()
    with wave.open(str(folder / "records" / "ann-1@500.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44100, 1, 2)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(heard) == 20 * 44100
    times = 20 + np.arange(len(heard)) / 44100
    loudness = np.interp(times * 25, np.arange(FRAMES["ann-1"]) + 0.5, spoken_faces.opening("ann-1"))
    hum = sum(np.sin(2 * np.pi * 200 * harmonic * times) / harmonic for harmonic in range(1, 12))
    assert np.abs(heard - 8000 * loudness * hum).max() < 40


def test_records_need_long_stretches(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"takes records of 19\.76 s or more"):
        write_export(LIVE_LINK, workspace, tmp_path / "x", LiveLinkOptions(records=True), Choice(("ann-2",)))
    write_export(LIVE_LINK, workspace, tmp_path / "y", LiveLinkOptions(records=True), Choice(("bob-1",)))
    lists = [tmp_path / "y" / "filelists" / f"{side}_visemes.list" for side in ("train", "val")]
    assert lists[0].read_text() == lists[1].read_text() == "./records/bob-1@0.z.npy|./records/bob-1@0.npy\n"


def test_a_workspace_without_blendshapes_is_told_what_to_set(tmp_path: Path) -> None:
    workspace = spoken_faces.make(tmp_path / "w", blendshapes=False)
    with pytest.raises(
        BadInput, match="has no blendshapes, which are the targets here: set 'backend = \"face_landmarker\"'"
    ):
        write_export(LIVE_LINK, workspace, tmp_path / "x")
    assert not (tmp_path / "x").exists()

"""What `export moda` writes, read as the contract says that MODA's loader reads it; nothing of the export's is used."""

import json
import os
import shutil
import signal
import subprocess
import sys
import wave
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.views.exporting.export import Choice, write_export
from portrait_prep.views.exporting.filling import UNFINISHED
from portrait_prep.views.moda.clips import clips_of
from portrait_prep.views.moda.export import MODA, ModaOptions
from portrait_prep.views.moda.parts import SEMANTIC
from portrait_prep.views.moda.renderer import feature_image, renderer
from portrait_prep.views.reading.selection import Footage
from tests.views import moving_faces
from tests.views.moda.test_windows import EYES, LIPS, motion
from tests.views.moving_faces import DRAWN, HIDDEN, STILL
from tests.whole.runs import portrait_prep

RATE, FPS, LENGTH, STRIDE = 16000, 25, 600, 200
"""The loader's sample_rate, --FPS 25, max_seq_len and frame_jump_stride."""
CLIPS = {
    "train.txt": ["ann-1", "train.txt@0"],
    "test.txt": ["bob-gap@0", "bob-gap@830", "test.txt@0"],
}
"""List -> the clips of the made faces in it."""
SHORT = {"ann-2": 250, "cy-drawn": 60}
Values = NDArray[Any]


@pytest.fixture
def workspace(moving_workspace: Path) -> Path:
    return moving_workspace


@dataclass
class Loaded:
    """One clip, as the loader holds it."""

    audio: Values
    mesh: Values
    head: Values
    torso: Values

    @property
    def means(self) -> list[Values]:
        return [values.mean(axis=0) for values in (self.mesh, self.head, self.torso)]

    @property
    def torso_mask(self) -> bool:
        return bool(self.torso.reshape(len(self.torso), 54).std(axis=0).mean() > 0.5)


class Loader:
    """The rules of the contract: sections 1.1 and 1.2, and how `sample_start` and `__len__` are counted (1.6).

    A clip whose frames are not as many as its seconds times 25, rounded down, is stretched to that many.
    """

    def __init__(self, root: Path, list_file: str) -> None:
        names = [line.split("\t")[0].strip() for line in (root / list_file).read_text().splitlines()]
        self.names = names
        self.clips = [self._load(root / name) for name in names]
        self.starts, self.total = [0], 0
        for clip in self.clips:
            t_len = len(clip.mesh) - LENGTH
            self.starts.append(self.starts[-1] + t_len - 1)
            self.total += t_len // STRIDE

    @staticmethod
    def _load(folder: Path) -> Loaded:
        with np.load(folder / "feature.npz", allow_pickle=False) as arrays:
            feature = {name: arrays[name] for name in arrays.files}
        head = [feature["Headposes"], feature["Transposes"], feature["Scales"][:, None]]
        with wave.open(str(folder / "audio.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        assert int(len(sound) / RATE * FPS) == len(feature["Vertices"])
        return Loaded(
            audio=((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)).astype(np.float32),
            mesh=feature["Vertices"],
            head=np.concatenate(head, axis=1),
            torso=np.load(folder / "shoulder-billboard.npy", allow_pickle=False),
        )

    def place(self, index: int) -> tuple[int, int]:
        """Which clip a sample is of, and its first frame; the original adds up to half a stride by lot."""
        clip = bisect_right(self.starts, index * STRIDE) - 1
        return clip, index * STRIDE - self.starts[clip]

    def sample(self, index: int) -> tuple[Values, Values, Values, Values, bool, Values]:
        clip, first = self.place(index)
        held, rate = self.clips[clip], int(RATE / FPS)
        stop = first + LENGTH
        told = [
            (values[first:stop] - mean).reshape(LENGTH, -1).astype(np.float32)
            for values, mean in zip((held.mesh, held.head, held.torso), held.means, strict=True)
        ]
        return held.audio[first * rate : stop * rate], told[0], told[1], told[2], held.torso_mask, held.means[2]


def denormalized(mesh: Values, head: Values, order: str) -> Values:
    """Section 1.4: R^-1((c - fc) / s) + t, z negated back."""
    turn = Rotation.from_euler(order, head[:, [1, 0, 2]], degrees=True).as_matrix()
    upright = (mesh - (256, 232, 128)) / head[:, 6, None, None]
    return np.asarray((upright @ turn + head[:, None, 3:6]) * (1, 1, -1))


@pytest.fixture(scope="module")
def exported(moving_workspace: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder, and what the command said."""
    folder = tmp_path_factory.mktemp("outside") / "new" / "moda"
    done = portrait_prep("export", "moda", folder, "-w", moving_workspace)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def origin(name: str) -> tuple[str, int]:
    """The video and first frame that a clip is of."""
    video_id, _, first = name.partition("@")
    return video_id, int(first or 0)


def test_lists_name_what_can_be_indexed_and_the_command_what_cannot(exported: tuple[Path, str]) -> None:
    folder, said = exported
    for list_file, names in CLIPS.items():
        assert (folder / list_file).read_text() == "".join(f"{name}\n" for name in names)
    every = [name for names in CLIPS.values() for name in names]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*every, *CLIPS, "moda.yaml"])
    for name in every:
        files = {path.name for path in (folder / name).iterdir()}
        assert files == {"feature.npz", "shoulder-billboard.npy", "audio.wav"}
        assert f"{name}: " in said
    for name, frames in SHORT.items():
        assert f"{name}: left out, {frames} frames" in said
    assert "2 clips in train.txt, 3 in test.txt" in said
    assert "train.txt@0: 802 frames" in said  # of 804: the loader would count 803 and stretch them


def test_arrays_are_as_the_contract_has_them(exported: tuple[Path, str]) -> None:
    folder, _ = exported
    for name in (name for names in CLIPS.values() for name in names):
        with np.load(folder / name / "feature.npz", allow_pickle=False) as arrays:
            kinds = {key: (arrays[key].shape, arrays[key].dtype.name) for key in arrays.files}
            oval, eye, lips = (arrays[key] for key in ("FaceOval", "LeftEye", "Lips"))
        frames = kinds["Scales"][0][0]
        assert frames >= 801
        expected: dict[str, Any] = {
            "Vertices": ((frames, 478, 3), "float64"),
            "Headposes": ((frames, 3), "float64"),
            "Transposes": ((frames, 3), "float64"),
            "Scales": ((frames,), "float64"),
            "Shoulders": ((frames, 2, 9, 2), "float32"),
            "Visible": ((frames, 2), "bool"),
        }
        counts = {"Contours": 128, "FaceOval": 36, "LeftIris": 4, "LeftEye": 16, "LeftEyebrow": 10}
        counts |= {"RightIris": 4, "RightEye": 16, "RightEyebrow": 10, "Lips": 40, "Tesselation": 468}
        assert kinds == expected | {key: ((count,), "int64") for key, count in counts.items()}
        assert set(counts) == set(SEMANTIC)
        assert (len(oval), tuple(eye), tuple(lips)) == (36, EYES[4:20], LIPS)
        billboard = np.load(folder / name / "shoulder-billboard.npy", allow_pickle=False)
        assert (billboard.shape, billboard.dtype.name) == ((frames, 18, 3), "float64")
        with wave.open(str(folder / name / "audio.wav")) as file:
            assert file.getnframes() == 640 * frames


@pytest.mark.parametrize("list_file", ["train.txt", "test.txt"])
def test_its_loader_gets_windows_of_what_was_measured(
    exported: tuple[Path, str], workspace: Path, list_file: str
) -> None:
    loader = Loader(exported[0], list_file)
    assert loader.names == CLIPS[list_file]
    assert loader.total >= len(loader.clips)
    video_id = first = None
    for name, clip in zip(loader.names, loader.clips, strict=True):
        video_id, first = origin(name)
        rows = slice(first, first + len(clip.mesh))
        for found, measured in zip((clip.mesh, clip.head, clip.torso), motion(workspace, video_id), strict=True):
            if video_id != HIDDEN or found is not clip.torso:
                np.testing.assert_array_equal(found, measured[rows])
        sound = moving_faces.pcm(video_id).reshape(-1, 640)[rows].reshape(-1) / 32768
        np.testing.assert_allclose(clip.audio, (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7), atol=1e-5)
        assert clip.torso_mask == (video_id not in (STILL, HIDDEN))
    audio, mesh, head, torso, torso_mask, torso_mean = loader.sample(0)
    assert [each.shape for each in (audio, mesh, head, torso, torso_mean)] == [
        *((384000,), (600, 1434), (600, 7), (600, 54), (18, 3)),
    ]
    assert torso_mask
    assert all(np.isfinite(each).all() for each in (audio, mesh, head, torso))
    # Units of the released weights: 512 px, the head's origin at (256, 232, 128), eyes 120 px apart.
    mean = loader.clips[0].means[0]
    np.testing.assert_allclose(mean[[50, 280, 168]].mean(axis=0), [256, 232, 128], atol=0.05)
    assert np.abs(mean[list(EYES[4:20]), 0] - mean[list(EYES[34:50]), 0]).mean() == pytest.approx(120, abs=0.3)


def test_trimmed_clips_are_indexed_rightly(workspace: Path, tmp_path: Path) -> None:
    """At the original's rules, which for clips of any other length lead past their ends and into wrong ones."""
    write_export(MODA, workspace, tmp_path / "moda", ModaOptions(trim=True))
    total = 0
    for list_file, names in CLIPS.items():
        loader = Loader(tmp_path / "moda", list_file)
        found = [loader.place(index) for index in range(loader.total)]
        frames = [len(clip.mesh) for clip in loader.clips]
        assert all(first + LENGTH + STRIDE // 2 <= frames[clip] for clip, first in found)
        assert sorted({clip for clip, _ in found}) == list(range(len(names)))
        assert [(count - 601) % 200 for count in frames] == [0] * len(names)
        assert found == [(clip, 200 * n) for clip, count in enumerate(frames) for n in range((count - 601) // 200)]
        for clip in loader.clips:
            assert len(clip.audio) == 640 * len(clip.mesh)
        total += sum(frames)
    assert total == 801 * 4 + 1001


@pytest.mark.parametrize("order", ["xyz", "XYZ"])
def test_the_round_trip_of_their_denormalization_is_exact(workspace: Path, tmp_path: Path, order: Any) -> None:
    only = Choice(("ann-1", "train.txt"))
    write_export(MODA, workspace, tmp_path / "raw", ModaOptions(order=order, unsmoothed=True), only)
    write_export(MODA, workspace, tmp_path / "smooth", ModaOptions(order=order), only)
    loaders = [Loader(tmp_path / kind, "train.txt") for kind in ("raw", "smooth")]
    for name, raw, smooth in zip(loaders[0].names, *(loader.clips for loader in loaders), strict=True):
        video_id, _ = origin(name)
        # As measured: the landmarks of the very frame.
        back = denormalized(raw.mesh, raw.head, order)
        assert np.abs(back - moving_faces.landmarks(video_id)[: len(back)]).max() < 2e-4
        np.testing.assert_allclose(raw.mesh[:, [50, 280, 168]].mean(axis=1), [[256, 232, 128]] * len(back), atol=1e-3)
        left, right = raw.mesh[:, EYES[4:20], 0], raw.mesh[:, EYES[34:50], 0]
        np.testing.assert_allclose(np.abs(left - right).mean(axis=1), 120, atol=1e-3)
        # Smoothed: the same points of the image, whatever the order of the angles.
        canonical, head, billboard = (values[: len(back)] for values in motion(workspace, video_id))
        for found, column_of_it in ((smooth.mesh, canonical), (smooth.torso, billboard)):
            there = denormalized(column_of_it, head, "XYZ")
            np.testing.assert_allclose(denormalized(found, smooth.head, order), there, atol=1e-6)
        assert np.allclose(smooth.mesh, canonical) == (order == "XYZ")


def test_windows_with_their_means_lead_back_to_the_image(workspace: Path, tmp_path: Path) -> None:
    write_export(MODA, workspace, tmp_path / "moda", ModaOptions(order="xyz", unsmoothed=True), Choice(("ann-1",)))
    loader = Loader(tmp_path / "moda", "train.txt")
    _, first = loader.place(0)
    _, mesh, head, _, _, _ = loader.sample(0)
    means = loader.clips[0].means
    back = denormalized(mesh.reshape(600, 478, 3) + means[0], head + means[1], "xyz")
    truth = moving_faces.landmarks("ann-1")[first : first + 600]
    assert np.abs(back - truth).max() < 0.01


def test_a_destination_must_be_empty(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "theirs.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    done = portrait_prep("export", "moda", tmp_path / "full", "-w", workspace)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "is not empty" in done.stderr
    for target, sentence in (("file", "is a file"), ("full", "is not empty")):
        with pytest.raises(BadInput, match=sentence):
            write_export(MODA, workspace, tmp_path / target)
    for wrong, sentence in ((("nobody",), "no video 'nobody'"), ((), "--only"), (("ann-1", "nobody"), "no video")):
        with pytest.raises(BadInput, match=sentence):
            write_export(MODA, workspace, tmp_path / "new", choice=Choice(wrong))
    assert {path.name for path in tmp_path.rglob("*")} == {"full", "theirs.txt", "file"}


def test_nothing_is_written_where_no_clip_is_long_enough(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="less than 801 frames; the longest has 250"):
        write_export(MODA, workspace, tmp_path / "moda", choice=Choice(tuple(SHORT)))
    assert not any(tmp_path.iterdir())


def test_it_may_lie_within_the_workspace(workspace: Path, tmp_path: Path) -> None:
    """And what a killed one leaves there stands in the way of no run."""
    workspace = Path(shutil.copytree(workspace, tmp_path / "w", copy_function=os.link))
    before = {path: path.stat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
    folder = workspace / "exported"
    killed_half_way(workspace, folder, signal.SIGKILL)
    assert [path.name for path in folder.iterdir()] == [UNFINISHED]
    Workspace(workspace).sweep()
    assert (folder / UNFINISHED).exists()
    write_export(MODA, workspace, folder, choice=Choice(("ann-1",)))
    assert {path.name for path in folder.iterdir()} == {"ann-1", "train.txt", "test.txt", "moda.yaml"}
    assert (folder / "test.txt").read_text() == ""
    after = {path: path.stat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
    assert {path: time for path, time in after.items() if folder not in path.parents} == before


def killed_half_way(workspace: Path, folder: Path, how: int) -> int:
    """Start the command, kill it when the first clip is done and the second has begun; return its exit code."""
    command = [sys.executable, "-m", "pipeline", "export", "moda", str(folder), "-w", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        assert running.stdout.readline()
        os.kill(running.pid, how)
        return running.wait(60)


def options(path: Path) -> dict[str, Any]:
    """The options of a YAML file of one line each, whose values are JSON."""
    lines = (line.partition(": ") for line in path.read_text().splitlines())
    return {name: json.loads(value) for name, _, value in lines}


def test_its_options_lead_to_the_clips_at_their_rate(exported: tuple[Path, str]) -> None:
    """`train.py` takes all options from the file that --config names: without FPS it assumes 30."""
    folder, _ = exported
    given = options(folder / "moda.yaml")
    assert (given["dataroot"], given["FPS"], given["dataset_mode"]) == (str(folder), 25, "audio2repr")
    assert (given["train_sub_names"], given["test_sub_names"]) == ("train.txt", "test.txt")
    assert Loader(Path(given["dataroot"]), given["train_sub_names"]).total > 0


def test_a_side_without_clips_or_with_masked_shoulders_alone_is_not_named(workspace: Path, tmp_path: Path) -> None:
    """There the original stops with an error: at an empty list, and at a batch of which no torso counts."""
    for name, only in (("train", "ann-1"), ("masked", "ann-1 test.txt")):
        lines = write_export(MODA, workspace, tmp_path / name, choice=Choice(only.split()))
        given = options(tmp_path / name / "moda.yaml")
        assert {given[f"{side}_sub_names"] for side in ("train", "test", "ref")} == {"train.txt"}
        assert ("--seen-only" in lines[-1]) == (name == "masked")
        why = {"train": "is empty", "masked": "has masked shoulders alone, at which its scripts stop"}
        assert f"moda.yaml trains and tests on train.txt: test.txt {why[name]}" in lines


@pytest.mark.parametrize("name", ["train.txt", "test.txt", "moda.yaml"])
def test_no_clip_has_the_name_of_a_file_beside_it(name: str) -> None:
    (clip,) = clips_of([Footage(Video(video_id=name, corpus="c", subject="s", source="x"), 900, accepted=True)], False)
    assert clip.name == f"{name}@0"


def test_clips_whose_shoulders_were_not_seen_can_be_left_out(workspace: Path, tmp_path: Path) -> None:
    lines = write_export(MODA, workspace, tmp_path / "moda", ModaOptions(seen_only=True))
    assert not (tmp_path / "moda" / f"{HIDDEN}@0").exists()
    shares = moving_faces.visible(HIDDEN).mean(axis=0)
    told = f"seen in {shares[0]:.0%} (image left) and {shares[1]:.0%} (image right) of them: left out"
    assert any(line.startswith(f"{HIDDEN}@0: ") and line.endswith(told) for line in lines)
    with pytest.raises(BadInput, match="No clip shows both shoulders"):
        write_export(MODA, workspace, tmp_path / "none", ModaOptions(seen_only=True), Choice((HIDDEN,)))


def test_its_renderer_gets_pictures_and_lists(workspace: Path, tmp_path: Path) -> None:
    """By the rules of section 1.7; of a clip that is too short for the other network, and so in no list."""
    lines = write_export(MODA, workspace, tmp_path / "moda", ModaOptions(renderer=True), Choice((DRAWN,)))
    folder, given = tmp_path / "moda" / DRAWN, options(tmp_path / "moda" / DRAWN / "render.yaml")
    assert any(line.startswith(f"{DRAWN}: in no list, 60 frames") for line in lines)
    assert (tmp_path / "moda" / "train.txt").read_text() == ""
    assert Path(given["dataroot"]) / given["dataset_names"][0] == folder
    numbers = [
        (folder / "render" / given[f"{side}_dataset_names"]).read_text().split() for side in ("train", "validate")
    ]
    assert numbers == [[f"{number:05d}" for number in part] for part in (range(48), range(48, 60))]
    pictures = folder / "render" / "pix2pix"
    assert {path.stem for path in (pictures / "candidate").iterdir()} <= set(numbers[0])
    assert len(list((pictures / "candidate").iterdir())) == 4
    samples = [*renderer(workspace, video_id=DRAWN), *renderer(workspace, video_id=DRAWN, part="val")]
    assert len(samples) == 60
    for name, sample in zip([*numbers[0], *numbers[1]], samples, strict=True):
        for kind, key, width in (("target", "face", 3), ("feature", "mesh", 3), ("mouth", "weight_mask", 1)):
            # The loader reads by PIL, and makes of 0..255 -1..1.
            picture = np.asarray(Image.open(pictures / kind / f"{name}.png"), np.float32).reshape(512, 512, width)
            np.testing.assert_allclose((picture / 255 - 0.5) * 2, sample[key].transpose(1, 2, 0), atol=1e-6)


def test_shoulders_are_drawn_where_they_were_seen() -> None:
    face, shoulders = np.full((478, 3), 256.0), np.stack([np.linspace((20, 420), (180, 380), 9)] * 2)
    assert not feature_image(face, shoulders[[False, False]])[400].any()
    assert feature_image(face, shoulders[[True, False]])[400].any()


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killed_half_way_it_goes_on_to_the_same_files(
    exported: tuple[Path, str], workspace: Path, tmp_path: Path, how: signal.Signals
) -> None:
    folder = tmp_path / "moda"
    assert killed_half_way(workspace, folder, how) == (130 if how == signal.SIGTERM else -how)
    assert [path.name for path in folder.iterdir()] == [UNFINISHED]
    (first,) = (folder / UNFINISHED / "done").iterdir()
    before = (first / "feature.npz").stat().st_ino
    done = portrait_prep("export", "moda", folder, "-w", workspace)
    assert (done.returncode, done.stdout.replace(str(folder), "")) == (0, exported[1].replace(str(exported[0]), ""))
    assert (folder / first.name / "feature.npz").stat().st_ino == before
    found, expected = content(folder), content(exported[0])
    assert found.pop("moda.yaml").replace(str(folder).encode(), str(exported[0]).encode()) == expected.pop("moda.yaml")
    assert found == expected

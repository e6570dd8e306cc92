"""The CRNN's view: 61 channels by name, four columns of sound for each frame, and that one can learn from it."""

import pickle
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from portrait_prep.errors import BadInput
from portrait_prep.stages.models.blendshapes import INDEX, NAMES
from portrait_prep.views.crnn import CHANNELS, MEL, SCORES, SHAPES, Crnn, channels, crnn, degrees, unreal_angles
from portrait_prep.views.reading.mel import Mel, log_mel
from portrait_prep.views.reading.reader import Reader
from tests.views import spoken_faces
from tests.views.spoken_faces import FRAMES, GAP, euler, opening, pcm
from tests.whole.runs import CLIPS, SHARED, portrait_prep

MODEL = SHARED / "data" / "models" / "face_landmarker.task"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return spoken_faces.make(tmp_path_factory.mktemp("spoken") / "w")


def target_of(**scores: float) -> dict[str, float]:
    """The channels of one frame, by name."""
    row = np.zeros((1, 52))
    for name, score in scores.items():
        row[0, INDEX[name]] = score
    return dict(zip(CHANNELS, channels(row, np.zeros((1, 3)))[0].tolist(), strict=True))


def test_channels_are_those_of_unreal() -> None:
    assert len(CHANNELS) == len(set(CHANNELS)) == 61
    at = {1: "EyeBlinkLeft", 8: "EyeBlinkRight", 16: "JawLeft", 17: "JawRight", 18: "JawOpen", 22: "MouthLeft"}
    at |= {41: "MouthUpperUpRight", 44: "BrowInnerUp", 51: "NoseSneerRight", 52: "TongueOut", 53: "HeadYaw"}
    at |= {54: "HeadPitch", 55: "HeadRoll", 56: "LeftEyeYaw", 61: "RightEyeRoll"}
    assert {number: CHANNELS[number - 1] for number in at} == at
    assert sorted(SCORES.tolist()) == [INDEX[name] for name in NAMES if name != "_neutral"]
    for number, name in enumerate(SHAPES):
        assert NAMES[SCORES[number]].lower() == name.lower()


def test_each_score_goes_to_the_channel_of_its_name() -> None:
    for name in NAMES[1:]:
        found = target_of(**{name: 0.7})
        assert found.pop(name[0].upper() + name[1:]) == 0.7
        others = {other: value for other, value in found.items() if value}
        assert len(others) == name.startswith("eyeLook"), name
    assert not any(target_of(_neutral=1.0).values())


def test_eyes_turn_where_they_look() -> None:
    # To the subject's left: the left eye outward, the right one inward. Yaw is toward the subject's right.
    left = target_of(eyeLookOutLeft=1.0, eyeLookInRight=1.0)
    assert left["LeftEyeYaw"] == left["RightEyeYaw"] == pytest.approx(-30 / 180)
    down = target_of(eyeLookDownLeft=0.5, eyeLookDownRight=0.5)
    assert down["LeftEyePitch"] == down["RightEyePitch"] == pytest.approx(15 / 180)
    assert left["LeftEyePitch"] == down["LeftEyeYaw"] == left["LeftEyeRoll"] == 0


@given(st.lists(st.floats(-80, 80), min_size=3, max_size=3))
def test_heads_are_turned_as_unreal_turns_them(angles: list[float]) -> None:
    """`FRotator`'s own way: a left-handed frame, x forward, y right, z up; here x is the back of the head."""
    yaw, pitch, roll = unreal_angles(np.array([angles]))[0]
    # Head to image, our way: the inverse of what makes it upright, in axes x right, y down, z toward the camera.
    head = Rotation.from_euler("XYZ", [angles[1], angles[0], angles[2]], degrees=True).inv().as_matrix()
    axes = np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]])  # rows: back, right, up
    expected = axes @ head @ axes.T
    # Positive yaw takes x to y, positive pitch x to z, positive roll z to y: FRotationMatrix, as column vectors.
    turned = Rotation.from_rotvec([0, 0, np.deg2rad(yaw)]) * Rotation.from_rotvec([0, -np.deg2rad(pitch), 0])
    found = (turned * Rotation.from_rotvec([-np.deg2rad(roll), 0, 0])).as_matrix()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_signs_of_a_turned_head() -> None:
    np.testing.assert_allclose(unreal_angles(np.array([[20.0, 0, 0]]))[0], [20, 0, 0], atol=1e-9)
    np.testing.assert_allclose(unreal_angles(np.array([[0.0, 20, 0]]))[0], [0, 20, 0], atol=1e-9)
    np.testing.assert_allclose(unreal_angles(np.array([[0.0, 0, 20]]))[0], [0, 0, -20], atol=1e-9)


def test_a_mirrored_face_swaps_sides_and_negates_yaw_and_roll() -> None:
    rng = np.random.default_rng(0)
    row, angles = rng.random((5, 52)), rng.uniform(-40, 40, (5, 3))
    flipped = channels(row[:, [INDEX[_mirrored(name)] for name in NAMES]], angles * [-1, 1, -1])
    expected = channels(row, angles)[:, [CHANNELS.index(_mirrored(name)) for name in CHANNELS]]
    expected[:, [name.endswith(("Yaw", "EyeRoll", "HeadRoll")) for name in CHANNELS]] *= -1
    np.testing.assert_allclose(flipped, expected, atol=1e-12)


def _mirrored(name: str) -> str:
    return re.sub("Left|Right", lambda side: {"Left": "Right", "Right": "Left"}[side[0]], name)


def test_a_sample_is_four_columns_of_sound_for_each_frame(workspace: Path) -> None:
    samples = crnn(workspace, length=100, stride=50)
    assert [tuple(item) for item in samples.items] == [(0, first, 100) for first in (0, 50, 100, 150)]
    sample = samples[1]
    assert {name: (value.shape, value.dtype.name) for name, value in sample.items() if name != "video_id"} == {
        "mel": ((1, 80, 400), "float32"),
        "target": ((100, 61), "float32"),
        "channels": ((61,), "bool"),
        "valid": ((100,), "bool"),
        "first": ((), "int64"),
    }
    assert (sample["video_id"], sample["first"]) == ("ann-1", 50)
    assert [name for name, known in zip(CHANNELS, sample["channels"], strict=True) if not known] == ["TongueOut"]
    assert (sample["target"][:, 51] == 0).all()
    np.testing.assert_allclose(sample["target"][:, 17], opening("ann-1")[50:150], atol=1e-6)
    np.testing.assert_allclose(degrees(sample["target"])[:, :3], unreal_angles(euler("ann-1"))[50:150], atol=1e-4)
    # A window's spectrogram is a piece of the whole sound's: its borders leave no trace.
    whole = log_mel(pcm("ann-1"), MEL)
    assert whole.shape == (80, 4 * FRAMES["ann-1"])
    np.testing.assert_allclose(sample["mel"][0], whole[:, 200:600], atol=1e-5)
    first = crnn(workspace, length=260)[0]
    np.testing.assert_allclose(first["mel"][0], whole, atol=1e-5)
    pickle.loads(pickle.dumps(samples))


def test_short_windows_are_filled_and_gaps_are_left_out(workspace: Path) -> None:
    samples = crnn(workspace, length=120, stride=120, short=True)
    assert [tuple(item) for item in samples.items] == [(0, 0, 120), (0, 120, 120), (1, 0, 70), (1, 90, 41), (2, 0, 40)]
    for item, sample in zip(samples.items, samples, strict=True):
        assert sample["mel"].shape == (1, 80, 480)
        assert sample["valid"].sum() == item.frames
        assert (sample["target"][item.frames :] == 0).all()
        assert (sample["mel"][:, :, 4 * item.frames :] == np.float32(np.log(1e-5))).all()
        assert np.isfinite(sample["target"]).all()
    assert len(crnn(workspace, length=41, split="test", short=True)) == 1
    with pytest.raises(BadInput, match="No video"):
        crnn(workspace, split="none")


def test_sixty_a_second(workspace: Path) -> None:
    samples = crnn(workspace, length=50, stride=50, fps=60)
    for first, sample in ((0, samples[0]), (50, samples[1])):
        assert sample["target"].shape == (120, 61)
        times = first / 25 + np.arange(120) / 60
        expected = np.interp(times, np.arange(FRAMES["ann-1"]) / 25, opening("ann-1"))
        np.testing.assert_allclose(sample["target"][:, 17], expected, atol=1e-6)
    # Up to a gap, the last frame is all that is known.
    last = crnn(workspace, length=GAP[0], fps=60, subject="ann", video_id="ann-2")[0]["target"]
    np.testing.assert_allclose(last[-1, 17], opening("ann-2")[GAP[0] - 1], atol=1e-6)
    assert np.isfinite(last).all()


def test_rotations_can_be_brought_to_what_a_sigmoid_reaches(workspace: Path) -> None:
    signed = crnn(workspace, length=200)[0]["target"]
    unit = crnn(workspace, length=200, rotations="unit")[0]["target"]
    assert signed[:, 52:].min() < -0.05
    assert unit.min() >= 0
    assert unit.max() <= 1
    np.testing.assert_allclose(degrees(unit, "unit"), degrees(signed), atol=1e-4)
    np.testing.assert_array_equal(unit[:, :52], signed[:, :52])
    with pytest.raises(BadInput, match="signed or unit"):
        crnn(workspace, rotations="sigmoid")  # type: ignore[arg-type]


def test_without_blendshapes_it_says_what_to_set(tmp_path: Path) -> None:
    root = spoken_faces.make(tmp_path / "w", blendshapes=False)
    with pytest.raises(BadInput, match=r"set 'backend = \"face_landmarker\"' under \[landmarks\]") as told:
        crnn(root)
    assert "\n" not in str(told.value)
    with pytest.raises(BadInput, match="No video"):
        crnn(root, split="none")


def learn(batch: dict[str, NDArray[Any]], names: Sequence[str], steps: int) -> tuple[float, float]:
    """Squared error of a small CRNN on some channels, in their deviations, and that of the mean.

    It learns from every other window and is judged by the rest.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    columns = [CHANNELS.index(name) for name in names]
    assert batch["channels"][:, columns].all()
    assert batch["valid"].all()
    mel, target = torch.from_numpy(batch["mel"]), torch.from_numpy(batch["target"][:, :, columns])
    target = (target - target.mean((0, 1))) / target.std((0, 1))
    see = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
    )
    hear = torch.nn.GRU(8 * 20, 48, batch_first=True, bidirectional=True)
    tell = torch.nn.Linear(96, len(columns))
    optimizer = torch.optim.Adam([*see.parameters(), *hear.parameters(), *tell.parameters()], 5e-3)
    seen, other = slice(None, None, 2), slice(1, None, 2)

    def error(chosen: slice) -> Any:
        return (tell(hear(see(mel[chosen]).permute(0, 3, 1, 2).flatten(2))[0]) - target[chosen]).square().mean()

    for _ in range(steps):
        loss = error(seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return error(other).item(), target[other].square().mean().item()


def batch_of(samples: Any) -> dict[str, NDArray[Any]]:
    made = list(samples)
    return {name: np.stack([sample[name] for sample in made]) for name in ("mel", "target", "valid", "channels")}


def test_a_small_crnn_learns_the_jaw_from_the_sound(workspace: Path) -> None:
    loss, of_mean = learn(batch_of(crnn(workspace, length=60, stride=30)), ("JawOpen",), 60)
    assert loss < 0.2 * of_mean


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers as the face landmarker sees them."""
    if not (CLIPS.is_dir() and MODEL.is_file()):
        pytest.skip("the real clips and the face landmarker's file are not here")
    root = tmp_path_factory.mktemp("real")
    (root / "clips").mkdir()
    for name in ("portrait_d12", "WDA_KatieHill_000"):
        (root / "clips" / f"{name}.mp4").symlink_to(CLIPS / f"{name}.mp4")
    assert portrait_prep("init", "folder", "-w", root / "w", "--source", root / "clips").returncode == 0
    (root / "w" / "models").mkdir()
    shutil.copy(MODEL, root / "w" / "models")
    settings = root / "w" / "pipeline.toml"
    settings.write_text(settings.read_text().replace('backend = "facemesh"', 'backend = "face_landmarker"'))
    done = portrait_prep("run", "-w", root / "w", "--workers", "0")
    assert done.returncode == 0, done.stderr
    return root / "w"


def test_real_faces_and_their_sound(real: Path) -> None:
    samples = crnn(real, length=150, stride=25)
    batch = batch_of(samples)
    assert batch["target"][:, :, :51].min() >= 0
    assert batch["target"][:, :, :51].max() <= 1
    assert np.abs(degrees(batch["target"])).max() < 60
    # Both eyes look to the same side, and blink together.
    turns = degrees(batch["target"]).reshape(-1, 9)
    assert np.corrcoef(turns[:, 3], turns[:, 6])[0, 1] > 0.9
    shapes = batch["target"].reshape(-1, 61)
    assert np.corrcoef(shapes[:, 0], shapes[:, 7])[0, 1] > 0.8
    loss, of_mean = learn(batch, ("JawOpen", "MouthFunnel", "MouthClose", "MouthSmileLeft", "BrowInnerUp"), 60)
    assert loss < 0.5 * of_mean


def test_eyes_turn_as_their_irises_move(real: Path) -> None:
    samples = crnn(real, length=150, stride=150)
    turns = degrees(np.concatenate([sample["target"] for sample in samples]))
    reader = Reader(real, ("headpose.canonical",))
    upright = np.concatenate([reader.read(*item)["headpose.canonical"] for item in samples.items])
    for column, iris, corners in ((3, 473, (362, 263)), (6, 468, (33, 133))):
        moved = upright[:, iris, :2] - upright[:, corners, :2].mean(axis=1)
        # Image left is the subject's right, where yaw is positive; down is down.
        assert np.corrcoef(turns[:, column], -moved[:, 0])[0, 1] > 0.8
        assert np.corrcoef(turns[:, column + 1], moved[:, 1])[0, 1] > 0.6


def test_the_make_can_be_told_another_spectrogram(workspace: Path) -> None:
    samples = crnn(workspace, length=50)
    samples.make = Crnn(50, spectrogram=Mel(n_fft=1024, hop=160, bands=128, align="hop"))
    assert samples[0]["mel"].shape == (1, 128, 200)

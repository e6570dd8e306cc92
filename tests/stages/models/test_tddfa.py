import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from portrait_prep.errors import Damaged, MissingPrerequisite
from portrait_prep.manifests.files import sha256_of
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from portrait_prep.stages.face import geometry
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.stages.face.points import BROWS, JAW
from portrait_prep.stages.headpose import STAGE, HeadposeParams, mean_face
from portrait_prep.stages.models import onnx, registry, tddfa
from portrait_prep.stages.models.weights import load_weights
from tests.memory_job import MemoryJob, collect

torch = pytest.importorskip("torch", reason="PyTorch is not here: no network can be made")
pytest.importorskip("onnx", reason="onnx is not here: no network can be exported")

MODELS = Path(__file__).parents[3].parent / "shared" / "data" / "models"
WEIGHTS = MODELS / "tddfa_mb05_120x120.pth"
needs_shared = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the published weights of ../shared are not here")
SEEN = HeadposeParams(backend="tddfa", mean_frames=0, gaussian_sigma=0)

Floats = NDArray[np.floating[Any]]


def faces(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 120, 120, 3), dtype=np.uint8)


def planes(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return ((pictures.transpose(0, 3, 1, 2) - 127.5) / 128).astype(np.float32)


def random_weights(path: Path, width: float = 0.5) -> Path:
    """Weights as they are published, with the prefix of parallel training, but of no use."""
    torch.manual_seed(0)
    state = {f"module.{name}": value for name, value in tddfa.layers(width).state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state}, path)
    return path


# --- the network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "published_bytes"), [(0.5, 3_752_462), (1.0, 13_755_269)])
def test_the_network_is_as_large_as_the_published_files(width: float, published_bytes: int) -> None:
    # 4 bytes a number; what a pickle adds to 139 tensors is less than 1 % of the larger file.
    numbers = sum(value.numel() for value in tddfa.layers(width).state_dict().values())
    assert numbers * 4 < published_bytes < numbers * 4 + 70_000


def test_twice_the_width_is_twice_the_channels() -> None:
    half, full = (
        {name: tuple(value.shape) for name, value in tddfa.layers(width).state_dict().items()} for width in (0.5, 1.0)
    )
    assert half.keys() == full.keys()
    assert len(half) == 6 * (1 + 2 * 13) + 4
    assert half["conv1.weight"] == (16, 3, 3, 3)
    assert full["dw5_6.conv_sep.weight"] == (1024, 512, 1, 1)
    assert half["dw6.conv_dw.weight"] == (512, 1, 3, 3)
    assert (half["fc_param.weight"], full["fc_lm.weight"]) == ((62, 512), (136, 1024))


@needs_shared
def test_the_published_weights_are_all_used_and_suffice() -> None:
    published = torch.load(WEIGHTS, map_location="cpu", weights_only=True)["state_dict"]
    ours = tddfa.layers(0.5).state_dict()
    assert {name.removeprefix("module."): value.shape for name, value in published.items()} == {
        name: value.shape for name, value in ours.items()
    }
    network = tddfa.network(0.5, WEIGHTS)
    assert torch.equal(network.get_parameter("18.weight"), published["module.fc_param.weight"])
    assert not network.training


@needs_shared
def test_the_export_is_the_network(published: Path) -> None:
    pictures = faces(7)
    network = tddfa.network(0.5, WEIGHTS)
    with torch.no_grad():
        expected = network(torch.from_numpy(planes(pictures))).numpy()
    with np.load(MODELS / "tddfa_param_mean_std_62d.npz", allow_pickle=False) as file:
        mean, std = file["mean"][:12], file["std"][:12]
    np.testing.assert_array_equal((tddfa.MEAN, tddfa.STD), (mean, std))
    found = tddfa.pose_network("tddfa_mb05")(pictures)
    np.testing.assert_allclose((found - mean) / std, expected[:, :12], atol=1e-4)
    np.testing.assert_allclose(tddfa.euler(found), tddfa.euler(expected[:, :12] * std + mean), atol=1e-2)
    assert np.ptp(tddfa.euler(found), axis=0).min() > 0.1


@needs_shared
def test_the_network_repeats_bit_for_bit_and_takes_any_number(published: Path) -> None:
    network, pictures = tddfa.pose_network("tddfa_mb05"), faces(tddfa.BATCH + 3)
    once = network(pictures)
    np.testing.assert_array_equal(network(pictures), once)
    np.testing.assert_allclose(network(pictures[-1:]), once[-1:], rtol=1e-4, atol=1e-6)
    assert network(pictures[:0]).shape == (0, 12)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace (of its own, with an export of its own) that finds the published weights."""
    root = tmp_path_factory.mktemp("w")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(MODELS))
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(root))
    tddfa.pose_network.cache_clear()
    yield root
    tddfa.pose_network.cache_clear()


# --- exports --------------------------------------------------------------------------------------------------------


def small() -> Any:
    torch.manual_seed(1)
    return torch.nn.Linear(3, 2)


def _export_in_a_process(folder: str) -> None:
    path = onnx.exported("small", "ab" * 32, small, (3,), Path(folder))
    onnx.session(path).run(None, {onnx.IMAGE: np.ones((5, 3), np.float32)})


def test_an_export_is_made_once_and_named_after_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    path = onnx.exported("small", "ab" * 32, small, (3,))
    assert path.is_relative_to(tmp_path)
    before = path.read_bytes(), path.stat().st_mtime_ns

    def never() -> Any:
        raise AssertionError("it is there already")

    assert onnx.exported("small", "ab" * 32, never, (3,)) == path
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert onnx.exported("small", "cd" * 32, small, (3,)) != path
    assert not list(tmp_path.rglob("*.tmp-*"))
    (output,) = onnx.session(path).run(None, {onnx.IMAGE: np.ones((5, 3), np.float32)})
    assert output.shape == (5, 2)


def test_the_same_network_is_exported_to_the_same_bytes(tmp_path: Path) -> None:
    one, other = (onnx.exported("small", "ab" * 32, small, (3,), tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_processes_may_export_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_export_in_a_process, args=(str(tmp_path),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 1


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        return torch.nn.Linear(4, 2)

    with pytest.raises(RuntimeError):
        onnx.exported("small", "ab" * 32, broken, (3,), tmp_path)
    assert not list(tmp_path.iterdir())


def other() -> Any:
    torch.manual_seed(2)
    return torch.nn.Linear(3, 2)


def test_an_export_that_was_exchanged_is_made_anew(tmp_path: Path) -> None:
    path = onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache")
    before = path.read_bytes()
    strange = onnx.exported("small", "ab" * 32, other, (3,), tmp_path / "strange")
    for content in (strange.read_bytes(), before[:-1], b""):
        path.write_bytes(content)
        assert onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache").read_bytes() == before
    path.unlink()
    path.symlink_to(strange)
    assert onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache").read_bytes() == before
    assert strange.read_bytes() != before


def test_of_several_exports_none_is_believed(tmp_path: Path) -> None:
    path = onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache")
    strange = onnx.exported("small", "ab" * 32, other, (3,), tmp_path / "strange")
    strange.rename(path.with_name(strange.name))
    assert onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache") == path
    assert list(path.parent.iterdir()) == [path]


def test_an_export_by_a_name_without_its_digest_is_not_used(tmp_path: Path) -> None:
    """As the first versions made them."""
    strange = onnx.exported("small", "ab" * 32, other, (3,), tmp_path / "strange")
    old = tmp_path / f"small-{'ab' * 8}-{onnx.EXPORTER}.onnx"
    strange.rename(old)
    path = onnx.exported("small", "ab" * 32, small, (3,), tmp_path)
    assert path != old
    assert path.read_bytes() != old.read_bytes()


def test_an_exchanged_export_that_has_the_right_name_is_found_by_deriving_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = onnx.exported("small", "ab" * 32, small, (3,), tmp_path / "cache")
    assert onnx.altered_exports("small", "ab" * 32, small, (3,), path.parent) == []
    strange = onnx.exported("small", "ab" * 32, other, (3,), tmp_path / "strange")
    path.unlink()
    strange = strange.rename(path.with_name(strange.name))
    assert onnx.altered_exports("small", "ab" * 32, small, (3,), path.parent) == [strange]
    assert onnx.altered_exports("small", "cd" * 32, small, (3,), path.parent) == []
    monkeypatch.setitem(sys.modules, "torch", None)
    assert onnx.altered_exports("small", "ab" * 32, small, (3,), path.parent) == []


def test_an_export_is_not_put_behind_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "victim").mkdir()
    (tmp_path / "w/cache").symlink_to(tmp_path / "victim")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path / "w"))
    with pytest.raises(MissingPrerequisite, match="cache is a link that leads out"):
        onnx.exported("small", "ab" * 32, small, (3,))
    assert not list((tmp_path / "victim").iterdir())


@pytest.mark.parametrize("package", ["torch", "onnx"])
def test_pytorch_is_needed_to_export_and_not_to_run(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.exported("small", "ab" * 32, small, (3,), tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    onnx.session(onnx.exported("small", "ab" * 32, small, (3,), tmp_path))
    with pytest.raises(MissingPrerequisite, match=rf"^[^\n]*{package} is missing[^\n]*pip install [^\n]*\[torch\]"):
        onnx.exported("small", "cd" * 32, small, (3,), tmp_path)


def test_without_a_workspace_there_is_no_place_for_an_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE_VARIABLE, raising=False)
    with pytest.raises(MissingPrerequisite, match=WORKSPACE_VARIABLE):
        onnx.exported("small", "ab" * 32, small, (3,))


def test_a_damaged_export_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network")
    with pytest.raises(MissingPrerequisite, match=r"x\.onnx cannot be loaded"):
        onnx.session(tmp_path / "x.onnx")


# --- weights that are refused ---------------------------------------------------------------------------------------


class RunsCode:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.mkdir, (str(self.proof),)


def truncated(path: Path) -> None:
    random_weights(path)
    path.write_bytes(path.read_bytes()[:100_000])


def hostile(path: Path) -> None:
    torch.save({"state_dict": {"conv1.weight": RunsCode(path.with_name("ran"))}}, path)


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(RunsCode(path.with_name("ran")), protocol=2))


def full_width(path: Path) -> None:
    random_weights(path, 1.0)


def without_landmark_head(path: Path) -> None:
    state = tddfa.layers(0.5).state_dict()
    torch.save({name: value for name, value in state.items() if not name.startswith("fc_lm")}, path)


def with_something_more(path: Path) -> None:
    torch.save(tddfa.layers(0.5).state_dict() | {"more.weight": torch.zeros(1)}, path)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (truncated, "damaged"),
        (hostile, "could run code"),
        (plain_pickle, "could run code"),
        (full_width, "another network"),
        (without_landmark_head, "another network .*fc_lm"),
        (with_something_more, "another network .*more.weight"),
        (lambda path: torch.save([1, 2], path), "no state dict"),
        (lambda path: torch.save({"conv1.weight": "text"}, path), "no state dict"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.write_text("<html>not found</html>"), "code|damaged"),
    ],
)
def test_other_weights_are_refused_in_one_sentence(spoil: Callable[[Path], Any], told: str, tmp_path: Path) -> None:
    spoil(tmp_path / "w.pth")
    with pytest.raises(MissingPrerequisite, match=rf"^[^\n]*w\.pth[^\n]*{told}[^\n]*\.$"):
        load_weights(tddfa.layers(0.5), tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_checkpoint_or_a_bare_state_dict_is_read(wrapped: bool, tmp_path: Path) -> None:
    state = tddfa.layers(0.5).state_dict()
    torch.save({"state_dict": state} if wrapped else state, tmp_path / "w.pth")
    network = tddfa.layers(0.5)
    load_weights(network, tmp_path / "w.pth")
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


def test_weights_with_another_sha256_are_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_weights(tmp_path / "tddfa_mb05_120x120.pth")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(tddfa, "load_weights", None)
    with pytest.raises(MissingPrerequisite, match="not the registered tddfa_mb05"):
        tddfa.PoseNetwork("tddfa_mb05")


# --- geometry -------------------------------------------------------------------------------------------------------


def camera(euler: Floats, size: float) -> NDArray[np.float32]:
    """Parameters [n, 12] in which 3DDFA_V2 reads these angles: R = Rz(roll) Ry(-yaw) Rx(pitch)."""
    yaw, pitch, roll = np.moveaxis(np.asarray(euler, np.float64), -1, 0)
    rotation = Rotation.from_euler("ZYX", np.stack([roll, -yaw, pitch], axis=-1), degrees=True).as_matrix()
    matrix = np.concatenate([rotation * size, np.full((len(rotation), 3, 1), 60.0)], axis=2)
    matrix[:, 2] = 99.0  # not used
    return matrix.reshape(-1, 12).astype(np.float32)


angle = st.floats(-80, 80)


@given(angle, angle, angle, st.floats(1e-4, 1e-2))
def test_angles_are_those_that_3ddfa_v2_reads(yaw: float, pitch: float, roll: float, size: float) -> None:
    parameters = camera(np.array([[yaw, pitch, roll]]), size)
    rows = parameters[0, :12].reshape(3, 4)[:2, :3].astype(np.float64) / size
    back = np.cross(rows[0], rows[1])
    read = np.rad2deg([np.arcsin(back[0]), np.arctan2(back[1], back[2]), np.arctan2(rows[1, 0], rows[0, 0])])
    np.testing.assert_allclose(read, [yaw, pitch, roll], atol=0.01)
    np.testing.assert_allclose(tddfa.euler(parameters), [[yaw, pitch, roll]], atol=0.01)


def ramp() -> NDArray[np.uint8]:
    """An image [512, 512, 3] whose red is x / 2 and green y / 2, and whose blue is 200."""
    x, y = np.meshgrid(np.arange(512), np.arange(512))
    return np.stack([x // 2, y // 2, np.full_like(x, 200)], axis=-1).astype(np.uint8)


@given(st.floats(200, 300), st.floats(200, 300), st.floats(0.5, 1.2), st.floats(0, 30))
def test_a_crop_is_a_square_around_jaw_and_brows(x: float, y: float, size: float, turn: float) -> None:
    pose = Pose(*(np.array([value], np.float32) for value in ([0, 0, turn], [x, y, 0], 1 / size)))
    landmarks = geometry.to_image(mean_face()[None], pose)[0].astype(np.float32)
    outline = landmarks[np.concatenate([JAW, BROWS]), :2]
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    side = np.sqrt(2) * np.ptp(outline, axis=0).max()
    blue, green, red = np.moveaxis(tddfa.crop(ramp(), landmarks).astype(float), -1, 0)
    at = middle[:, None] + side * ((np.arange(120) + 0.5) / 120 - 0.5) - 0.5  # pixel centres at half, as in landmarks
    inside = (at > 0) & (at < 511)
    across, down = inside[0], inside[1]
    np.testing.assert_allclose(red[60, across], at[0, across] / 2, atol=0.8)
    np.testing.assert_allclose(green[down, 60], at[1, down] / 2, atol=0.8)
    outside = (at < -2) | (at > 514)
    assert not blue[:, outside[0]].any()
    assert not blue[outside[1]].any()
    assert (blue[np.ix_(down, across)] == 200).all()


def test_the_forehead_is_no_part_of_what_is_cropped_to() -> None:
    landmarks = mean_face().astype(np.float32)
    lifted = landmarks.copy()
    lifted[[10, 109, 338, 67, 297, 54, 284], 1] -= 60
    np.testing.assert_array_equal(tddfa.crop(ramp(), landmarks), tddfa.crop(ramp(), lifted))


# --- the stage ------------------------------------------------------------------------------------------------------


class Stub:
    """Sees in each picture the number it carries, and gives angles by it."""

    asked: list[int]
    provider = "none"

    def __init__(self) -> None:
        self.asked = []

    @staticmethod
    def angles(numbers: NDArray[np.integer[Any]]) -> Floats:
        return np.stack([numbers * 1.5 - 20, 10 - numbers * 0.5, numbers * 0.25], axis=-1)

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(len(pictures))
        return camera(self.angles(pictures[:, 60, 60, 0].astype(int) // 6), 1e-3)


def shaded(path: Path, frames: int) -> Path:
    """A video of 512 x 512 whose frame k is of grey 6 k + 3."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for number in range(frames):
            grey = np.full((512, 512, 3), 6 * number + 3, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())
    return path


def turned(frames: int) -> NDArray[np.float32]:
    """Landmarks of the mean face, turned otherwise than `Stub` says, with some noise."""
    pose = Pose(
        np.tile(np.array([5, -3, 2], np.float32), (frames, 1)),
        np.tile(np.array([260, 240, 5], np.float32), (frames, 1)),
        np.full(frames, 1.3, np.float32),
    )
    found = geometry.to_image(np.repeat(mean_face()[None], frames, axis=0), pose)
    return (found + np.random.default_rng(0).normal(0, 0.5, found.shape)).astype(np.float32)


class RecutJob(MemoryJob[HeadposeParams]):
    """Reads 16 frames at a time."""

    def read(self, *columns: str) -> Iterator[Batch]:
        for batch in super().read(*columns):
            for start in range(0, len(batch["landmarks"]), 16):
                yield {name: rows[start : start + 16] for name, rows in batch.items()}


def run(video: Path, landmarks: NDArray[np.float32], params: HeadposeParams = SEEN) -> Batch:
    job = RecutJob(
        params,
        video.parent,
        frames=len(landmarks),
        columns={"landmarks.landmarks": landmarks},
        files={"mp4": video},
    )
    made = collect(STAGE, job)
    for invariant in STAGE.invariants:
        assert invariant.holds({**made, "landmarks": landmarks}).all(), invariant.claim
    return made


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shaded(tmp_path_factory.mktemp("shaded") / "v.mp4", 40)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    network = Stub()
    monkeypatch.setattr(tddfa, "pose_network", lambda *_: network)
    return network


def test_angles_are_of_that_very_frame(video: Path, stub: Stub) -> None:
    made = run(video, turned(40))
    np.testing.assert_allclose(made["euler"], Stub.angles(np.arange(40)), atol=1e-3)


def test_the_rest_follows_from_the_angles_and_the_landmarks(video: Path, stub: Stub) -> None:
    landmarks = turned(40)
    made, best = run(video, landmarks), run(video, landmarks, HeadposeParams(mean_frames=0, gaussian_sigma=0))
    rotation = Rotation.from_euler("XYZ", made["euler"][:, [1, 0, 2]], degrees=True).as_matrix()
    flipped = landmarks * np.array([1, 1, -1])
    centre = flipped[:, [50, 280, 168]].mean(axis=1)
    upright = np.einsum("nij,nkj->nki", rotation, flipped - centre[:, None])
    np.testing.assert_allclose(made["translation"], centre, atol=1e-4)
    expected = upright * made["scale"][:, None, None] + [256, 232, 128]
    np.testing.assert_allclose(made["canonical"], expected, atol=1e-2)
    np.testing.assert_array_equal(made["translation"], best["translation"])
    assert (made["residual"] > best["residual"]).all(), "no rotation leaves less over than the best one"


def test_with_the_angles_of_the_best_fit_nothing_else_changes() -> None:
    landmarks = turned(5)
    best, residual = geometry.head_pose(landmarks, mean_face())
    given, other = geometry.head_pose(landmarks, mean_face(), best.euler)
    np.testing.assert_array_equal(given.scale, best.scale)
    np.testing.assert_allclose(other, residual, rtol=1e-5)


def test_frames_without_a_face_are_not_looked_at(video: Path, stub: Stub) -> None:
    landmarks = turned(40)
    lost = np.r_[3:6, 16:32, 39]
    landmarks[lost] = np.nan
    made = run(video, landmarks)
    missing = np.isin(np.arange(40), lost)
    assert sum(stub.asked) == 40 - len(lost)
    np.testing.assert_array_equal(np.isnan(made["euler"]).all(axis=1), missing)
    np.testing.assert_allclose(made["euler"][~missing], Stub.angles(np.flatnonzero(~missing)), atol=1e-3)


@pytest.mark.parametrize("frames", [30, 41])
def test_a_video_of_another_length_is_damaged(frames: int, stub: Stub, tmp_path: Path) -> None:
    other = shaded(tmp_path / "v.mp4", frames)
    with pytest.raises(Damaged, match=r"v\.mp4 does not hold 40 frames"):
        run(other, turned(40))


def test_the_picture_is_an_input_only_of_what_looks_at_it() -> None:
    assert STAGE.reads_under(HeadposeParams()) == ("landmarks.landmarks",)
    assert STAGE.reads_under(HeadposeParams(backend="tddfa")) == ("landmarks.landmarks", "normalize.mp4")
    assert STAGE.models is not None
    assert set(STAGE.models(HeadposeParams())) == {"mean_face"}


@needs_shared
def test_the_weights_are_part_of_the_fingerprint(published: Path) -> None:
    assert STAGE.models is not None
    digests = STAGE.models(HeadposeParams(backend="tddfa"))
    assert set(digests) == {"mean_face", "tddfa_mb05"}
    assert digests["tddfa_mb05"] == sha256_of(WEIGHTS)


def test_weights_that_are_not_there_are_told_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, "")
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    assert STAGE.models is not None
    with pytest.raises(MissingPrerequisite, match=r"tddfa_mb1_120x120\.pth is missing"):
        STAGE.models(HeadposeParams(backend="tddfa_mb1"))

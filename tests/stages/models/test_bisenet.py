"""BiSeNet with seeded random weights, saved as the published ones are, and the torso stage that looks through it."""

import dataclasses
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException
from scipy.interpolate import RegularGridInterpolator

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import FPS, SIZE, Image
from portrait_prep.pipeline.declare.quality import QualitySettings
from portrait_prep.pipeline.declare.settings import RunSettings, Settings
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE, Workspace
from portrait_prep.pipeline.status.plan import Planner, fingerprint
from portrait_prep.stages import torso
from portrait_prep.stages.models import bisenet, engines, onnx, registry
from portrait_prep.stages.models.mediapipe import face_mesh_tracker
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.torso import STAGE, TorsoParams
from tests.memory_job import MemoryJob, collect
from tests.stages.models.random_bisenet import PARAMETERS, publish, random_state, register
from tests.stages.shoulders.drawn_labels import CLOTH, HAIR, Labels, cloth, head, painted, person
from tests.stages.shoulders.drawn_person import LEFT, RIGHT, height_at, polygon
from tests.stages.test_torso import faces, job_of

torch = pytest.importorskip("torch")
F = torch.nn.functional

SHARED = Path(__file__).parents[3].parent / "shared"
PUBLISHED_BYTES = 53_289_463
"""Size of the published checkpoint, as those tell who pin its sha256."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        yield publish(tmp_path_factory.mktemp("published"), patch)


def pictures(count: int) -> list[Image]:
    """Coarse random blots, so that random weights tell more than one class."""
    generator = np.random.default_rng(3)
    blots = generator.integers(0, 256, (count, 8, 8, 3), np.uint8)
    return list(np.repeat(np.repeat(blots, SIZE // 8, axis=1), SIZE // 8, axis=2))


def reference(weights: Path, images: Sequence[Image]) -> NDArray[np.float32]:
    """The network's scores by PyTorch, of pictures normalized here."""
    pixels = np.stack(images).astype(np.float32) / 255
    normal = (pixels - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.inference_mode():
        scores = bisenet.build(weights).network(torch.from_numpy(normal.transpose(0, 3, 1, 2).astype(np.float32)))
    return np.asarray(scores.numpy())


def test_parameters_are_those_of_the_published_checkpoint(weights: Path) -> None:
    network = bisenet.build(weights).network
    assert {name: list(tensor.shape) for name, tensor in network.state_dict().items()} == PARAMETERS


def test_saved_as_the_published_checkpoint_was_they_fill_as_many_bytes(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In PyTorch's older format, from a GPU. What is left are longer addresses: no tensor is missing, or too many."""
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "".join(("cuda:", "0")))
    file = io.BytesIO()
    torch.save(bisenet.build(weights).network.state_dict(), file, _use_new_zipfile_serialization=False)
    assert abs(PUBLISHED_BYTES - file.tell()) < 1000


def test_every_parameter_is_loaded(weights: Path) -> None:
    loaded = bisenet.build(weights).network.state_dict()
    for name, tensor in random_state().items():
        assert torch.equal(loaded[name], tensor), name


class Published:
    """The network written once more, without modules: operation by operation on the tensors of a checkpoint."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = state

    def conv(self, x: Any, name: str, stride: int = 1) -> Any:
        weight = self.state[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def norm(self, x: Any, name: str) -> Any:
        mean, var, weight, bias = (
            self.state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    def block(self, x: Any, name: str) -> Any:
        return self.norm(self.conv(x, f"{name}.conv"), f"{name}.bn").clamp(min=0)

    def layer(self, x: Any, name: str, stride: int) -> Any:
        for number, step in enumerate((stride, 1)):
            unit, shortcut = f"{name}.{number}", x
            if f"{unit}.downsample.0.weight" in self.state:
                shortcut = self.norm(self.conv(x, f"{unit}.downsample.0", step), f"{unit}.downsample.1")
            x = self.norm(self.conv(x, f"{unit}.conv1", step), f"{unit}.bn1").clamp(min=0)
            x = (self.norm(self.conv(x, f"{unit}.conv2"), f"{unit}.bn2") + shortcut).clamp(min=0)
        return x

    def refined(self, x: Any, name: str) -> Any:
        x = self.block(x, f"{name}.conv")
        weight = self.norm(self.conv(x.mean(dim=(2, 3), keepdim=True), f"{name}.conv_atten"), f"{name}.bn_atten")
        return x / (1 + torch.exp(-weight))

    def scores(self, x: Any) -> Any:
        x = self.norm(self.conv(x, "cp.resnet.conv1", 2), "cp.resnet.bn1").clamp(min=0)
        x = self.layer(F.max_pool2d(x, 3, 2, 1), "cp.resnet.layer1", 1)
        eighth = self.layer(x, "cp.resnet.layer2", 2)
        sixteenth = self.layer(eighth, "cp.resnet.layer3", 2)
        last = self.layer(sixteenth, "cp.resnet.layer4", 2)
        whole = self.block(last.mean(dim=(2, 3), keepdim=True), "cp.conv_avg")
        coarse = (self.refined(last, "cp.arm32") + whole).repeat_interleave(2, 2).repeat_interleave(2, 3)
        middle = self.refined(sixteenth, "cp.arm16") + self.block(coarse, "cp.conv_head32")
        context = self.block(middle.repeat_interleave(2, 2).repeat_interleave(2, 3), "cp.conv_head16")
        x = self.block(torch.cat([eighth, context], dim=1), "ffm.convblk")
        weight = self.conv(self.conv(x.mean(dim=(2, 3), keepdim=True), "ffm.conv1").clamp(min=0), "ffm.conv2")
        x = x * (1 + 1 / (1 + torch.exp(-weight)))
        return self.conv(self.block(x, "conv_out.conv"), "conv_out.conv_out")


def test_the_network_computes_what_the_published_one_does(weights: Path) -> None:
    x = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        coarse = Published(random_state()).scores(x).numpy()
        scores = bisenet.build(weights).network(x).numpy()
    corners = np.ix_([0, 1], range(19), [0, -1], [0, -1])
    np.testing.assert_allclose(scores[corners], coarse[corners], atol=1e-4 * np.ptp(coarse))
    rows, columns = np.linspace(0, 11, 96), np.linspace(0, 7, 64)
    expected = RegularGridInterpolator((np.arange(12), np.arange(8)), coarse[1, 5])(np.meshgrid(rows, columns))
    np.testing.assert_allclose(scores[1, 5], expected.T, atol=1e-4 * np.ptp(coarse))


def test_the_export_gives_the_scores_of_pytorch(weights: Path, tmp_path: Path) -> None:
    images = pictures(2)
    expected = reference(weights, images)
    assert expected.shape == (2, 19, SIZE, SIZE)
    assert np.ptp(expected) > 1
    path = onnx.exported("scores", "0" * 64, lambda: bisenet.build(weights).network, (3, SIZE, SIZE), tmp_path)
    normal = (np.stack(images) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    (scores,) = onnx.session(path).run(None, {onnx.IMAGE: normal.transpose(0, 3, 1, 2).astype(np.float32)})
    np.testing.assert_allclose(scores, expected, atol=1e-4 * np.abs(expected).max())


def test_labels_are_the_classes_with_the_highest_scores(weights: Path) -> None:
    images = pictures(2)
    labels = bisenet.parse(images)
    assert labels.shape == (2, SIZE, SIZE)
    assert labels.dtype == np.uint8
    assert len(np.unique(labels)) > 3
    assert (labels == reference(weights, images).argmax(axis=1)).mean() > 0.9999


def test_labels_do_not_depend_on_the_batch(weights: Path) -> None:
    images = pictures(3)
    alone = [bisenet.parse([image])[0] for image in images]
    np.testing.assert_array_equal(bisenet.parse(images), alone)


def test_pytorch_gives_the_same_labels(weights: Path) -> None:
    images = pictures(1)
    pixels = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
    source = engines.NetworkSource("bisenet", "0" * 64, lambda: bisenet.build(weights), (3, SIZE, SIZE))
    labels = engines.in_torch(source, "cpu").run(pixels)
    assert labels.dtype == np.uint8
    assert (labels == bisenet.parse(images)).mean() > 0.9999


def test_a_gpu_that_is_not_there_is_done_without(weights: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    np.testing.assert_array_equal(bisenet.parse(pictures(1), gpu=True), bisenet.parse(pictures(1)))


def test_without_pytorch_an_export_can_be_used_but_not_made(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bisenet.parse(pictures(1))
    bisenet._opened.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    np.testing.assert_array_equal(bisenet.parse(pictures(1)), before)
    bisenet._opened.cache_clear()
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*torch[^\n]*pip install[^\n]*\.$"):
        bisenet.parse(pictures(1))


def test_out_of_memory_costs_time_and_nothing_else(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(3)
    expected = bisenet.parse(images)
    made = onnx.session(next(weights.parent.rglob("*.onnx")))

    class Cramped:
        get_providers = made.get_providers

        def run(self, names: None, feed: Mapping[str, NDArray[np.float32]]) -> Any:
            if len(feed[onnx.IMAGE]) > 2:
                raise RuntimeException("Failed to allocate memory for requested buffer of size 4547406516")
            return made.run(names, feed)

    monkeypatch.setattr(engines, "session", lambda *_: Cramped())
    bisenet._opened.cache_clear()
    np.testing.assert_array_equal(bisenet.parse(images), expected)
    bisenet._opened.cache_clear()


class Runs:
    """An object whose pickle runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def other_architectures() -> Mapping[str, dict[str, Any]]:
    state = random_state()
    less, shape = dict(state), dict(state)
    del less["cp.arm16.conv.conv.weight"]
    shape["conv_out.conv_out.weight"] = torch.zeros(11, 256, 1, 1)
    return {
        "with a spatial path": state | {"sp.conv1.conv.weight": torch.zeros(64, 3, 7, 7)},
        "with a part missing": less,
        "with 11 classes": shape,
        "of a line": {"weight": torch.zeros(1, 1), "bias": torch.zeros(1)},
    }


@pytest.mark.parametrize("which", ["with a spatial path", "with a part missing", "with 11 classes", "of a line"])
def test_another_architecture_is_refused(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, monkeypatch, other_architectures()[which])
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*79999_iter\.pth[^\n]*\.$"):
        bisenet.parse(pictures(1))
    assert not list(tmp_path.rglob("*.onnx"))


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    kept: float, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = weights.read_bytes()
    path = tmp_path / "79999_iter.pth"
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match="sha256"):
        bisenet.parse(pictures(1))
    register(path, monkeypatch)
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*79999_iter\.pth[^\n]*\.$"):
        bisenet.parse(pictures(1))


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not(
    legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, path = tmp_path / "ran", tmp_path / "79999_iter.pth"
    state = random_state() | {"conv_out.conv_out.weight": Runs(marker)}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    register(path, monkeypatch)
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*79999_iter\.pth[^\n]*code[^\n]*\.$"):
        bisenet.parse(pictures(1))
    assert not marker.exists()


def test_missing_weights_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(registry.FOLDERS_VARIABLE, raising=False)
    monkeypatch.setenv(WORKSPACE_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*79999_iter\.pth is missing[^\n]*\.$"):
        STAGE.models(TorsoParams(backend="bisenet"))  # type: ignore[misc]


def fingerprints(folder: Path, params: TorsoParams) -> dict[str, str]:
    """Stage -> fingerprint of a video whose inputs are the same each time."""
    source = folder / "a.mp4"
    source.open("a").close()  # touching it would make it another file
    chosen = {stage.name: params if stage is STAGE else stage.params() for stage in STAGES}
    planner = Planner(Workspace(folder), STAGES, Settings(RunSettings(), QualitySettings(), chosen))
    video = Video(video_id="a", corpus="folder", subject="s", source=str(source))
    made = {
        stage.name: Record(
            video_id="a", stage=stage.name, outcome="done", fingerprint="", basis=Basis(version=stage.version)
        )
        for stage in STAGES
    }
    return {stage.name: fingerprint(stage.name, planner.basis(stage, video, made)) for stage in STAGES}


def test_changing_the_backend_or_its_weights_makes_the_torso_stale_and_nothing_else(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selfie, one = (fingerprints(tmp_path, TorsoParams(backend=name)) for name in ("selfie", "bisenet"))
    (tmp_path / "79999_iter.pth").write_bytes(b"other weights")
    register(tmp_path / "79999_iter.pth", monkeypatch)
    other = fingerprints(tmp_path, TorsoParams(backend="bisenet"))
    for before, after in ((selfie, one), (one, other)):
        assert [name for name in before if before[name] != after[name]] == ["torso"]


def test_the_size_of_the_batches_makes_nothing_stale(weights: Path, tmp_path: Path) -> None:
    one, other = (fingerprints(tmp_path, TorsoParams(backend="bisenet", batch_size=size)) for size in (1, 16))
    assert one == other


BISENET = TorsoParams(backend="bisenet", batch_size=4)
LEVELS = 12
"""Grey levels between the classes of a drawn video."""


def write(path: Path, maps: list[Labels]) -> Path:
    """A video of 512 x 512 whose frames are label maps of 256 x 256."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "0", "preset": "ultrafast"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv444p"
        for labels in maps:
            grey = np.repeat(np.repeat(labels, 2, axis=0), 2, axis=1)[..., None] * np.uint8(LEVELS)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.repeat(grey, 3, axis=2), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands in for the network: the frames are the label maps. Returns how many it was given at a time."""
    given: list[int] = []

    def parse(frames: Sequence[Image]) -> Labels:
        given.append(len(frames))
        return (np.stack(frames)[..., 1] / LEVELS).round().astype(np.uint8)

    monkeypatch.setattr(bisenet, "parse", parse)
    backend = dataclasses.replace(torso.BACKENDS["bisenet"], begin=lambda _: parse, provider=None)
    monkeypatch.setattr(torso, "BACKENDS", {**torso.BACKENDS, "bisenet": backend})
    return given


def test_points_lie_on_the_drawn_shoulders_in_image_pixels(tmp_path: Path, batches: list[int]) -> None:
    columns = collect(STAGE, job_of(write(tmp_path / "v.mp4", [person()] * 10), faces(10), BISENET))
    assert columns["visible"].all()
    for side, truth in enumerate((LEFT, RIGHT)):
        points = columns["shoulders"][:, side]
        np.testing.assert_allclose(points[..., 1], (height_at(truth, points[..., 0] / 2 - 0.5) + 0.5) * 2, atol=2.0)
    assert batches == [4, 4, 2]


def test_frames_without_landmarks_are_not_looked_at_and_invariants_hold(tmp_path: Path, batches: list[int]) -> None:
    landmarks = faces(30)
    landmarks[[0, 1, 2, 12, 13, 14, 15, 16, 17, 18, 29]] = np.nan
    columns = collect(STAGE, job_of(write(tmp_path / "v.mp4", [person()] * 30), landmarks, BISENET))
    missing = np.isnan(landmarks).all(axis=(1, 2))
    assert np.isnan(columns["shoulders"]).all(axis=(1, 2, 3)).tolist() == missing.tolist()
    assert columns["visible"].all(axis=1).tolist() == (~missing).tolist()
    for invariant in STAGE.invariants:
        assert invariant.holds({"landmarks": landmarks, **columns}).all(), invariant.claim
    assert sum(batches) == 19


def test_a_shoulder_under_hair_for_a_while_is_interpolated(tmp_path: Path, batches: list[int]) -> None:
    hair = (HAIR, polygon((60, 60), (20, 110), (5, 256), (120, 256), (120, 60)))
    covered = painted(cloth(), *head(), hair)
    maps = [person()] * 12 + [covered] * 6 + [person()] * 12
    columns = collect(STAGE, job_of(write(tmp_path / "v.mp4", maps), faces(30), BISENET))
    assert np.flatnonzero(~columns["visible"][:, 0]).tolist() == [12, 13, 14, 15, 16, 17]
    assert columns["visible"][:, 1].all()
    assert np.ptp(columns["shoulders"], axis=0).max() < 0.1


@pytest.mark.parametrize("labels", [painted(*head()), np.full((256, 256), CLOTH, np.uint8)], ids=["head", "clothes"])
def test_where_no_shoulder_is_found_points_are_finite_and_not_visible(
    labels: Labels, tmp_path: Path, batches: list[int]
) -> None:
    columns = collect(STAGE, job_of(write(tmp_path / "v.mp4", [labels] * 6), faces(6), BISENET))
    assert not columns["visible"].any()
    assert np.isfinite(columns["shoulders"]).all()
    assert np.isfinite(columns["billboard"]).all()


def test_batches_do_not_matter(tmp_path: Path, batches: list[int]) -> None:
    rows = 40
    moving = [np.roll(person(), (round(4 * np.sin(k / 3)), k // 10), axis=(0, 1)) for k in range(rows)]
    landmarks = faces(rows)
    landmarks[25:32] = np.nan
    path = write(tmp_path / "v.mp4", moving)
    once = collect(STAGE, job_of(path, landmarks, TorsoParams(backend="bisenet", batch_size=64)))
    job = job_of(path, landmarks, TorsoParams(backend="bisenet", batch_size=7))

    def in_pieces(*columns: str) -> Iterator[Batch]:
        whole = next(MemoryJob.read(job, *columns))
        for start, stop in pairwise([0, 1, 2, 17, 26, 27, 40]):
            yield {name: values[start:stop] for name, values in whole.items()}

    job.read = in_pieces  # type: ignore[method-assign]
    for name, values in collect(STAGE, job).items():
        np.testing.assert_array_equal(values, once[name], err_msg=name)


def test_a_real_clip_passes_through_a_network_that_knows_nothing(weights: Path) -> None:
    path = SHARED / "data/clips/portrait_d0.mp4"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    tracker = face_mesh_tracker()
    tracker.reset()
    landmarks = np.concatenate([tracker(image) for image in read_frames(path)])
    landmarks[8:] = np.nan
    jobs = [job_of(path, landmarks, BISENET) for _ in range(2)]
    first, second = (collect(STAGE, job) for job in jobs)
    assert [job.metrics["provider"] for job in jobs] == ["CPUExecutionProvider"] * 2
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert np.isfinite(first["shoulders"][:8]).all()
    assert np.isnan(first["shoulders"][8:]).all()
    assert not first["visible"].any()

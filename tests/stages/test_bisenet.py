"""BiSeNet with seeded random weights, saved as the published ones are, and the torso stage that looks through it."""

import dataclasses
import hashlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from manifests.catalogue import Video
from manifests.errors import MissingPrerequisite
from manifests.quality import QualitySettings
from manifests.record import Basis, Record
from pipeline.plan import Planner, fingerprint
from pipeline.settings import RunSettings, Settings
from pipeline.stage import Batch
from pipeline.workspace import Workspace
from stages import torso
from stages.frames import FPS, SIZE, Image, read_frames
from stages.models import bisenet, onnx, registry
from stages.models.mediapipe import face_mesh_tracker
from stages.order import STAGES
from stages.torso import STAGE, TorsoParams
from tests.memory_job import MemoryJob, collect
from tests.stages.drawn_labels import CLOTH, HAIR, Labels, cloth, head, painted, person
from tests.stages.drawn_person import LEFT, RIGHT, height_at, polygon
from tests.stages.test_torso import faces, job_of

torch = pytest.importorskip("torch")

SHARED = Path(__file__).parents[2].parent / "shared"
PARAMETERS = json.loads(Path(__file__).with_name("bisenet_parameters.json").read_text())
"""Name -> shape of each of the 191 tensors of the published checkpoint, as its published architecture has them."""
PUBLISHED_BYTES = 53_289_463
"""Size of the published checkpoint, as those tell who pin its sha256."""


def random_state() -> dict[str, Any]:
    """Tensors of the published names and shapes."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    for name, shape in PARAMETERS.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(80_000)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) == 1:
            state[name] = torch.rand(shape, generator=generator)
        else:
            state[name] = torch.randn(shape, generator=generator) * np.sqrt(2 / np.prod(shape[1:]))
    return state


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, state: object = None) -> Path:
    """Save weights in the format and under the name of the published ones, and register them."""
    path = folder / "79999_iter.pth"
    torch.save(random_state() if state is None else state, path, _use_new_zipfile_serialization=False)
    register(path, monkeypatch)
    return path


def register(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what lies there the registered file, and its folder a workspace."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    known = dataclasses.replace(registry.MODELS["bisenet"], sha256=sha256)
    monkeypatch.setattr(registry, "MODELS", {**registry.MODELS, "bisenet": known})
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(path.parent))
    monkeypatch.setenv(registry.WORKSPACE_VARIABLE, str(path.parent))


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
    labels = bisenet.in_torch(bisenet.build(weights), "cpu")(pixels)
    assert labels.dtype == np.uint8
    assert (labels == bisenet.parse(images)).mean() > 0.9999


def test_the_gpu_is_used_where_onnx_runtime_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    assert bisenet.providers(gpu=True) == tuple(there)
    assert bisenet.providers(gpu=False) == ("CPUExecutionProvider",)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there[1:])
    assert bisenet.providers(gpu=True) == ("CPUExecutionProvider",)


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
    monkeypatch.setenv(registry.WORKSPACE_VARIABLE, str(tmp_path))
    with pytest.raises(MissingPrerequisite, match=r"^[^\n]*torch[^\n]*pip install[^\n]*\.$"):
        bisenet.parse(pictures(1))


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
    monkeypatch.setenv(registry.WORKSPACE_VARIABLE, str(tmp_path))
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
    backend = dataclasses.replace(torso.BACKENDS["bisenet"], begin=lambda: parse)
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
    first, second = (collect(STAGE, job_of(path, landmarks, BISENET)) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert np.isfinite(first["shoulders"][:8]).all()
    assert np.isnan(first["shoulders"][8:]).all()
    assert not first["visible"].any()

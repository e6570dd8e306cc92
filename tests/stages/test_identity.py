"""The identity stage with a small recogniser of random weights: which faces it looks at, and what it makes of them."""

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import FPS, SIZE, Image
from portrait_prep.pipeline.declare.stage import BadVideo, Batch
from portrait_prep.stages import headpose, identity
from portrait_prep.stages.identity import STAGE, IdentityParams
from portrait_prep.stages.models import sface
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.models.random_sface import by_hand, publish

SFACE = IdentityParams(backend="sface")


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models").mkdir()
    return publish(tmp_path / "models", monkeypatch)


def faces(count: int) -> NDArray[np.float32]:
    """Landmarks [n, 478, 3] of a face that turns in the plane and wanders."""
    mean = headpose.mean_face()
    times = np.arange(count) / 40
    angle, shift = 0.4 * np.sin(times), 30 * np.cos(np.stack([times, times / 3, 0 * times], axis=1))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    plane = (mean[:, :2] - 256) @ turn.transpose(0, 2, 1) + 256
    points = np.concatenate([plane, np.broadcast_to(mean[:, 2:], (count, len(mean), 1))], axis=2)
    return np.asarray(points + shift[:, np.newaxis], np.float32)


def filmed(path: Path, count: int) -> Path:
    """A video of blots, each frame its own."""
    generator = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "ultrafast", "g": "25"})
        stream.width = stream.height = SIZE
        for _ in range(count):
            blots = np.asarray(cv2.resize(generator.integers(0, 256, (16, 16, 3), np.uint8), (SIZE, SIZE)), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(blots, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def job_of(path: Path, landmarks: NDArray[np.float32], params: IdentityParams = SFACE) -> MemoryJob[IdentityParams]:
    detected = np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))
    columns: dict[str, NDArray[Any]] = {"landmarks.landmarks": landmarks, "landmarks.detected": detected}
    return MemoryJob(params, path.parent, frames=len(landmarks), columns=columns, files={"mp4": path})


def expected(path: Path, landmarks: NDArray[np.float32], numbers: list[int], network: Path) -> NDArray[np.float64]:
    """Embeddings of these frames by OpenCV's own class, of length 1."""
    reference, images = cv2.FaceRecognizerSF.create(str(network), ""), list(read_frames(path))
    made = []
    for number in numbers:
        points = landmarks[number, :, :2].astype(np.float64)
        eyes = [(points[33] + points[133]) / 2, (points[362] + points[263]) / 2]
        detected = np.zeros((1, 15), np.float32)
        detected[0, 4:14] = np.array([*eyes, points[1], points[61], points[291]]).ravel() - 0.5
        face = reference.alignCrop(np.ascontiguousarray(images[number][..., ::-1]), detected)
        made.append(reference.feature(face)[0])
    return np.array([row / np.linalg.norm(row) for row in made], np.float64)


@pytest.mark.parametrize(
    ("frames", "params", "numbers"),
    [
        (1, SFACE, [0]),
        (3, SFACE, [0, 1, 2]),
        (100, IdentityParams(backend="sface", faces=1), [49]),
        (160, IdentityParams(backend="sface", faces=4), [19, 59, 99, 139]),
    ],
)
def test_the_embedding_is_the_mean_of_those_of_faces_spread_over_the_video(
    frames: int, params: IdentityParams, numbers: list[int], tmp_path: Path, weights: Path
) -> None:
    path, landmarks = filmed(tmp_path / "v.mp4", frames), faces(frames)
    columns = collect(STAGE, job_of(path, landmarks, params))
    each = expected(path, landmarks, numbers, weights)
    mean = each.mean(axis=0)
    np.testing.assert_allclose(columns["embedding"][0], mean / np.linalg.norm(mean), atol=1e-3)
    assert columns["faces"].tolist() == [len(numbers)]
    pairs = [float(one @ other) for k, one in enumerate(each) for other in each[:k]]
    told = float(columns["likeness"][0]), float(columns["least_likeness"][0])
    assert told == pytest.approx((np.mean(pairs), min(pairs)) if pairs else (np.nan, np.nan), abs=1e-3, nan_ok=True)
    assert claims_hold(STAGE, columns)


@pytest.fixture
def sought(monkeypatch: pytest.MonkeyPatch) -> list[range]:
    """Stands in for the decoder; tells which frames it was asked for."""
    asked: list[range] = []

    def read(_: Path, numbers: range) -> Iterator[Callable[[], Image]]:
        asked.append(numbers)
        for number in numbers:
            yield lambda number=number: np.full((SIZE, SIZE, 3), number % 251, np.uint8)  # type: ignore[misc]

    monkeypatch.setattr(identity, "read_pictures", read)
    return asked


def test_frames_in_which_no_face_was_seen_do_not_count(sought: list[range]) -> None:
    landmarks = faces(80)
    landmarks[:30] = np.nan
    job = job_of(Path("v.mp4"), landmarks, IdentityParams(backend="sface", faces=4))
    job._columns["landmarks.detected"][45:55] = False
    assert collect(STAGE, job)["faces"].tolist() == [3]
    assert [number for numbers in sought for number in (numbers[0], numbers[-1])] == [30, 44, 69, 69]
    assert list(identity._chosen(job)) == [30, 44, 69]


def test_without_any_face_the_video_fails(sought: list[range]) -> None:
    with pytest.raises(BadVideo, match="no frame shows a face"):
        collect(STAGE, job_of(Path("v.mp4"), np.full((9, 478, 3), np.nan, np.float32)))
    assert not sought


def test_batches_do_not_matter(sought: list[range]) -> None:
    landmarks = faces(700)
    landmarks[100:300] = np.nan
    job = job_of(Path("v.mp4"), landmarks)
    once = identity._chosen(job)

    def in_pieces(*columns: str) -> Iterator[Batch]:
        edges = [0, 1, 20, 21, 250, 251, 333, 700]
        for start, stop in pairwise(edges):
            yield {name.partition(".")[2]: job._columns[name][start:stop] for name in columns}

    job.read = in_pieces  # type: ignore[method-assign]
    again = identity._chosen(job)
    assert list(again) == list(once)
    np.testing.assert_array_equal(list(again.values()), list(once.values()))


class LongJob(MemoryJob[IdentityParams]):
    """A face that stands still for `frames` frames."""

    def read(self, *columns: str) -> Iterator[Batch]:
        del columns
        batch = {"landmarks": faces(1).repeat(250, axis=0), "detected": np.ones(250, np.bool_)}
        for _ in range(self.frames // 250):
            yield dict(batch)


def test_a_long_video_takes_no_more_memory_and_no_more_frames_are_decoded(sought: list[range], tmp_path: Path) -> None:
    def run(frames: int) -> tuple[int, int]:
        sought.clear()
        tracemalloc.start()
        try:
            collect(STAGE, LongJob(SFACE, tmp_path, frames=frames, files={"mp4": Path("v.mp4")}))
            return tracemalloc.get_traced_memory()[1], sum(map(len, sought))
        finally:
            tracemalloc.stop()

    run(1000)
    (short, decoded), (long, more) = run(1000), run(50_000)
    assert long < 1.2 * short
    assert (decoded, more) == (16, 16)


def test_a_claim_is_broken_by_damage(sought: list[range]) -> None:
    columns = collect(STAGE, job_of(Path("v.mp4"), faces(40)))
    assert claims_hold(STAGE, columns)
    damage: dict[str, Any] = {
        "embedding": columns["embedding"] * 1.01,
        "likeness": columns["likeness"] + 0.5,
        "least_likeness": columns["least_likeness"] * np.nan,
    }
    for name, values in damage.items():
        assert not claims_hold(STAGE, {**columns, name: values}), name


def test_the_small_recogniser_tells_faces_apart() -> None:
    """Else the tests above would pass with any embedding."""
    blots = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
    one, other = by_hand(blots)
    assert float(one @ other) < 0.99 * float(np.linalg.norm(one) * np.linalg.norm(other))
    assert len(one) == sface.NUMBERS

"""The torso stage on videos of drawn people, whose masks the segmenter is made to return, and on a real clip."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages import torso
from portrait_prep.stages.face.geometry import Pose, to_image
from portrait_prep.stages.models.mediapipe import face_mesh_tracker, person_segmenter
from portrait_prep.stages.torso import STAGE, TorsoParams
from tests.memory_job import MemoryJob, collect
from tests.stages.shoulders.drawn_person import LEFT, face, head, height_at, person
from tests.stages.shoulders.drawn_person import torso as drawn_torso

SHARED = Path(__file__).parents[2].parent / "shared"
Mask = NDArray[np.float32]


class Drawn:
    """Stands in for the segmenter: the frames are the masks."""

    def reset(self) -> None:
        pass

    def __call__(self, image: NDArray[np.uint8]) -> Mask:
        return np.asarray(image[..., 1], np.float32) / np.float32(255)


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torso, "person_segmenter", Drawn)


def write(path: Path, masks: list[Mask]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "0", "preset": "ultrafast"})
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv444p"
        for mask in masks:
            grey = np.repeat((mask[..., None] * 255).round().astype(np.uint8), 3, axis=2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def job_of(path: Path, landmarks: NDArray[np.float32], params: TorsoParams | None = None) -> MemoryJob[TorsoParams]:
    rows = len(landmarks)
    generator = np.random.default_rng(0)
    there = np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))[:, None]
    translation = landmarks[:, [50, 280, 168]].mean(axis=1) * (1, 1, -1) + (0, 0, 7)
    columns = {
        "landmarks.landmarks": landmarks,
        "headpose.euler": np.where(there, generator.uniform(-20, 20, (rows, 3)), np.nan).astype(np.float32),
        "headpose.translation": translation.astype(np.float32),
        "headpose.scale": np.where(there, 1.2, np.nan)[:, 0].astype(np.float32),
    }
    return MemoryJob(params or TorsoParams(), path.parent, frames=rows, columns=columns, files={"mp4": path})


def faces(rows: int) -> NDArray[np.float32]:
    """Landmarks in image px of the drawn face, which is in mask px."""
    return np.repeat(((face() + 0.5) * 2)[None], rows, axis=0).astype(np.float32)


@pytest.fixture
def still(tmp_path: Path) -> Path:
    return write(tmp_path / "still.mp4", [person()] * 30)


def test_points_lie_on_the_drawn_shoulders_in_image_pixels(still: Path) -> None:
    columns = collect(STAGE, job_of(still, faces(30)))
    left = columns["shoulders"][:, 0]
    assert columns["visible"].all()
    np.testing.assert_allclose(left[..., 1], (height_at(LEFT, left[..., 0] / 2 - 0.5) + 0.5) * 2, atol=1.0)
    assert np.ptp(left, axis=0).max() < 1e-3


def test_columns_are_nan_where_landmarks_are_and_invariants_hold(still: Path) -> None:
    landmarks = faces(30)
    landmarks[[0, 1, 2, 14, 15, 16, 17, 18, 19, 29]] = np.nan
    columns = collect(STAGE, job_of(still, landmarks))
    missing = np.isnan(landmarks).all(axis=(1, 2))
    assert np.isnan(columns["shoulders"]).all(axis=(1, 2, 3)).tolist() == missing.tolist()
    assert np.isnan(columns["billboard"]).all(axis=(1, 2)).tolist() == missing.tolist()
    assert columns["visible"].all(axis=1).tolist() == (~missing).tolist()
    for invariant in STAGE.invariants:
        assert invariant.holds({"landmarks": landmarks, **columns}).all(), invariant.claim


@pytest.mark.parametrize("damage", ["uneven", "descending", "crossed", "filled", "missing"])
def test_invariants_find_what_is_wrong(still: Path, damage: str) -> None:
    landmarks = faces(30)
    columns = collect(STAGE, job_of(still, landmarks))
    shoulders = columns["shoulders"]
    if damage == "uneven":
        shoulders[3, 0, 4, 0] += 0.01
    elif damage == "descending":
        shoulders[3, 0] = shoulders[3, 0, ::-1]
    elif damage == "crossed":
        shoulders[3] = shoulders[3, ::-1]
    elif damage == "missing":
        columns["billboard"][3] = np.nan
    else:
        landmarks[3] = np.nan
    broken = [~invariant.holds({"landmarks": landmarks, **columns}) for invariant in STAGE.invariants]
    assert np.flatnonzero(np.any(broken, axis=0)).tolist() == [3]


def test_nothing_reaches_across_a_long_gap(tmp_path: Path) -> None:
    low = [(x, y + 12) for x, y in LEFT]
    right = [(256.0 - x, y) for x, y in low]
    other = np.maximum(head(), drawn_torso(low, right))
    path = write(tmp_path / "both.mp4", [person()] * 12 + [other] * 20)
    landmarks = faces(32)
    landmarks[12:20] = np.nan
    both = collect(STAGE, job_of(path, landmarks))["shoulders"]
    alone = collect(STAGE, job_of(write(tmp_path / "alone.mp4", [other] * 12), faces(12)))["shoulders"]
    np.testing.assert_array_equal(both[20:], alone)


def test_a_shoulder_never_seen_is_filled_with_the_mirror_image(tmp_path: Path) -> None:
    covered = np.maximum(person(), np.pad(np.ones((256, 100), np.float32), ((0, 0), (0, 156))))
    columns = collect(STAGE, job_of(write(tmp_path / "hair.mp4", [covered] * 8), faces(8)))
    left, right = columns["shoulders"].swapaxes(0, 1)
    assert not columns["visible"][:, 0].any()
    assert columns["visible"][:, 1].all()
    np.testing.assert_allclose(257 - left[:, ::-1, 0], right[..., 0] - 257, atol=0.1)
    np.testing.assert_allclose(left[:, ::-1, 1], right[..., 1], atol=0.1)


def test_where_no_shoulder_is_ever_visible_points_are_finite(tmp_path: Path) -> None:
    job = job_of(write(tmp_path / "head.mp4", [head()] * 8), faces(8))
    columns = collect(STAGE, job)
    assert not columns["visible"].any()
    assert np.isfinite(columns["shoulders"]).all()
    assert np.isfinite(columns["billboard"]).all()
    assert job.metrics["visible_share"] == [0.0, 0.0]


def test_a_frame_with_a_wild_mask_is_told_and_bridged(tmp_path: Path) -> None:
    wild = np.maximum(head(), drawn_torso([(x, y + 35) for x, y in LEFT], [(256.0 - x, y + 35) for x, y in LEFT]))
    for still, frame in ((0.0, 15), (4.0, 16)):
        masks = [person()] * frame + [wild] + [person()] * (30 - frame)
        job = job_of(write(tmp_path / f"{frame}.mp4", masks), faces(31), TorsoParams(still=still))
        columns = collect(STAGE, job)
        assert np.flatnonzero(~columns["visible"].all(axis=1)).tolist() == [frame]
        assert np.ptp(columns["shoulders"], axis=0).max() < 0.01
        assert job.metrics["gated_frames"] == [1, 1]
        assert job.metrics["visible_share"] == pytest.approx([30 / 31, 30 / 31])


def moved(shifts: NDArray[np.integer[Any]]) -> list[Mask]:
    """The drawn person, so many px of the mask to the right."""
    return [np.roll(person(), int(shift), axis=1) for shift in shifts]


def unsmoothed(still: float) -> TorsoParams:
    return TorsoParams(still=still, sigma=0, end_sigma=0)


@pytest.mark.parametrize(("still", "looked", "step"), [(0.0, 31, [0, 2]), (4.0, 16, [1, 1])])
def test_a_frame_between_two_that_hardly_differ_takes_their_mean(
    tmp_path: Path, still: float, looked: int, step: list[int]
) -> None:
    job = job_of(write(tmp_path / "v.mp4", moved(np.arange(31) // 10)), faces(31), unsmoothed(still))
    columns = collect(STAGE, job)
    assert job.metrics["looked_frames"] == looked
    assert columns["visible"].all()
    steps = np.diff(columns["shoulders"][:, 1, 4, 0])
    np.testing.assert_allclose(steps, ([0] * 8 + step) * 3, atol=1e-3)


def test_of_a_person_who_moves_every_frame_is_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", moved(np.arange(9) * 2))
    all_seen, job = (job_of(path, faces(9), unsmoothed(still)) for still in (0.0, 4.0))
    np.testing.assert_array_equal(collect(STAGE, job)["shoulders"], collect(STAGE, all_seen)["shoulders"])
    assert job.metrics["looked_frames"] == 9


def test_a_frame_beside_one_where_a_shoulder_is_hidden_is_looked_at(tmp_path: Path) -> None:
    covered = np.maximum(person(), np.pad(np.ones((256, 100), np.float32), ((0, 0), (0, 156))))
    job = job_of(write(tmp_path / "v.mp4", [person()] * 10 + [covered] * 9 + [person()] * 12), faces(31))
    assert np.flatnonzero(~collect(STAGE, job)["visible"][:, 0]).tolist() == list(range(10, 19))
    assert job.metrics["looked_frames"] == 16 + len([9, 11, 13, 15, 17, 19])


def test_each_run_is_looked_at_from_its_first_frame_to_its_last(tmp_path: Path) -> None:
    landmarks = faces(47)
    landmarks[[0, 2, 5, 9]] = np.nan
    job = job_of(write(tmp_path / "v.mp4", [person()] * 47), landmarks)
    assert np.isfinite(collect(STAGE, job)["shoulders"]).all(axis=(1, 2, 3)).sum() == 43
    assert job.metrics["looked_frames"] == sum([1, 2, 2, 16 + 4])  # of 1, 2, 3, and 31 + 6 frames


def test_the_billboard_is_the_points_at_the_depth_of_the_face(still: Path) -> None:
    job = job_of(still, faces(30))
    columns = collect(STAGE, job)
    pose: Any = next(job.read("headpose.euler", "headpose.translation", "headpose.scale"))
    back = to_image(columns["billboard"], Pose(**pose))
    np.testing.assert_allclose(back[..., :2], columns["shoulders"].reshape(30, 18, 2), atol=1e-3)
    np.testing.assert_allclose(-back[..., 2], np.repeat(pose["translation"][:, 2:], 18, axis=1), atol=1e-3)


def test_batches_do_not_matter(tmp_path: Path) -> None:
    rows = 60
    moving = [np.roll(person(), (round(4 * np.sin(k / 3)), k // 10), axis=(0, 1)) for k in range(rows)]
    landmarks = faces(rows)
    landmarks[:, :, 0] += 2 * (np.arange(rows) // 10)[:, None]
    landmarks[40:46] = np.nan
    job = job_of(write(tmp_path / "moving.mp4", moving), landmarks)
    once = collect(STAGE, job)

    def in_pieces(*columns: str) -> Iterator[Batch]:
        whole = next(MemoryJob.read(job, *columns))
        for start, stop in pairwise([0, 1, 2, 17, 39, 41, 45, 60]):
            yield {name: values[start:stop] for name, values in whole.items()}

    job.read = in_pieces  # type: ignore[method-assign]
    for name, values in collect(STAGE, job).items():
        np.testing.assert_array_equal(values, once[name], err_msg=name)


@pytest.mark.parametrize("rows", [29, 31])
def test_a_video_with_other_frames_than_its_landmarks_is_damaged(still: Path, rows: int) -> None:
    with pytest.raises(Damaged, match="run normalize again"):
        collect(STAGE, job_of(still, faces(rows)))


def test_parameters_out_of_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="sigma"):
        TorsoParams(sigma=-1)


def test_a_real_clip_gives_the_same_bytes_each_time_and_shows_both_shoulders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torso, "person_segmenter", person_segmenter)
    path = SHARED / "data/clips/portrait_d0.mp4"
    if not path.exists():
        pytest.skip(f"{path.name} is not here")
    tracker = face_mesh_tracker()
    tracker.reset()
    landmarks = np.concatenate([tracker(image) for image in read_frames(path)])
    first, second = (collect(STAGE, job_of(path, landmarks)) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert first["visible"].all()
    assert np.abs(np.diff(first["shoulders"], axis=0)).max() < 3.0

import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages.face import geometry
from portrait_prep.stages.face.geometry import Pose
from portrait_prep.stages.face.points import CENTRE, EXPRESSIVE, RIGID
from portrait_prep.stages.headpose import STAGE, HeadposeParams, mean_face
from portrait_prep.stages.models.mediapipe import FaceMesh, face_mesh_tracker
from tests.memory_job import MemoryJob, collect

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real clips of ../shared are not here")
OFF = HeadposeParams(mean_frames=0, gaussian_sigma=0)

Floats = NDArray[np.floating[Any]]


def nod(frames: int) -> Floats:
    """Yaw, pitch, roll [frames, 3] of a head that moves."""
    time = np.arange(frames)[:, None] / 25
    return np.asarray([25, 12, 8] * np.sin(2 * np.pi * time * [0.4, 0.7, 0.3]))


def posed(euler: Floats, noise: float = 0.0) -> NDArray[np.float32]:
    """Landmarks of the mean face in these poses."""
    rows = len(euler)
    pose = Pose(
        euler.astype(np.float32),
        np.tile(np.array([260, 240, 5], np.float32), (rows, 1)),
        np.full(rows, 1.3, np.float32),
    )
    faces = geometry.to_image(np.repeat(mean_face()[None], rows, axis=0), pose)
    return (faces + np.random.default_rng(0).normal(0, noise, faces.shape)).astype(np.float32)


class RecutJob(MemoryJob[HeadposeParams]):
    """Reads in batches of a given size."""

    size = 250

    def read(self, *columns: str) -> Iterator[Batch]:
        for batch in super().read(*columns):
            for start in range(0, len(batch["landmarks"]), self.size):
                yield {name: rows[start : start + self.size] for name, rows in batch.items()}


def run(landmarks: Floats, params: HeadposeParams | None = None, size: int = 250) -> tuple[Batch, dict[str, Any]]:
    columns = {"landmarks.landmarks": landmarks}
    job = RecutJob(params or HeadposeParams(), Path(), frames=len(landmarks), columns=columns)
    job.size = size
    made = collect(STAGE, job)
    everything = {**made, "landmarks": landmarks}
    for invariant in STAGE.invariants:
        assert invariant.holds(everything).all(), invariant.claim
    return made, job.metrics


def rotations_to_mean(canonical: Floats, points: NDArray[np.intp]) -> Floats:
    """Degrees by which each canonical mesh is turned against the clip's mean, on some points."""
    used = canonical[:, points].astype(np.float64)
    rotation, _ = geometry.fit_similarity(used, used.mean(axis=0), np.ones(len(points)))
    turn = (np.trace(rotation, axis1=1, axis2=2) - 1) / 2
    return np.asarray(np.rad2deg(np.arccos(np.clip(turn, -1, 1))))


def test_angles_scale_and_translation_are_found_per_frame() -> None:
    made, metrics = run(posed(nod(60)))
    np.testing.assert_allclose(made["euler"], nod(60), atol=1e-2)
    np.testing.assert_allclose(made["scale"], 1.3, rtol=1e-4)
    np.testing.assert_allclose(made["translation"], np.tile([260, 240, 5], (60, 1)), atol=1e-2)
    assert metrics["yaw_max"] == pytest.approx(25, abs=0.1)
    assert metrics["scale_min"] == pytest.approx(1.3, rel=1e-3)
    assert metrics["residual_max"] < 0.1


def test_canonical_is_the_face_without_its_pose() -> None:
    made, _ = run(posed(nod(60)))
    np.testing.assert_allclose(made["canonical"], np.repeat(mean_face()[None], 60, axis=0), atol=1e-2)


def test_smoothing_off_is_the_plain_transform() -> None:
    landmarks = posed(nod(40), noise=1.0)
    made, _ = run(landmarks, OFF)
    pose = Pose(made["euler"], made["translation"], made["scale"])
    np.testing.assert_array_equal(made["canonical"], geometry.to_canonical(landmarks, pose).astype(np.float32))


def test_smoothing_touches_the_canonical_points_only_and_the_expressive_ones_less() -> None:
    landmarks = posed(nod(100), noise=1.0)
    plain, _ = run(landmarks, OFF)
    smooth, _ = run(landmarks)
    for name in ("euler", "translation", "scale", "residual"):
        np.testing.assert_array_equal(plain[name], smooth[name])
    calm = np.setdiff1d(np.arange(478), EXPRESSIVE)
    noise = (smooth["canonical"][10:-10] - mean_face()).std(axis=0).mean(axis=1)
    raw = (plain["canonical"][10:-10] - mean_face()).std(axis=0).mean(axis=1)
    assert (noise[EXPRESSIVE] / raw[EXPRESSIVE]).mean() == pytest.approx(np.sqrt(1 / 3), rel=0.1)
    assert (noise[calm] / raw[calm]).mean() < 0.45


def test_smoothing_has_no_lag() -> None:
    landmarks = posed(nod(60))
    landmarks[30, 152] += 9
    away = run(landmarks)[0]["canonical"][:, 152] - run(posed(nod(60)))[0]["canonical"][:, 152]
    size = np.linalg.norm(away, axis=1)
    assert size.argmax() == 30
    np.testing.assert_allclose(size[30:45], size[30:15:-1], atol=1e-3)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(0, 59), max_size=25))
def test_batches_do_not_matter_and_nan_frames_stay_where_they_are(size: int, lost: list[int]) -> None:
    landmarks = posed(nod(60), noise=0.5)
    landmarks[lost] = np.nan
    whole, cut = run(landmarks)[0], run(landmarks, size=size)[0]
    missing = np.isin(np.arange(60), lost)
    for name, rows in whole.items():
        np.testing.assert_array_equal(rows, cut[name], err_msg=name)
        np.testing.assert_array_equal(np.isnan(rows.reshape(60, -1)).all(axis=1), missing, err_msg=name)
        np.testing.assert_array_equal(np.isnan(rows.reshape(60, -1)).any(axis=1), missing, err_msg=name)


@pytest.mark.parametrize(
    ("claim", "column", "change"),
    [
        ("NaN in exactly", "scale", np.nan),
        ("mean at the centre", "canonical", 1.0),
        ("degrees", "euler", 200.0),
        ("residual >= 0", "residual", -1.0),
        ("eye distance", "scale", 1.0),
        ("NaN in exactly", "translation", np.nan),
        ("NaN in exactly", "euler", np.inf),
        ("eye distance", "translation", 3e38),
        ("scale > 0", "scale", 0.0),
    ],
)
@pytest.mark.filterwarnings("error")
def test_invariants_see_damage(claim: str, column: str, change: float) -> None:
    landmarks = posed(nod(3))
    made, _ = run(landmarks)
    made[column][1] = change
    broken = [one for one in STAGE.invariants if not one.holds({**made, "landmarks": landmarks}).all()]
    assert any(claim in one.claim for one in broken)
    for one in broken:
        assert one.holds({**made, "landmarks": landmarks})[[0, 2]].all()


def test_a_long_video_needs_no_more_memory_than_a_short_one() -> None:
    part = posed(nod(250))

    class Endless(MemoryJob[HeadposeParams]):
        parts = 0

        def read(self, *columns: str) -> Iterator[Batch]:
            for _ in range(self.parts):
                yield {"landmarks": part}

    def peak(parts: int) -> int:
        job = Endless(HeadposeParams(), Path())
        job.parts = parts
        tracemalloc.start()
        rows = sum(len(batch["euler"]) for batch in STAGE.process(job))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows == 250 * parts
        return peak

    assert peak(60) < 1.1 * peak(4), "15,000 frames (10 minutes) against 1,000"


# --- real pictures --------------------------------------------------------------------------------------------------


def landmarks_of(clip: str) -> NDArray[np.float32]:
    mesh = face_mesh_tracker()
    mesh.reset()
    return np.concatenate([mesh(image) for image in read_frames(SHARED / "clips" / f"{clip}.mp4")])


@needs_shared
def test_the_published_reference_face_comes_out_as_published() -> None:
    import cv2  # noqa: PLC0415

    picture = np.asarray(cv2.imread(str(SHARED / "moda" / "cathy_reference.png")), np.uint8)
    landmarks = FaceMesh(tracking=False)(np.ascontiguousarray(picture[..., ::-1]))
    canonical = run(landmarks)[0]["canonical"].astype(np.float64)
    with np.load(SHARED / "moda" / "cathy_repr.npz", allow_pickle=False) as file:
        published = file["templete"].astype(np.float64)
    rotation, _ = geometry.fit_similarity(canonical, published, np.ones(478))
    turned = (canonical[0] - canonical[0].mean(axis=0)) @ rotation[0].T
    rms = np.sqrt(((turned - published + published.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert rms < 2.6, "px, after rotation and shift, not scale"


@needs_shared
@pytest.mark.parametrize("clip", ["WDA_KatieHill_000", "portrait_d11"])
def test_the_head_is_still_in_canonical_space(clip: str) -> None:
    landmarks = landmarks_of(clip)
    made, _ = run(landmarks)
    unused = np.setdiff1d(np.arange(468), np.concatenate([RIGID, EXPRESSIVE]))
    left = rotations_to_mean(made["canonical"], unused)
    raw = rotations_to_mean(geometry.flip(landmarks), unused)
    assert np.sqrt((left**2).mean()) < 0.2 * np.sqrt((raw**2).mean())


@needs_shared
@pytest.mark.parametrize("clip", ["WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000", "portrait_d11"])
def test_angles_follow_the_official_matrix(clip: str) -> None:
    from mediapipe import Image, ImageFormat  # noqa: PLC0415
    from mediapipe.tasks.python import BaseOptions, vision  # noqa: PLC0415

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(SHARED / "models" / "face_landmarker.task")),
        output_facial_transformation_matrixes=True,
    )
    every, images = 3, list(read_frames(SHARED / "clips" / f"{clip}.mp4"))
    with vision.FaceLandmarker.create_from_options(options) as official:
        found = [official.detect(Image(ImageFormat.SRGB, image)) for image in images[::every]]
    matrices = np.array([one.facial_transformation_matrixes[0] for one in found])[:, :3, :3]
    upright = np.diag([1.0, -1.0, 1.0])  # its y points up; it takes canonical to camera, ours the other way
    theirs = geometry.euler_from_rotation(np.swapaxes(upright @ matrices @ upright, -1, -2))
    ours = run(landmarks_of(clip))[0]["euler"][::every]
    for column, bound in ((0, 0.95), (2, 0.95), (1, 0.8)):
        assert theirs[:, column].std() > 1.5
        assert np.corrcoef(ours[:, column], theirs[:, column])[0, 1] > bound
    assert np.abs(np.median(ours - theirs, axis=0))[[0, 2]].max() < 3, "degrees"


def test_the_mean_face_is_centred_on_points_the_smoothing_keeps_together() -> None:
    made, _ = run(posed(nod(30), noise=2.0))
    centre = made["canonical"][:, CENTRE].mean(axis=1, dtype=np.float64)
    np.testing.assert_allclose(centre, np.tile([256, 232, 128], (30, 1)), atol=1e-3)

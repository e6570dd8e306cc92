"""The networks beside each other on real clips: points in the same places, scores that say what the points say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.manifests.video import Video
from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.stages import landmarks, normalize
from portrait_prep.stages.face.points import LEFT_EYE, RIGHT_EYE
from portrait_prep.stages.landmarks import LandmarksParams
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.blendshapes import INDEX, NAMES, mirrored
from portrait_prep.stages.normalize import NormalizeParams
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.test_landmarks import write_video

DATA = Path(__file__).parents[3].parent / "shared" / "data"
CLIPS, MODELS = DATA / "clips", DATA / "models"
QUICK = ("portrait_d0", "portrait_d18")
NAMES_OF_CLIPS = sorted(path.stem for path in CLIPS.glob("*.mp4")) or list(QUICK)
MIRRORED = np.array([INDEX[mirrored(name)] for name in NAMES])
LEFT = np.flatnonzero([name.endswith("Left") and name.removesuffix("Left") + "Right" in INDEX for name in NAMES])
RIGHT = MIRRORED[LEFT]

pytestmark = pytest.mark.skipif(
    not (CLIPS.is_dir() and (MODELS / "face_landmarker.task").is_file()),
    reason="the real clips and face_landmarker.task of ../shared are not here",
)


@dataclass(frozen=True)
class Compared:
    """One normalized clip as either network saw it, and as the landmarker saw its mirror image."""

    facemesh: Batch
    landmarker: Batch
    mirror: Batch

    @property
    def eye_distance(self) -> NDArray[np.float64]:
        """[frames], px."""
        points = self.facemesh["landmarks"].astype(np.float64)
        return np.asarray(np.linalg.norm((points[:, LEFT_EYE] - points[:, RIGHT_EYE]).mean(axis=1)[:, :2], axis=1))


def normalized(name: str, folder: Path) -> tuple[Path, int]:
    source = CLIPS / f"{name}.mp4"
    video = Video(video_id=name, corpus="folder", subject="s", source=str(source))
    columns = {"download.sha256": np.array(["abc"], object)}
    job = MemoryJob(NormalizeParams(), folder, source=source, video=video, columns=columns)
    collect(normalize.STAGE, job)
    return job.outputs["mp4"], job.frames


@pytest.fixture(
    scope="module",
    params=[name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES_OF_CLIPS],
)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Both backends of the stage on one clip."""
    folder = tmp_path_factory.mktemp("clip")
    path, frames = normalized(request.param, folder)
    mirror = write_video(folder / "mirror.mp4", (np.ascontiguousarray(image[:, ::-1]) for image in read_frames(path)))

    def see(backend: Any, file: Path) -> Batch:
        job = MemoryJob(LandmarksParams(backend=backend), folder, frames=frames, files={"mp4": file})
        columns = collect(landmarks.STAGE, job)
        assert claims_hold(landmarks.STAGE, columns)
        return columns

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(registry.FOLDERS_VARIABLE, str(MODELS))
        return Compared(see("facemesh", path), see("face_landmarker", path), see("face_landmarker", mirror))


def correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Over time, columns centred one by one; those that hardly move hardly count."""
    a, b = one - one.mean(axis=0), other - other.mean(axis=0)
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def test_points_lie_in_the_same_places(clip: Compared) -> None:
    assert clip.facemesh["detected"].all()
    assert clip.landmarker["detected"].all()
    apart = np.abs(clip.landmarker["landmarks"] - clip.facemesh["landmarks"]).mean(axis=1, dtype=np.float64)
    x, y, z = (apart / clip.eye_distance[:, None]).mean(axis=0)
    assert x < 0.025
    assert y < 0.025
    assert z < 0.04, "depth is a guess of either"


def test_points_come_in_the_same_frames(clip: Compared) -> None:
    searched = clip.landmarker["landmarks"][..., :2].astype(np.float64)
    apart = clip.facemesh["landmarks"][..., :2] - searched
    speed = np.gradient(searched, axis=0)
    centred = apart - apart.mean(axis=0)
    assert abs((centred * speed).sum() / (speed**2).sum()) < 0.15, "frames"


def test_a_mirrored_clip_swaps_left_and_right(clip: Compared) -> None:
    plain, mirror = clip.landmarker["blendshapes"], clip.mirror["blendshapes"]
    assert correlation(mirror[:, MIRRORED], plain) > 0.75
    # Faces move almost the same on both sides; what is left of that would have the other sign were they not swapped.
    assert correlation(mirror[:, LEFT] - mirror[:, RIGHT], plain[:, RIGHT] - plain[:, LEFT]) > 0.15
    assert np.abs(mirror[:, MIRRORED] - plain).mean() < 0.04


@pytest.mark.parametrize(
    ("score", "upper", "lower", "sign"),
    [("jawOpen", 13, 14, 1), ("eyeBlinkLeft", 386, 374, -1), ("eyeBlinkRight", 159, 145, -1)],
)
def test_scores_follow_the_opening_of_mouth_and_eyes(
    clip: Compared, score: str, upper: int, lower: int, sign: int
) -> None:
    points = clip.landmarker["landmarks"][..., :2]
    opening = np.linalg.norm(points[:, upper] - points[:, lower], axis=1) / clip.eye_distance
    assert sign * correlation(clip.landmarker["blendshapes"][:, INDEX[score]], opening) > 0.6

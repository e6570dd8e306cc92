from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediapipe.framework.formats.landmark_pb2 import NormalizedLandmarkList
from numpy.typing import NDArray
from skimage.data import astronaut

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.stage import BadVideo, Batch
from portrait_prep.stages.face.place import place_of
from portrait_prep.stages.headpose import mean_face
from portrait_prep.stages.landmarks import STAGE, LandmarksParams
from portrait_prep.stages.models import mediapipe
from portrait_prep.stages.models.graph import messages
from portrait_prep.stages.models.mediapipe import Face
from portrait_prep.stages.streaming.gaps import fill_gaps
from portrait_prep.stages.video.tracking import FaceFollower, is_confirmed
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.judging import verdict_on

CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"
PORTRAIT: Image = np.ascontiguousarray(astronaut()[:320, 60:380])
"""320x320; the face is 90 px wide and stands in the middle of its upper half."""


def write_video(path: Path, frames: Iterable[Image]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "10"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    return path


def scene(*placed: tuple[Image, int, int]) -> Image:
    picture = np.full((512, 512, 3), 96, np.uint8)
    for image, x, y in placed:
        height, width = image.shape[:2]
        picture[y : y + height, x : x + width] = image
    return picture


def run(folder: Path, frames: list[Image], **params: Any) -> tuple[Batch, dict[str, Any]]:
    path = write_video(folder / "v.mp4", frames)
    job = MemoryJob(LandmarksParams(**params), folder, frames=len(frames), files={"mp4": path})
    columns = collect(STAGE, job)
    assert claims_hold(STAGE, columns)
    return columns, job.metrics


# --- gaps ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 8))
def test_short_gaps_are_interpolated_and_long_ones_are_nan(found: list[bool], max_gap: int) -> None:
    values = np.random.default_rng(len(found)).normal(size=len(found)).astype(np.float32)
    runs: list[list[int]] = []
    rows = (np.array([value]) if there else None for value, there in zip(values, found, strict=True))
    filled = list(fill_gaps(rows, max_gap, runs))
    if not any(found):
        assert filled == []
        return
    seen = np.flatnonzero(found)
    expected = np.interp(np.arange(len(found)), seen, values[seen])
    for start, end in runs:
        assert not any(found[start:end])
        assert start == 0 or found[start - 1]
        assert end == len(found) or found[end]
        if end - start > max_gap:
            expected[start:end] = np.nan
    assert sum(end - start for start, end in runs) == len(found) - len(seen)
    np.testing.assert_allclose([row[0] for row, _ in filled], expected, atol=1e-5)
    assert [there for _, there in filled] == found


def test_filling_gaps_holds_back_no_more_than_the_gap() -> None:
    taken: list[int] = []

    def rows() -> Iterator[NDArray[np.float32] | None]:
        for k in range(1000):
            taken.append(k)
            yield None if k % 10 in (3, 4) else np.zeros(1, np.float32)

    ahead = [len(taken) - k for k, _ in enumerate(fill_gaps(rows(), 5, []))]
    assert max(ahead) <= 3


# --- the same face ------------------------------------------------------------------------------------------------


def face_at(x: float, y: float, size: float = 100.0) -> NDArray[np.float32]:
    face = mean_face() - mean_face().mean(axis=0)
    return np.asarray(face * size / place_of(face.astype(np.float32)).size + [x, y, 0], np.float32)


class FakeMesh:
    """Sees the first ones, at most so many, of the faces whose middle is not painted over."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.faces: list[NDArray[np.float32]] = []
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def find(self, image: Image) -> list[Face]:
        places = [(face, place_of(face)) for face in self.faces]
        seen = [face for face, place in places if image[round(place.y), round(place.x), 0] == 0]
        return [Face(face, mediapipe.NO_SCORES) for face in seen[: self.most]]


class Follower:
    """A FaceFollower on a black picture, with the faces told."""

    def __init__(self, most: int, patience: int = 3) -> None:
        self.mesh = FakeMesh(most)
        self.follower = FaceFollower(self.mesh, self._boxes, patience)  # type: ignore[arg-type]

    def _boxes(self, _image: Image) -> NDArray[np.float32]:
        places = [place_of(face) for face in self.mesh.faces]
        boxes = [(p.x - p.size / 2, p.y - p.size / 2, p.size, p.size, 0.9) for p in places]
        return np.array(boxes, np.float32).reshape(-1, 5)

    def __call__(self, *faces: NDArray[np.float32]) -> float | None:
        """x of the face followed."""
        self.mesh.faces = list(faces)
        found = self.follower(np.zeros((512, 512, 3), np.uint8))
        return None if found is None else round(place_of(found.landmarks).x)


@pytest.fixture(params=[1, 4], ids=["one at a time", "all at once"])
def most(request: pytest.FixtureRequest) -> int:
    """How many faces the network gives."""
    return int(request.param)


def test_starts_with_the_main_face_not_the_first_one(most: int) -> None:
    follow = Follower(most=most)
    assert follow(face_at(60, 100, 60), face_at(260, 240, 120)) == 260


def test_a_neighbour_is_not_taken_when_the_right_face_is_there(most: int) -> None:
    follow = Follower(most=most)
    assert follow(face_at(150, 200)) == 150
    assert follow(face_at(380, 200), face_at(155, 200)) == 155
    assert (follow.follower.jumps, follow.follower.strays) == (0, 0)


def test_a_neighbour_is_not_taken_while_the_right_face_is_away_for_a_while(most: int) -> None:
    follow = Follower(patience=3, most=most)
    assert follow(face_at(150, 200)) == 150
    assert [follow(face_at(380, 200)) for _ in range(3)] == [None] * 3
    assert follow(face_at(380, 200), face_at(150, 200)) == 150
    assert (follow.follower.jumps, follow.follower.strays) == (0, 3)


def test_after_patience_the_other_face_is_taken_and_counted(most: int) -> None:
    follow = Follower(patience=3, most=most)
    assert follow(face_at(150, 200)) == 150
    assert [follow(face_at(380, 200)) for _ in range(5)] == [None, None, None, 380, 380]
    assert follow.follower.jumps == 1


def test_one_who_moves_fast_but_alone_is_followed(most: int) -> None:
    follow = Follower(most=most)
    assert [follow(face_at(x, 200)) for x in (100, 170, 240, 310)] == [100, 170, 240, 310]
    assert follow.follower.jumps == 0


def test_a_face_of_another_size_in_the_same_place_is_a_stray(most: int) -> None:
    follow = Follower(most=most)
    assert follow(face_at(250, 200, 100)) == 250
    assert follow(face_at(250, 200, 200)) is None


def test_frames_without_any_face_cost_no_patience(most: int) -> None:
    follow = Follower(patience=1, most=most)
    assert follow(face_at(150, 200)) == 150
    assert [follow() for _ in range(10)] == [None] * 10
    assert follow(face_at(380, 200)) is None
    assert follow(face_at(160, 200)) == 160


# --- the stage on pictures ----------------------------------------------------------------------------------------


def test_every_frame_has_a_row_and_gaps_are_told(tmp_path: Path) -> None:
    face, nobody = scene((PORTRAIT, 96, 60)), scene()
    hidden = {10, 11, 12, *range(30, 38)}
    columns, metrics = run(tmp_path, [nobody if k in hidden else face for k in range(50)])
    assert columns["landmarks"].shape == (50, 478, 3)
    np.testing.assert_array_equal(np.flatnonzero(~columns["detected"]), sorted(hidden))
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(columns["landmarks"][:, 0, 0])), np.arange(30, 38))
    assert metrics["gaps"] == [[30, 38]]
    assert (metrics["longest_gap"], metrics["identity_jumps"], metrics["faces"]) == (8, 0, 1)
    assert metrics["face_share"] == pytest.approx(39 / 50)
    assert metrics["jitter"] < 1.0
    assert metrics["cuts"] == 0
    assert metrics["landmark_jump"] < 0.1
    assert metrics["scale_jump"] < 1.1


def test_landmarks_lie_on_the_face(tmp_path: Path) -> None:
    columns, _ = run(tmp_path, [scene((PORTRAIT, 96, 60))] * 3)
    place = place_of(columns["landmarks"][0])
    assert np.hypot(place.x - (96 + 165), place.y - (60 + 112)) < 15
    assert columns["landmarks"][0, 1, 2] < columns["landmarks"][0, 234, 2], "the nose is nearer: z is more negative"


def test_the_second_of_two_people_is_left_alone(tmp_path: Path) -> None:
    left, right = PORTRAIT[:300, 40:290], PORTRAIT[:300, 40:290][:, ::-1]
    both, one = scene((left, 6, 130), (right, 262, 0)), scene((right, 262, 0))
    columns, metrics = run(tmp_path, [both] * 10 + [one] * 8 + [both] * 10)
    x = columns["landmarks"][:, :, 0].mean(axis=1)
    start = x[0]
    assert start < 256, "the left one is the more central"
    seen = x[np.isfinite(x)]
    assert np.abs(seen - start).max() < 10
    assert metrics["identity_jumps"] == 0
    assert metrics["faces"] == 2
    assert metrics["several_faces_share"] == 1


def test_tracking_does_not_lag(tmp_path: Path) -> None:
    shift = np.round(30 * np.sin(np.arange(60) / 5)).astype(int)
    columns, _ = run(tmp_path, [scene((PORTRAIT, 96 + dx, 60)) for dx in shift])
    x = columns["landmarks"][:, :, 0].mean(axis=1, dtype=np.float64)
    truth = shift + (x - shift).mean()
    speed = np.gradient(truth)
    lag = -((x - truth) * speed).sum() / (speed**2).sum()
    assert abs(lag) < 0.1, "frames"


def test_the_same_video_gives_the_same_bytes_whatever_came_before(tmp_path: Path) -> None:
    mine = [scene((PORTRAIT, 90 + k, 60)) for k in range(8)]
    first, _ = run(tmp_path, mine)
    run(tmp_path, [scene((PORTRAIT, 20, 180))] * 5)
    again, _ = run(tmp_path, mine)
    np.testing.assert_array_equal(first["landmarks"], again["landmarks"])


def verdict(metrics: dict[str, Any]) -> Verdict:
    basis = Basis(version=1)
    record = Record(video_id="v", stage="landmarks", outcome="done", fingerprint="", basis=basis, metrics=metrics)
    return verdict_on({"landmarks": record})


@pytest.mark.parametrize("frames", [1, 12, 60])
def test_an_upright_face_is_confirmed_by_the_detector(tmp_path: Path, frames: int) -> None:
    _, metrics = run(tmp_path, [scene((PORTRAIT, 96 + k % 5, 60)) for k in range(frames)])
    assert metrics["face_confirmed_share"] == 1
    assert verdict(metrics).accepted


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_that_is_not_upright_is_rejected_for_that(tmp_path: Path, turns: int) -> None:
    turned = np.rot90(cv2.resize(PORTRAIT, (400, 400)), turns).astype(np.uint8)
    columns, metrics = run(tmp_path, [scene((turned, 56 + k % 5, 56)) for k in range(12)])
    assert columns["detected"].all(), "the mesh holds it all the same"
    (reason,) = verdict(metrics).reasons
    assert reason.startswith("the face detector confirms the tracked face at 0% of the looks, less than 50%")


def test_a_face_that_comes_late_is_looked_at_as_soon_as_it_is_there(tmp_path: Path) -> None:
    _, metrics = run(tmp_path, [scene()] * 3 + [scene((PORTRAIT, 96, 60))] * 2)
    assert (metrics["faces"], metrics["face_confirmed_share"]) == (1, 1.0)


def test_a_detected_face_elsewhere_or_of_another_size_confirms_nothing() -> None:
    place = place_of(face_at(200, 200))
    here = (place.x - 50, place.y - 50, 100, 100, 0.9)
    away = (place.x + 20, place.y - 50, 100, 100, 0.9)
    small = (place.x - 25, place.y - 25, 50, 50, 0.9)
    for boxes, expected in [
        ([here], True),
        ([away, small, here], True),
        ([away], False),
        ([small], False),
        ([], False),
    ]:
        assert is_confirmed(place, np.array(boxes, np.float32).reshape(-1, 5)) is expected


def test_no_face_is_a_bad_video(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="no face was found in any of its 6 frames"):
        run(tmp_path, [scene()] * 6)


def test_a_video_with_other_frames_than_were_written_is_damaged(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", [scene((PORTRAIT, 96, 60))] * 6)
    with pytest.raises(Damaged, match=r"v\.mp4 does not hold 7 frames"):
        collect(STAGE, MemoryJob(LandmarksParams(), tmp_path, frames=7, files={"mp4": path}))


def test_invariants_see_a_half_missing_face_and_a_lost_one() -> None:
    landmarks = np.zeros((3, 478, 3), np.float32)
    landmarks[1, 5] = np.nan
    landmarks[2] = np.nan
    batch = {"landmarks": landmarks, "detected": np.array([True, False, True])}
    assert [invariant.holds(batch).tolist() for invariant in STAGE.invariants[:2]] == [
        [True, False, True],
        [True, True, False],
    ]


def test_reading_all_points_at_once_equals_asking_for_each() -> None:
    (wire,) = messages(mediapipe.FaceMesh(tracking=False)._network(scene((PORTRAIT, 96, 60))))
    face = NormalizedLandmarkList.FromString(wire)
    slow = np.array([(point.x, point.y, point.z) for point in face.landmark], np.float32)
    np.testing.assert_array_equal(mediapipe._points(wire), slow)
    face.landmark[7].visibility = 0.5
    np.testing.assert_array_equal(mediapipe._points(face.SerializeToString()), slow)


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the real clips of ../shared are not here")
def test_tracking_does_not_lag_on_a_real_clip() -> None:
    images = list(read_frames(CLIPS / "portrait_d11.mp4"))[:100]
    tracked, searched = mediapipe.face_mesh_tracker(), mediapipe.FaceMesh(tracking=False)
    tracked.reset()
    mine = np.array([tracked(image)[0] for image in images], np.float64)
    afresh = np.array([searched(image)[0] for image in images], np.float64)
    speed = np.gradient(afresh, axis=0)
    assert abs(((mine - afresh) * speed).sum() / (speed**2).sum()) < 0.1, "frames"

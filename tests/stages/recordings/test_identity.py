"""The stage `identity` of recordings: which faces it looks at, what it makes of them, and who is one person then."""

import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.video import Video
from portrait_prep.media.picture import Image
from portrait_prep.media.probe import probe
from portrait_prep.media.source_frames import all_frames_between
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Params
from portrait_prep.stages.identity import BACKENDS, Backend, IdentityParams
from portrait_prep.stages.models import registry, sface
from portrait_prep.stages.models.mediapipe import FaceMesh
from portrait_prep.stages.recordings import faces, identity, scan
from portrait_prep.stages.recordings.identity import EVERY, LEAST, STAGE, looks
from portrait_prep.stages.recordings.joining import with_faces
from portrait_prep.stages.recordings.segments import Found, SegmentParams
from portrait_prep.stages.recordings.shot_frames import ShotFrames
from portrait_prep.stages.sound.lip_sync import BANDS
from tests.clips import make
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.models.random_sface import publish
from tests.stages.recordings.footage import Shot, frames_of, of_animator, write

SIZE, FRAMES = (480, 270), (41, 38, 40)
SFACE = IdentityParams(backend="sface")


def people(size: tuple[int, int] = SIZE) -> list[Shot]:
    """Three shots with one person each, the first and the third with the same; they differ in colour."""
    subjects = zip(("astronaut", "double", "astronaut"), FRAMES, strict=True)
    return [Shot(of_animator(name, size, seed), count) for seed, (name, count) in enumerate(subjects)]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "made.mp4", islice(frames_of(people()), sum(FRAMES)), SIZE)


@pytest.fixture(scope="module")
def scanned(recording: Path) -> Batch:
    return collect(scan.STAGE, MemoryJob(Params(), recording.parent, source=recording, video=video(recording)))


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recogniser of random weights."""
    (tmp_path / "models").mkdir()
    return publish(tmp_path / "models", monkeypatch)


def video(path: Path) -> Video:
    return Video(video_id="v", corpus="folder", subject="s", source=str(path))


def job_of(path: Path, columns: Batch, params: IdentityParams = SFACE) -> MemoryJob[IdentityParams]:
    named = {f"scan.{name}": values for name, values in columns.items()}
    return MemoryJob(params, path.parent, source=path, video=video(path), frames=len(columns["time"]), columns=named)


def followed(*tracks: tuple[int, int, int], count: int = 1000, period: int = 2) -> Batch:
    """Faces (number, first frame, last frame) at 25 frames a second whose mouths are seen in every second frame."""
    track = np.full((count, 4), -1, np.int32)
    mouth = np.full((count, 4, 3), np.nan, np.float32)
    for slot, (number, first, last) in enumerate(tracks):
        track[first : last + 1, slot % 4] = number
        mouth[first : last + 1 : period, slot % 4] = 1
    return {"time": np.arange(count) / 25, "track": track, "mouth": mouth}


def test_faces_are_looked_at_spread_over_the_time_for_which_they_are_followed() -> None:
    chosen = looks(followed((0, 0, 999), (1, 300, 430)), most=4)
    of_first = [frame for frame, slots in chosen.items() if 0 in slots]
    np.testing.assert_allclose(of_first, [124.9, 374.6, 624.4, 874.1], atol=2)
    np.testing.assert_allclose([frame for frame, slots in chosen.items() if 1 in slots], [332.5, 397.5], atol=2)


def test_what_flickers_or_shows_no_mouth_is_not_looked_at() -> None:
    made = followed((0, 0, round(25 * LEAST) - 1), (1, 100, 300))
    made["mouth"][:, 1] = np.nan
    assert looks(made, most=16) == {}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 900), st.integers(1, 600)), max_size=4),
    st.integers(1, 6),
    st.integers(1, 30),
)
def test_each_face_is_looked_at_a_few_times_where_it_was_seen(
    made: list[tuple[int, int, int]], most: int, period: int
) -> None:
    tracks = [(number, first, min(first + length, 999)) for number, (_, first, length) in enumerate(made)]
    found = followed(*tracks, period=period)
    chosen = looks(found, most)
    assert list(chosen) == sorted(chosen)
    for number, first, last in tracks:
        own = [frame for frame, slots in chosen.items() if number in slots]
        assert len(own) <= min(most, (last - first) / 25 // EVERY + 1)
        assert bool(own) == (last - first >= 25 * LEAST)
        assert all(np.isfinite(found["mouth"][frame, number]).all() for frame in own)


def test_embeddings_are_those_of_opencv(recording: Path, scanned: Batch, network: Path) -> None:
    found = collect(STAGE, job_of(recording, scanned))
    assert claims_hold(STAGE, {**scanned, **found})
    assert found["embedding"].dtype == np.float16
    places = np.argwhere(np.isfinite(found["embedding"]).all(axis=2)).tolist()
    assert [slot for _, slot in places] == [0, 0, 0]
    assert [int(np.searchsorted(np.cumsum(FRAMES), frame, "right")) for frame, _ in places] == [0, 1, 2]
    reference, mesh = cv2.FaceRecognizerSF.create(str(network), ""), FaceMesh(tracking=False)
    pictures = list(all_frames_between(recording, probe(recording), 0, 99))
    for frame, slot in places:
        image = pictures[frame][1].image()
        points = mesh(image)[0].astype(np.float64)
        eyes = [(points[33] + points[133]) / 2, (points[362] + points[263]) / 2]
        detected = np.zeros((1, 15), np.float32)
        detected[0, 4:14] = np.array([*eyes, points[1], points[61], points[291]])[:, :2].ravel() - 0.5
        other = reference.feature(reference.alignCrop(np.ascontiguousarray(image[..., ::-1]), detected))[0]
        # The mesh saw the face in another window: points are some tenths of a px off.
        assert found["embedding"][frame, slot] @ other / np.linalg.norm(other) > 0.99


def test_the_same_recording_gives_the_same_whatever_was_looked_at_before(
    recording: Path, scanned: Batch, network: Path
) -> None:
    first = collect(STAGE, job_of(recording, scanned))["embedding"]
    faces._network(0)(np.asarray(cv2.resize(np.eye(9, dtype=np.uint8)[..., None].repeat(3, 2), (200, 200)), np.uint8))
    np.testing.assert_array_equal(collect(STAGE, job_of(recording, scanned))["embedding"], first)


@pytest.mark.usefixtures("network")
def test_faces_are_found_in_a_picture_that_is_turned_and_in_a_later_part(
    recording: Path, scanned: Batch, tmp_path: Path
) -> None:
    """The file's picture lies on its side, and is to be turned back."""
    upright = collect(STAGE, job_of(recording, scanned))["embedding"].astype(np.float64)
    pictures = (frame.image() for _, frame in all_frames_between(recording, probe(recording), 0, 99))
    lying = (np.ascontiguousarray(np.rot90(picture, -1)) for picture in pictures)
    path = write(tmp_path / "lying.mp4", lying, SIZE[::-1])
    make("-display_rotation:v", "90", "-i", path, "-c", "copy", tmp_path / "turned.mp4")
    source = tmp_path / "turned.mp4"
    part = video(source).model_copy(update={"start": FRAMES[0] / 25, "end": 99.0})
    rows = collect(scan.STAGE, MemoryJob(Params(), tmp_path, source=source, video=part))
    assert len(rows["time"]) == sum(FRAMES[1:])
    job = job_of(source, rows)
    job.video = part
    turned = collect(STAGE, job)["embedding"].astype(np.float64)
    one, other = (found[np.isfinite(found).all(axis=2)] for found in (upright, turned))
    assert len(other) == 2
    assert np.einsum("nk,nk->n", one[1:], other).min() > 0.99


@pytest.mark.usefixtures("network")
def test_without_faces_nothing_is_decoded(recording: Path, scanned: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "frames_shown_at", None)
    nobody = {**scanned, "track": np.full_like(scanned["track"], -1), "mouth": np.full_like(scanned["mouth"], np.nan)}
    assert np.isnan(collect(STAGE, job_of(recording, nobody))["embedding"]).all()


@pytest.mark.usefixtures("network")
def test_a_file_that_is_no_video_now_fails(scanned: Batch, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(BadVideo, match=r"a\.mp4"):
        collect(STAGE, job_of(tmp_path / "a.mp4", scanned))


def test_off_it_asks_for_no_file_and_on_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    assert not STAGE.is_on(IdentityParams())
    assert STAGE.is_on(SFACE)
    assert STAGE.models
    with pytest.raises(MissingPrerequisite, match="models fetch sface"):
        STAGE.models(SFACE)


@pytest.mark.usefixtures("network")
def test_a_claim_is_broken_by_damage(recording: Path, scanned: Batch) -> None:
    found = {**scanned, **collect(STAGE, job_of(recording, scanned))}
    for damage in (found["embedding"] * np.float16(1.1), np.full_like(found["embedding"], 128**-0.5)):
        assert not claims_hold(STAGE, {**found, "embedding": damage})


BETWEEN = 165
"""Level of a colour, between that of the faces of both."""


class Colours:
    """Tells persons apart by the colour of their faces."""

    def __call__(self, crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        means = crops[:, 30:90, 30:80].reshape(len(crops), -1, 3).mean(axis=1)
        told = np.zeros((len(crops), sface.NUMBERS))
        told[:, :3] = means - BETWEEN
        return sface.unit(told)


def people_in(columns: Batch) -> list[int]:
    """The persons of the tracks of a silent recording."""
    count = len(columns["time"])
    silence = {"voice": np.zeros(count), "bands": np.ones((count, BANDS)), "part": np.zeros(count, int)}
    return list(Found.of(ShotFrames.of(columns).cut([{**columns, **silence}]), SegmentParams()).people)


def test_persons_are_joined_by_what_the_recogniser_tells(
    recording: Path, scanned: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "sface", Backend((), Colours))  # type: ignore[arg-type]
    found = collect(STAGE, job_of(recording, scanned))
    assert people_in(with_faces({**scanned, **found})) == [0, 1, 0]
    assert people_in(with_faces(scanned)) == people_in(scanned) == [0, 1, 2], "too short to know their proportions"


def test_where_most_was_not_looked_at_an_hour_without_a_cut_takes_little_memory(scanned: Batch) -> None:
    embedding = np.full((len(scanned["time"]), 4, sface.NUMBERS), np.nan, np.float16)
    embedding[3, 1] = np.arange(sface.NUMBERS)
    faces = with_faces({**scanned, "embedding": embedding})["face"]
    assert [place for place, face in np.ndenumerate(faces) if face is not None] == [(3, 1)]
    np.testing.assert_array_equal(faces[3, 1], np.arange(sface.NUMBERS))
    assert faces[3, 1].base is None
    assert faces.nbytes + faces[3, 1].nbytes < embedding.nbytes / 20


class LongJob(MemoryJob[IdentityParams]):
    """Two faces that are followed for `frames` frames."""

    def read(self, *columns: str) -> Iterator[Batch]:
        made = followed((0, 0, 249), (1, 0, 249), count=250)
        made["box"] = np.full((250, 4, 4), 10, np.float32)
        names = [column.partition(".")[2] for column in columns]
        for first in range(0, self.frames, 250):
            yield {name: made[name] + (first / 25 if name == "time" else 0) for name in names}


def test_a_long_part_takes_little_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of what tells where faces are, 0.13 kB a frame and copies of it; not that of embeddings or pictures."""
    asked = list[float]()

    class Shown:
        def image(self, _: float) -> Image:
            return np.zeros((48, 64, 3), np.uint8)

    def shown(_path: Path, _facts: Any, moments: dict[float, int]) -> Iterator[tuple[float, Shown]]:
        asked.extend(moments)
        yield from ((moment, Shown()) for moment in moments)

    class Facts:
        display = upright = (64, 48)

    (tmp_path / "a.mp4").touch()
    monkeypatch.setattr(identity, "format_of", lambda *_: Facts())
    monkeypatch.setattr(identity, "frames_shown_at", shown)
    monkeypatch.setattr(identity, "landmarks_in", lambda *_: np.random.default_rng(0).random((478, 3)) * 40)
    monkeypatch.setattr(identity, "aligned", lambda *_: np.full((112, 112, 3), (200, 90, 30), np.uint8))
    monkeypatch.setitem(BACKENDS, "sface", Backend((), Colours))  # type: ignore[arg-type]

    def peak(frames: int) -> int:
        path = tmp_path / "a.mp4"
        job = LongJob(SFACE, tmp_path, frames=frames, source=path, video=video(path))
        tracemalloc.start()
        try:
            assert sum(int(np.isfinite(batch["embedding"]).all(axis=2).sum()) for batch in identity.process(job)) == 32
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(7500)
    assert peak(75_000) - peak(7500) < 67_500 * 400
    assert len(asked) <= 3 * 32

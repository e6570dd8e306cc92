"""The stage `scan` on made footage: who is seen, from which frame to which."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.demo.animator import SUBJECTS
from portrait_prep.demo.motion import perform
from portrait_prep.demo.voice import Voice
from portrait_prep.manifests.video import Video
from portrait_prep.media.picture import Image
from portrait_prep.media.source_frames import SourceFrame
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Params
from portrait_prep.stages.recordings import faces, scan
from portrait_prep.stages.recordings.proportions import SPREAD
from portrait_prep.stages.recordings.scan import STAGE, told
from portrait_prep.stages.video.alive import ALIKE
from tests.clips import make, portrait, steady, write_clip
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.stages.recordings import footage
from tests.stages.recordings.footage import Pictures, Shot, disturbed, frames_of, of_animator, of_still, write

SIZE = (480, 270)
WALL = np.random.default_rng(0).integers(60, 120, (*SIZE[::-1], 3), np.uint8)
Array = NDArray[Any]


def person(subject: str = "astronaut", seed: int = 0) -> Pictures:
    """Somebody who talks, in the middle of the picture."""
    return of_animator(subject, SIZE, seed)


def couple() -> Pictures:
    """Two people, each in a half of the picture."""
    halves = (of_animator(subject, (SIZE[0] // 2, SIZE[1]), seed) for seed, subject in enumerate(SUBJECTS))
    return (np.hstack(pair) for pair in zip(*halves, strict=True))


def aside(pictures: Pictures, shift: Callable[[int], int]) -> Pictures:
    """Moved to the right by so many px, before a wall."""
    for number, picture in enumerate(pictures):
        seen, away = WALL.copy(), shift(number)
        if away < SIZE[0]:
            seen[:, away:] = picture[:, : SIZE[0] - away]
        yield seen


def scanned(path: Path, start: float | None = None, end: float | None = None) -> Batch:
    video = Video(video_id="v", corpus="folder", subject="s", source=str(path), start=start, end=end)
    job = MemoryJob(Params(), path.parent, source=path, video=video)
    found = collect(STAGE, job)
    assert claims_hold(STAGE, found)
    assert job.frames == len(found["time"])
    return found


def made(folder: Path, pictures: Pictures, frames: int) -> Batch:
    return scanned(write(folder / "made.mp4", islice(pictures, frames), SIZE))


def numbers(found: Batch) -> list[set[int]]:
    """Those of the faces in each frame."""
    return [set(row[row >= 0].tolist()) for row in found["track"]]


def of_face(found: Batch, number: int, name: str) -> Array:
    """A column of one face."""
    return np.asarray(found[name][found["track"] == number])


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("one") / "one.mp4", islice(person(), 150), SIZE)


@pytest.fixture(scope="module")
def found(one: Path) -> Batch:
    return scanned(one)


def test_one_face_has_one_number_and_its_mouth_is_looked_at_often_enough(found: Batch) -> None:
    assert numbers(found) == [{0}] * 150
    np.testing.assert_allclose(found["time"], np.arange(150) / 25, atol=1e-6)
    assert not (found["cut"] >= 0.5).any()
    assert not (found["blend"] >= 0.5).any()
    looks = found["time"][np.isfinite(of_face(found, 0, "mouth")).all(axis=1)]
    assert np.diff(looks).max() < 1 / 11.9 + 1e-6


def test_the_mouth_is_as_far_open_as_the_one_in_the_picture(found: Batch) -> None:
    opening = of_face(found, 0, "mouth")[:, 0]
    seen = np.isfinite(opening)
    true = np.array([pose.mouth for pose in perform(found["time"], Voice(20, 200.0, 0), 0)])
    assert np.corrcoef(opening[seen], true[seen])[0, 1] > 0.9


def test_the_same_video_gives_the_same_a_second_time(one: Path, found: Batch) -> None:
    again = scanned(one)
    for name, column in found.items():
        np.testing.assert_array_equal(again[name], column)


def test_two_side_by_side_have_numbers_and_boxes_of_their_own(tmp_path: Path) -> None:
    found = made(tmp_path, couple(), 75)
    assert numbers(found) == [{0, 1}] * 75
    x, _, width, _ = np.moveaxis(found["box"][:, :2], 2, 0)
    left = (x + width / 2 < SIZE[0] / 2).sum(axis=1)
    assert (left == 1).all()
    for number in (0, 1):
        assert np.isfinite(of_face(found, number, "mouth")[:, 0]).mean() > 0.45
        assert np.ptp(of_face(found, number, "box")[:, 0]) < SIZE[0] / 8


def test_a_face_that_leaves_and_comes_back_has_another_number(tmp_path: Path) -> None:
    away = np.interp(np.arange(120), [30, 50, 80, 100], [0, SIZE[0], SIZE[0], 0]).astype(int)
    found = made(tmp_path, aside(person(), lambda number: int(away[number])), 120)
    seen = numbers(found)
    assert seen[:35] == [{0}] * 35
    assert seen[52:78] == [set()] * 26
    assert len(set.union(*seen[105:])) == 1
    assert all(seen[105:])
    assert 0 not in set.union(*seen[78:])


def test_numbers_change_with_a_cut_on_the_very_frame(tmp_path: Path) -> None:
    shots = [Shot(person(), 41), Shot(person("double", 1), 38)]
    found = made(tmp_path, frames_of(shots), 79)
    assert np.flatnonzero(found["cut"] >= 0.5).tolist() == [41]
    assert numbers(found) == [{0}] * 41 + [{1}] * 38
    assert np.isfinite(found["mouth"][41, 0]).all()


def test_where_nobody_is_there_is_no_face(tmp_path: Path) -> None:
    found = made(tmp_path, footage.of_source("testsrc2", SIZE), 50)
    assert numbers(found) == [set()] * 50
    assert np.isnan(found["box"]).all()


@pytest.mark.parametrize(("how", "turn"), [("90", 1), ("180", 2), ("270", 3)])
def test_boxes_are_in_the_picture_as_it_is_displayed(tmp_path: Path, how: str, turn: int) -> None:
    """A file whose picture lies on its side, and is to be turned back."""
    upright = list(islice(person(), 30))
    lying = [np.rot90(picture, -turn) for picture in upright]
    size = lying[0].shape[1], lying[0].shape[0]
    path = write(tmp_path / "lying.mp4", iter(map(np.ascontiguousarray, lying)), size)
    make("-display_rotation:v", how, "-i", path, "-c", "copy", tmp_path / "turned.mp4")
    found, true = scanned(tmp_path / "turned.mp4"), made(tmp_path, iter(upright), 30)
    assert numbers(found) == [{0}] * 30
    np.testing.assert_allclose(of_face(found, 0, "box"), of_face(true, 0, "box"), atol=2)


@pytest.mark.parametrize("border", [2.0, 3.3, 4.013])
def test_a_part_that_begins_in_the_middle_has_the_rows_of_the_whole(one: Path, found: Batch, border: float) -> None:
    """But for numbers, and what networks make of another window: boxes are some px off, mouths a tenth."""
    first, last = scanned(one, 0, border), scanned(one, border, None)
    for name in ("time", "cut", "blend"):
        np.testing.assert_array_equal(np.concatenate([first[name], last[name]]), found[name])
    begin = len(first["time"])
    assert begin == np.count_nonzero(found["time"] < border)
    for name, column in first.items():
        np.testing.assert_array_equal(column, found[name][:begin])
    assert [len(row) for row in numbers(last)] == [1] * (150 - begin)
    np.testing.assert_allclose(last["box"][:, 0], found["box"][begin:, 0], atol=5)
    for name in ("mouth", "shape"):
        away = last[name][:, 0] - found[name][begin:, 0]
        np.testing.assert_array_equal(np.isnan(last[name]), np.isnan(found[name][begin:]))
        assert np.sqrt(np.nanmean(away**2)) < 1
    np.testing.assert_allclose(last["likeness"], found["likeness"][begin:], atol=0.01)


@pytest.mark.parametrize("rate", [24000 / 1001, 25, 30, 50, 60])
def test_mouths_are_looked_at_some_12_to_16_times_a_second(tmp_path: Path, rate: float) -> None:
    times = steady(rate, 1.6)
    found = scanned(write_clip(tmp_path / "a.mp4", times, portrait(*SIZE)))
    np.testing.assert_allclose(found["time"], times, atol=1e-3)
    looks = found["time"][np.isfinite(found["mouth"][:, 0, 0])]
    assert 11.9 < (len(looks) - 1) / (looks[-1] - looks[0]) < 17
    assert np.diff(looks).max() < 1 / 11.9 + 1e-3


def test_frames_of_a_variable_rate_keep_their_times(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.3, 30)).tolist()
    found = scanned(write_clip(tmp_path / "a.mkv", times, portrait(*SIZE)))
    np.testing.assert_allclose(found["time"] - found["time"][0], np.array(times) - times[0], atol=2e-3)
    assert all(numbers(found))


@pytest.mark.parametrize("change", [None, footage.pan(0.4), footage.nearer(1.3)])
def test_a_photograph_is_more_like_itself_than_a_person_is(
    tmp_path: Path, found: Batch, change: footage.Change | None
) -> None:
    still = of_still(portrait(*SIZE, face=0.3))
    photograph = made(tmp_path, disturbed(still, change, 0) if change else still, 90)
    likeness = of_face(photograph, 0, "likeness")
    assert np.isfinite(likeness).sum() >= 4
    assert np.nanmedian(likeness) >= ALIKE > np.nanmedian(of_face(found, 0, "likeness"))


def test_the_proportions_of_a_person_stay_from_shot_to_shot(tmp_path: Path, found: Batch) -> None:
    again = made(tmp_path, disturbed(person(seed=3), footage.nearer(1.4), 0), 75)
    means = [np.nanmean(of_face(each, 0, "shape"), axis=0) for each in (found, again)]
    assert np.sqrt(np.mean((np.subtract(*means) / SPREAD) ** 2)) < 3


def test_of_a_face_that_the_mesh_does_not_see_there_is_the_box(monkeypatch: pytest.MonkeyPatch, one: Path) -> None:
    class Blind:
        def reset(self) -> None: ...

        def __call__(self, image: Image) -> Array:
            return np.empty((0, 478, 3), np.float32)

    monkeypatch.setattr(faces, "_network", lambda slot: Blind())
    found = scanned(one, 0, 2.0)
    assert numbers(found) == [{0}] * 50
    assert np.isfinite(of_face(found, 0, "box")).all()
    assert np.isnan(found["mouth"]).all()


def test_small_faces_are_followed_too(tmp_path: Path) -> None:
    def far() -> Pictures:
        for picture in person():
            seen = np.full((720, 1280, 3), 90, np.uint8)
            seen[400:472, 300:428] = cv2.resize(picture, (128, 72), interpolation=cv2.INTER_AREA)
            yield seen

    found = scanned(write(tmp_path / "far.mp4", islice(far(), 30), (1280, 720)))
    assert numbers(found) == [{0}] * 30
    assert of_face(found, 0, "box")[:, 3].max() < 60
    assert np.isfinite(of_face(found, 0, "mouth")[:, 0]).mean() > 0.45


@pytest.mark.parametrize("size", [(16, 16), (32, 1600), (1600, 32)])
def test_pictures_of_any_size_are_looked_at(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write(tmp_path / "odd.mp4", islice(footage.of_source("testsrc2", size), 12), size)
    assert len(scanned(path)["time"]) == 12


def test_what_does_not_decode_is_passed_over(one: Path, found: Batch, tmp_path: Path) -> None:
    make(
        "-i",
        one,
        "-c:v",
        "mpeg4",
        "-g",
        "10",
        "-bsf:v",
        "noise=amount=if(between(n\\,40\\,44)\\,40\\,0)",
        tmp_path / "a.mkv",
    )
    rows = scanned(tmp_path / "a.mkv")
    assert rows["time"][-1] == pytest.approx(found["time"][-1], abs=0.01)
    assert 140 < len(rows["time"]) < 150


def test_a_picture_that_comes_late_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scan, "HEAD", 1.0)
    late = [1.5 + time for time in steady(25, 1)]
    tone = np.zeros((48000 * 3, 1), np.int16)
    path = write_clip(tmp_path / "late.mp4", late, portrait(*SIZE), sound=tone)
    assert scanned(path, 0.0, 2.0)["time"].tolist() == pytest.approx([time for time in late if time < 2])


def test_what_is_no_video_or_has_no_frame_there_is_bad(one: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(BadVideo, match=r"text\.mp4"):
        scanned(tmp_path / "text.mp4")
    with pytest.raises(BadVideo, match=r"one\.mp4 has no frame"):
        scanned(one, 60.0, 70.0)


def test_a_frame_that_is_said_to_be_shown_weeks_later_is_not_waited_for(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "jump.mkv", [0.0, 0.04, 0.08, 3e6], np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(BadVideo, match=r"jump\.mkv has a frame at 3000000 s"):
        scanned(path)


def test_no_more_pictures_are_kept_than_cuts_need(one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[int] = []
    count = 0

    class Counted(SourceFrame):
        def __new__(cls, *_: object) -> "Counted":
            nonlocal count
            count += 1
            alive.append(count)
            return super().__new__(cls)

        def __del__(self) -> None:
            nonlocal count
            count -= 1

    monkeypatch.setattr("portrait_prep.media.source_frames.SourceFrame", Counted)
    scanned(one)
    assert len(alive) == 150
    assert max(alive) <= 8


@given(st.lists(st.integers()), st.integers(0, 5))
def test_what_is_told_late_comes_to_its_item(items: list[int], late: int) -> None:
    read = 0

    def reading() -> Iterator[int]:
        nonlocal read
        for item in items:
            read += 1
            yield item

    def judge(passing: Iterator[int]) -> Iterator[str]:
        held: list[int] = []
        for item in passing:
            held.append(item)
            if len(held) > late:
                yield str(held.pop(0))
        yield from map(str, held)

    pairs = []
    for number, pair in enumerate(told(reading(), judge)):
        assert read <= number + late + 1
        pairs.append(pair)
    assert pairs == [(item, str(item)) for item in items]

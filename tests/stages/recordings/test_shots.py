"""Cuts, dissolves and fades, and what is none of them, on made footage."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import islice, tee
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import skimage.data
from av.video.reformatter import Interpolation, VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.media.picture import Image
from portrait_prep.stages.recordings.blends import blends
from portrait_prep.stages.recordings.cuts import cuts
from portrait_prep.stages.recordings.difference import luma_of
from portrait_prep.stages.recordings.shots import CONTEXT_FRAMES, CONTEXT_SECONDS, SIZE, shots
from tests.clips import portrait
from tests.stages.recordings import footage
from tests.stages.recordings.footage import (
    CUT,
    Join,
    Pictures,
    Shot,
    covering,
    disturbed,
    frames_of,
    of_still,
    truth_of,
)
from tests.whole.runs import CLIPS

FRAME = (320, 180)
Columns = NDArray[np.float32]


def small(picture: Image) -> Image:
    return np.asarray(cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def talk(face: float = 0.5) -> Pictures:
    """Somebody who sways a little in front of a wall that does not."""
    still = portrait(*FRAME, face=face)
    x, y = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in FRAME))
    weight = np.exp(-(((x - 160) / 70) ** 2) - ((y - 90) / 80) ** 2)
    for number in range(1000):
        shifts = np.float32(4 * np.sin(0.084 * number)), np.float32(3 * np.sin(0.132 * number))
        aside, up = (np.asarray(grid + weight * shift, np.float32) for grid, shift in zip((x, y), shifts, strict=True))
        yield np.asarray(cv2.remap(still, aside, up, cv2.INTER_LINEAR), np.uint8)


def scene(name: str) -> Pictures:
    """A photograph that the camera pans over slowly."""
    return disturbed(of_still(covering(getattr(skimage.data, name)(), FRAME)), footage.pan(0.5), 0)


def transitions(frames: Iterable[tuple[float, Image]]) -> Iterator[tuple[float, float]]:
    """`cut` and `blend` of each frame."""
    for_cuts, for_blends = tee((time, luma_of(picture)) for time, picture in frames)
    return zip(cuts(for_cuts), blends(for_blends), strict=True)


def columns(pictures: Sequence[Image], fps: float = 25, first: int = 0) -> tuple[Columns, Columns]:
    found = np.array(list(transitions(((first + k) / fps, picture) for k, picture in enumerate(pictures))), np.float32)
    return found[:, 0], found[:, 1]


def shots_of(parts: Sequence[Shot], fps: float = 25) -> list[range]:
    return shots(*columns([small(picture) for picture in frames_of(parts)], fps))


def assert_near(found: Sequence[range], true: Sequence[range], frames: int) -> None:
    ends = [[end for shot in each for end in (shot.start, shot.stop)] for each in (found, true)]
    assert len(ends[0]) == len(ends[1]), (found, true)
    assert np.abs(np.subtract(ends[0], ends[1])).max() <= frames, (found, true)


def test_cuts_are_found_to_the_frame() -> None:
    parts = [Shot(talk(), 30), Shot(scene("coffee"), 17), Shot(scene("chelsea"), 8), Shot(talk(0.3), 40)]
    assert shots_of(parts) == list(truth_of(parts).shots)


@pytest.mark.parametrize("skipped", [20, 60, 100])
def test_the_jump_where_something_was_cut_out_of_a_talk_is_a_cut(skipped: int) -> None:
    rest = talk()
    parts = [Shot(talk(), 40), Shot(islice(rest, 40 + skipped, None), 40)]
    assert shots_of(parts) == list(truth_of(parts).shots)


@pytest.mark.parametrize(("frames", "fps"), [(5, 25), (12, 25), (30, 30), (50, 25), (60, 50)])
def test_the_frames_of_a_dissolve_belong_to_no_shot(frames: int, fps: int) -> None:
    parts = [Shot(talk(), 80), Shot(scene("coffee"), 80, Join(frames)), Shot(talk(0.3), 80, Join(frames))]
    assert_near(shots_of(parts, fps), truth_of(parts).shots, round(0.2 * fps))


@pytest.mark.parametrize("frames", [12, 25, 50])
def test_the_frames_of_a_fade_through_black_belong_to_no_shot(frames: int) -> None:
    parts = [Shot(talk(), 60), Shot(scene("chelsea"), 60, Join(frames, through_black=True))]
    assert_near(shots_of(parts), truth_of(parts).shots, 2)


@pytest.mark.parametrize("frames", [12, 20])
@pytest.mark.parametrize("turned", [False, True])
def test_the_frames_of_a_wipe_belong_to_no_shot(frames: int, turned: bool) -> None:
    parts = [Shot(talk(), 60), Shot(scene("chelsea"), 60, Join(frames, wiped=True))]
    pictures = [small(picture) for picture in frames_of(parts)]
    turning = [np.ascontiguousarray(np.rot90(picture, 2)) for picture in pictures] if turned else pictures
    assert_near(shots(*columns(turning)), truth_of(parts).shots, 3)


@pytest.mark.parametrize("level", [0, 255])
def test_a_cut_to_a_blank_page_is_found(level: int) -> None:
    parts = [Shot(talk(), 40), Shot(of_still(np.full((*FRAME[::-1], 3), level, np.uint8)), 40), Shot(talk(0.3), 40)]
    found = columns([small(picture) for picture in frames_of(parts)])[0]
    assert np.flatnonzero(found >= 0.5).tolist() == truth_of(parts).cuts


@pytest.mark.parametrize("gap", [2, 3, 5])
def test_where_frames_are_left_out_there_is_no_cut(gap: int) -> None:
    frames = [(number / 25, small(picture)) for number, picture in enumerate(islice(talk(), 100))]
    left = [frame for number, frame in enumerate(frames) if not 50 <= number < 50 + gap - 1]
    assert not [cut for cut, _ in transitions(left) if cut >= 0.5]


@pytest.mark.parametrize("gap", [3, 60])
def test_a_cut_where_frames_are_left_out_is_found(gap: int) -> None:
    parts = [Shot(talk(), 40), Shot(scene("coffee"), 40)]
    times = [(number + (gap if number >= 40 else 0)) / 25 for number in range(80)]
    found = transitions(zip(times, map(small, frames_of(parts)), strict=True))
    assert [number for number, (cut, _) in enumerate(found) if cut >= 0.5] == [40]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_cut_may_be_blended_over_a_frame_or_two(frames: int) -> None:
    parts = [Shot(talk(), 40), Shot(scene("coffee"), 40, Join(frames))]
    assert_near(shots_of(parts), truth_of(parts).shots, 1)


NONE: dict[str, Callable[[Pictures], Pictures]] = {
    "nothing": lambda pictures: pictures,
    "flash": lambda pictures: disturbed(pictures, footage.flash(), 40, 1),
    "flash of two frames": lambda pictures: disturbed(pictures, footage.flash(), 40, 2),
    "lamp": lambda pictures: disturbed(pictures, footage.light(1.6), 40),
    "lamp off": lambda pictures: disturbed(pictures, footage.light(0.5), 40),
    "exposure": lambda pictures: disturbed(pictures, footage.light(0.5, 20), 40),
    "caption": lambda pictures: disturbed(pictures, footage.caption(), 40),
    "hand": lambda pictures: disturbed(pictures, footage.hand(), 40, 14),
    "pan": lambda pictures: disturbed(pictures, footage.pan(6), 0),
    "swing": lambda pictures: disturbed(pictures, footage.pan(12), 0),
    "shaken": lambda pictures: disturbed(pictures, footage.shaken(3), 0),
}


@pytest.mark.parametrize("kind", NONE)
def test_what_disturbs_a_shot_does_not_end_it(kind: str) -> None:
    assert shots_of([Shot(NONE[kind](talk()), 100)]) == [range(100)]


@pytest.mark.parametrize("kind", ["pan", "swing", "shaken"])
def test_a_cut_is_found_where_the_camera_moves(kind: str) -> None:
    parts = [Shot(NONE[kind](talk()), 40), Shot(NONE[kind](scene("coffee")), 40)]
    assert shots_of(parts) == list(truth_of(parts).shots)


@cache
def recording() -> tuple[Image, ...]:
    """With a bit of everything."""
    parts = [
        Shot(talk(), 90),
        Shot(disturbed(scene("coffee"), footage.flash(), 30, 1), 60),
        Shot(talk(0.3), 90, Join(20)),
        Shot(disturbed(talk(0.6), footage.shaken(2), 0), 70, Join(14, through_black=True)),
    ]
    return tuple(small(picture) for picture in frames_of(parts))


@cache
def whole() -> tuple[Columns, Columns]:
    return columns(recording())


@settings(max_examples=5)
@given(border=st.integers(1, 343))
def test_parts_read_with_their_context_give_what_the_whole_gives(border: int) -> None:
    context = max(int(CONTEXT_SECONDS * 25) + 1, CONTEXT_FRAMES)
    first = max(border - context, 0)
    before = columns(recording()[: border + context])
    after = columns(recording()[first:], first=first)
    for column, one, other in zip(whole(), before, after, strict=True):
        np.testing.assert_array_equal([*one[:border], *other[border - first :]], column)


def test_no_more_than_the_context_is_kept() -> None:
    read = 0

    def reading() -> Pictures:
        nonlocal read
        for picture in recording():
            read += 1
            yield picture

    found = transitions((k / 25, picture) for k, picture in enumerate(reading()))
    assert max(read - number for number, _ in enumerate(found)) <= CONTEXT_SECONDS * 25 + 3


@pytest.mark.parametrize("frames", [0, 1, 2, 9])
def test_the_shortest_recordings_are_one_shot(frames: int) -> None:
    pictures = [small(picture) for picture in islice(talk(), frames)]
    found = np.array(list(transitions((k / 25, picture) for k, picture in enumerate(pictures)))).reshape(-1, 2)
    assert shots(found[:, 0], found[:, 1]) == [range(frames)] * bool(frames)


@given(st.lists(st.tuples(st.sampled_from([0, 0.4, 0.6]), st.sampled_from([0, 0.4, 0.5])), max_size=30))
def test_shots_hold_each_frame_that_is_not_blended_once(sure: list[tuple[float, float]]) -> None:
    cut, blend = np.array(sure, np.float32).reshape(-1, 2).T
    found = shots(cut, blend)
    assert [frame for shot in found for frame in shot] == np.flatnonzero(blend < 0.5).tolist()
    assert all(cut[frame] < 0.5 for shot in found for frame in shot[1:])
    assert all(shot.start == 0 or cut[shot.start] >= 0.5 or blend[shot.start - 1] >= 0.5 for shot in found)


def decoded(path: Path) -> list[Image]:
    convert = VideoReformatter().reformat
    with av.open(str(path)) as container:
        return [
            convert(frame, *SIZE, format="rgb24", interpolation=Interpolation.AREA).to_ndarray().astype(np.uint8)
            for frame in container.decode(video=0)
        ]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips of ../shared")
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001)])
def test_people_who_talk_are_told_apart_after_compression(tmp_path: Path, fps: Fraction) -> None:
    names = ("WDA_KatieHill_000", "portrait_d12", "WDA_AlexandriaOcasioCortez_000", "portrait_d14")
    joins = (CUT, CUT, Join(round(fps)), CUT)
    parts = [
        Shot(footage.of_clip(CLIPS / f"{name}.mp4", 20), 45, join) for name, join in zip(names, joins, strict=True)
    ]
    path = footage.write(tmp_path / "made.mp4", frames_of(parts), (640, 360), fps)
    found, true = shots(*columns(decoded(path), float(fps))), truth_of(parts)
    assert [shot.start for shot in found if shot.start in true.cuts] == true.cuts
    assert_near(found, true.shots, 3)

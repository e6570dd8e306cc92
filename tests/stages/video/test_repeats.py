from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest

from portrait_prep.media.ffmpeg import run
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.stages.normalize import NormalizeParams
from portrait_prep.stages.video.repeats import Repeats, longest_still
from portrait_prep.stages.video.sampled import sampled
from tests.clips import SHARED, make

CLIPS = SHARED / "data" / "clips"
real = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")
RNG = np.random.default_rng(3)
PHOTO = RNG.integers(0, 255, (512, 512, 3), np.uint8)


def told(frames: Sequence[Image], start: float = 0.0) -> dict[str, Any]:
    repeats = Repeats()
    for frame in frames:
        repeats.add(sampled(frame), True)
    return repeats.metrics(start)


def talking(count: int) -> list[Image]:
    return [np.roll(PHOTO, 3 * k, axis=1) for k in range(count)]


def test_each_repeat_is_counted_and_the_longest_stretch_has_its_place() -> None:
    frames = talking(100)
    frames[40:80] = [frames[40]] * 40
    got = told(frames, start=7.0)
    assert got["repeated_share"] == pytest.approx(0.39)
    assert got["picture_rate"] == pytest.approx(25 * 0.61)
    assert got["longest_repeat"] == pytest.approx(39 / 25)
    assert got["repeat_times"] == [[pytest.approx(8.6), pytest.approx(10.16)]]


@pytest.mark.parametrize(("rate", "share"), [(24, 0.04), (20, 0.2), (15, 0.4), (12.5, 0.5), (10, 0.6), (5, 0.8)])
def test_the_rate_of_new_pictures_is_the_true_one(rate: float, share: float) -> None:
    moving = talking(200)
    got = told([moving[int(k * rate / 25)] for k in range(200)])
    assert got["repeated_share"] == pytest.approx(share, abs=0.02)
    assert got["picture_rate"] == pytest.approx(rate, abs=0.5)


@pytest.mark.parametrize("rate", [2, 3, 5])
def test_few_pictures_a_second_are_told_though_an_encoder_keeps_refining_them(rate: int) -> None:
    count, moving = 150, talking(200)
    shown = [moving[25 * (k * rate // 25) // rate] for k in range(count)]
    frames = [np.clip(image + RNG.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8) for image in shown]
    # At the ends there are too few changes around to compare with.
    assert rate - 0.1 <= told(frames)["picture_rate"] < 11


def test_grain_is_life_and_frames_without_a_face_do_not_count() -> None:
    grain = [np.clip(PHOTO // 2 + RNG.normal(60, 4, PHOTO.shape), 0, 255).astype(np.uint8) for _ in range(30)]
    assert told(grain)["repeated_share"] == 0
    repeats = Repeats()
    for k in range(60):
        repeats.add(sampled(np.zeros_like(PHOTO) if k < 40 else talking(60)[k]), k >= 40)
    assert repeats.metrics(0.0)["longest_repeat"] == 0
    nothing = Repeats()
    nothing.add(sampled(PHOTO), False)
    assert nothing.metrics(0.0)["repeated_share"] is None


def test_what_an_encoder_brushes_up_does_not_end_a_freeze() -> None:
    repeats = np.ones(60, bool)
    repeats[[0, 5, 30]] = False
    assert longest_still(repeats) == (5, 59)
    repeats[35] = False
    assert longest_still(repeats) == (5, 29)


@real
@pytest.mark.parametrize(
    ("name", "filters", "crf", "least", "most"),
    [
        ("portrait_d19", "null", 38, 0.0, 0.45),  # the calmest one, hardly moving, compressed hard
        ("portrait_d18", "hqdn3d=8:8:15:15", 35, 0.0, 0.3),
        ("portrait_d0", "eq=brightness=-0.3:contrast=0.4", 30, 0.0, 0.3),
        ("portrait_d13", "fade=in:0:40", 28, 0.0, 0.2),
        ("WDA_KatieHill_000", "fps=24,fps=25", 23, 0.0, 0.1),
        ("WDA_KatieHill_000", "setpts=2*PTS,fps=25", 23, 0.3, 0.55),
        ("WDA_KatieHill_000", "fps=10,fps=25", 23, 0.57, 0.65),
        ("fullhd_demo1", "fps=5,fps=25", 23, 0.7, 0.85),
        ("portrait_d11", "trim=end_frame=1,loop=-1:1,setpts=N/25/TB", 26, 0.9, 1.0),
    ],
)
def test_people_who_sit_still_are_told_from_pictures(
    tmp_path: Path, name: str, filters: str, crf: int, least: float, most: float
) -> None:
    source, size = tmp_path / "a.mp4", "scale=512:512:force_original_aspect_ratio=increase,crop=512:512"
    x264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-an")
    make("-i", CLIPS / f"{name}.mp4", "-vf", f"{filters},{size}", "-t", "3", "-crf", str(crf), *x264, source)
    normalized = ffmpeg.input(str(source)).output(str(tmp_path / "b.mp4"), r=25, **NormalizeParams().h264)
    run(normalized, lambda pipe: pipe.read())
    got = told(list(read_frames(tmp_path / "b.mp4")))
    assert least <= got["repeated_share"] <= most
    assert (got["longest_repeat"] > 1) == (most == 1)

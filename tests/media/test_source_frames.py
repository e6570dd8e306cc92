from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from portrait_prep.media import source_frames
from portrait_prep.media.probe import Probe, probe
from portrait_prep.media.source_frames import (
    all_frames_between,
    frames_between,
    frames_shown_at,
    picture_at,
    sample_frames,
)
from tests.clips import make, number_of, portrait, steady, write_clip

WIDTH, HEIGHT, RATE = 320, 240, 50
FORMATS = ("mp4", "mkv", "ts", "avi", "mpg")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of numbered frames, 50 a second."""
    return write_clip(tmp_path_factory.mktemp("source") / "a.mp4", steady(RATE, 4), portrait(WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def turned(video: Path) -> Path:
    """The same, to be turned by a quarter for display."""
    path = video.with_name("turned.mp4")
    make("-display_rotation:v", "90", "-i", video, "-c", "copy", path)
    return path


@pytest.fixture(scope="module")
def kept(video: Path) -> dict[str, Path]:
    """The same in other formats, with a keyframe each 0.6 s and frames between that are shown out of order."""
    codecs = {"avi": "mpeg4", "mpg": "mpeg2video"}
    paths = {suffix: video.with_name(f"kept.{suffix}") for suffix in FORMATS}
    for suffix, path in paths.items():
        make(
            "-i",
            video,
            "-c:v",
            codecs.get(suffix, "libx264"),
            "-b:v",
            "2M",
            "-g",
            "30",
            "-fps_mode",
            "passthrough",
            path,
        )
    return paths


@pytest.mark.parametrize(("second", "number"), [(0.0, 0), (0.1, 5), (2.0, 100), (3.98, 199)])
def test_a_picture_is_that_of_its_moment(video: Path, second: float, number: int) -> None:
    image = picture_at(video, second, (WIDTH, HEIGHT))
    assert image is not None
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert number_of(image) == number


def test_beyond_the_end_it_is_the_last_one(video: Path) -> None:
    image = picture_at(video, 60.0, (WIDTH // 2, HEIGHT // 2))
    assert image is not None
    assert image.shape == (HEIGHT // 2, WIDTH // 2, 3)
    assert number_of(image) == 199


@pytest.mark.parametrize("content", [None, b"", b"no video"])
def test_there_is_none_of_what_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    assert picture_at(path, 0.0, (8, 8)) is None


@pytest.mark.parametrize(("rate", "every"), [(14.0, 3), (20.0, 2), (50.0, 1), (200.0, 1)])
def test_of_a_fast_video_some_frames_are_left_out(video: Path, rate: float, every: int) -> None:
    times, images = zip(*frames_between(video, probe(video), 1.0, 2.0, rate), strict=True)
    assert [number_of(image) for image in images] == list(range(50, 100, every))
    np.testing.assert_allclose(times, np.arange(50, 100, every) / RATE, atol=1e-3)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(("start", "end"), [(-2.0, 0.5), (0.0, 4.0), (1.0, 2.0), (2.51, 2.6), (3.9, 99.0), (5.0, 6.0)])
def test_all_frames_of_an_interval_come_once(kept: dict[str, Path], suffix: str, start: float, end: float) -> None:
    path = kept[suffix]
    facts = probe(path, end=0.5)
    found = [(time, number_of(frame.image())) for time, frame in all_frames_between(path, facts, start, end)]
    times = np.array([time for time, _ in found])
    assert [number for _, number in found] == [k for k in range(200) if start <= k / RATE < end]
    np.testing.assert_allclose(times, [number / RATE for _, number in found], atol=2e-3)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("ahead", [0.0, 0.5, 9.0])
def test_frames_are_those_shown_at_some_moments(
    kept: dict[str, Path], suffix: str, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_frames, "AHEAD", ahead)
    path = kept[suffix]
    facts = probe(path, end=0.5)
    times = {time: number_of(frame.image()) for time, frame in all_frames_between(path, facts, 0, 9)}
    asked = [time for time, number in times.items() if number in (0, 3, 31, 32, 90, 151, 199)]
    between = [asked[0] + 0.008, asked[4] + 0.01, 77.0]
    found = {time: number_of(frame.image()) for time, frame in frames_shown_at(path, facts, sorted(asked + between))}
    assert found == {time: times[time] for time in asked}


@pytest.mark.parametrize(("group", "most"), [(25, 8 * 25), (200, 2 * 200)])
def test_not_much_more_is_decoded_for_them_than_it_takes(
    video: Path, group: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where keyframes are near, what follows them; where there is one alone, the whole not much more than once."""
    path, decoded = video.with_name(f"group{group}.mp4"), 0
    make("-i", video, "-c:v", "libx264", "-g", str(group), "-keyint_min", str(group), "-sc_threshold", "0", path)
    reaching = source_frames._reaching

    def counting(path: Path, probe: Probe, time: float) -> Iterator[VideoFrame]:
        nonlocal decoded
        for frame in reaching(path, probe, time):
            decoded += 1
            yield frame

    monkeypatch.setattr(source_frames, "_reaching", counting)
    monkeypatch.setattr(source_frames, "AHEAD", 0.3)
    moments = [number / RATE for number in range(12, 200, 25)]
    assert [number_of(frame.image()) for _, frame in frames_shown_at(path, probe(path), moments)] == list(
        range(12, 200, 25)
    )
    assert decoded <= most


def test_of_what_cannot_be_read_there_is_no_frame(video: Path, tmp_path: Path) -> None:
    facts, path = probe(video), tmp_path / "a.mp4"
    path.write_bytes(b"no video")
    assert list(frames_shown_at(path, facts, [0.0, 1.0])) == []


def test_a_thumbnail_shows_all_that_is_displayed(video: Path, turned: Path) -> None:
    upright, lying = (
        next(all_frames_between(path, probe(path), 1.0, 2.0))[1].thumbnail(64, 36) for path in (video, turned)
    )
    assert upright.shape == lying.shape == (36, 64, 3)
    image = next(all_frames_between(turned, probe(turned), 1.0, 2.0))[1].image()
    reduced = cv2.resize(image, (64, 36), interpolation=cv2.INTER_AREA)
    assert np.abs(lying.astype(int) - reduced).mean() < 3
    assert np.abs(upright.astype(int) - reduced).mean() > 10


def test_samples_are_spread_evenly(video: Path) -> None:
    numbers = [number_of(frame.image()) for frame in sample_frames(video, probe(video), 4)]
    assert len(numbers) == 4
    np.testing.assert_allclose(numbers, [25, 75, 125, 175], atol=25)
    assert min(np.diff(numbers)) > 0


def test_a_sample_is_upright_at_any_size(turned: Path) -> None:
    facts = probe(turned)
    frame = next(sample_frames(turned, facts, 4))
    assert facts.display == (HEIGHT, WIDTH)
    assert frame.image().shape == (WIDTH, HEIGHT, 3)
    assert frame.image(0.5).shape == (WIDTH // 2, HEIGHT // 2, 3)
    stored = next(image for _, image in frames_between(turned, facts, 0.5, 4.0, RATE))
    assert stored.shape == (HEIGHT, WIDTH, 3)

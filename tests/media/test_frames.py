from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.frames import count_frames, read_frames, read_pictures
from portrait_prep.media.picture import FPS

FRAMES, SIDE, GROUP = 60, 64, 25


def grey(number: int) -> int:
    """What frame `number` is filled with: frames nearby differ by 4 at least."""
    return 20 + (number * 37) % 210


def write(path: Path, times: Sequence[int] = range(FRAMES)) -> Path:
    """A video with a key frame every second; `times` are the 1/25 s at which its frames are shown."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"g": str(GROUP), "crf": "4"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((SIDE, SIDE, 3), grey(number), np.uint8), format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("frames") / "v.mp4")


@pytest.fixture(scope="module")
def decoded(video: Path) -> list[NDArray[Any]]:
    """All frames as PyAV gives them."""
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_all_frames_come_as_they_are(video: Path, decoded: list[NDArray[Any]]) -> None:
    for image, plain in zip(read_frames(video), decoded, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, plain)


def test_each_can_be_had_at_another_size(video: Path, decoded: list[NDArray[Any]]) -> None:
    for image, plain in zip(read_frames(video, 32), decoded, strict=True):
        assert image.shape == (32, 32, 3)
        assert abs(image.mean() - cv2.resize(plain, (32, 32)).mean()) < 4


@settings(deadline=None, max_examples=40)
@given(st.integers(0, FRAMES), st.integers(0, FRAMES))
def test_any_range_is_what_it_is_in_the_whole(video: Path, decoded: list[NDArray[Any]], first: int, stop: int) -> None:
    part = range(first, max(stop, first))
    images = list(read_frames(video, numbers=part))
    assert len(images) == len(part)
    for image, number in zip(images, part, strict=True):
        np.testing.assert_array_equal(image, decoded[number])


@pytest.mark.parametrize("part", [range(55, 61), range(60, 61), range(99, 100), range(2 * FRAMES)])
def test_a_range_beyond_the_end_is_damage(video: Path, part: range) -> None:
    with pytest.raises(Damaged, match=rf"v\.mp4 has no frames {part[0]} to {part[-1]}: delete it and run again"):
        list(read_frames(video, numbers=part))


def test_a_range_with_a_frame_missing_is_damage(tmp_path: Path) -> None:
    """A later frame must not take its place."""
    path = write(tmp_path / "v.mp4", [*range(30), *range(31, 60)])
    assert len(list(read_frames(path, numbers=range(20, 30)))) == 10
    with pytest.raises(Damaged, match="has no frames 20 to 39"):
        list(read_frames(path, numbers=range(20, 40)))
    with pytest.raises(Damaged, match="has no frames 30 to 30"):
        next(read_frames(path, numbers=range(30, 31)))


def test_as_many_as_expected_is_well(video: Path) -> None:
    assert sum(1 for _ in read_frames(video, expected=FRAMES)) == FRAMES


@pytest.mark.parametrize("expected", [0, 1, FRAMES - 1, FRAMES + 1, 2 * FRAMES])
def test_more_or_fewer_than_expected_is_damage(video: Path, expected: int) -> None:
    with pytest.raises(Damaged, match=rf"v\.mp4 does not hold {expected} frames: delete it and run normalize again"):
        list(read_frames(video, expected=expected))


def test_who_takes_no_more_than_expected_learns_that_there_are_more(video: Path) -> None:
    """Stages read frames in step with rows, and never ask for one more."""
    expected = FRAMES - 10
    frames = read_frames(video, expected=expected)
    assert len(list(islice(frames, expected - 1))) == expected - 1
    with pytest.raises(Damaged, match="does not hold 50 frames"):
        next(frames)


def test_frames_are_decoded_as_they_are_asked_for(video: Path) -> None:
    frames = read_frames(video, expected=10 * FRAMES)
    assert len(list(islice(frames, FRAMES))) == FRAMES
    with pytest.raises(Damaged, match="does not hold"):
        next(frames)


@pytest.mark.parametrize(
    "harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no video")]
)
@pytest.mark.parametrize("options", [{}, {"numbers": range(3)}, {"expected": FRAMES}])
def test_what_cannot_be_decoded_is_damage(
    video: Path, tmp_path: Path, harm: Callable[[Path], Any], options: dict[str, Any]
) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(video.read_bytes())
    harm(path)
    with pytest.raises(Damaged, match=r"v\.mp4 cannot be decoded .*: delete it and run again"):
        list(read_frames(path, **options))


def test_pictures_are_made_of_the_frames_that_are_asked_for_in_any_order(
    video: Path, decoded: list[NDArray[Any]]
) -> None:
    pictures = list(read_pictures(video, expected=FRAMES))
    for number in (41, 3, 3, FRAMES - 1):
        np.testing.assert_array_equal(pictures[number](), decoded[number])


def test_a_picture_that_cannot_be_made_is_damage(video: Path) -> None:
    make = next(read_pictures(video, size=1 << 16))
    with pytest.raises(Damaged, match=r"v\.mp4 cannot be decoded .*: delete it and run again"):
        make()


def test_frames_are_counted_without_decoding(video: Path) -> None:
    assert count_frames(video) == FRAMES

"""Writing an mp4: what comes out has the frames, colours, tags and sound that went in."""

from pathlib import Path

import av
import numpy as np
import pytest

from portrait_prep.media.frames import read_frames
from portrait_prep.media.mp4 import Mp4Writer

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (128, 128, 128), (250, 240, 10), (0, 0, 0)]


def write(path: Path, size: int = 256) -> Path:
    with Mp4Writer(path, size) as writer:
        for number, colour in enumerate(COLOURS):
            writer.add(np.full((size, size, 3), colour, np.uint8), np.full((1, 640), 1000 * number, np.int16))
    return path


def test_frames_keep_their_colours_and_say_what_they_mean(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4")
    frames = list(read_frames(path))
    assert [frame.shape for frame in frames] == [(256, 256, 3)] * len(COLOURS)
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame.astype(int) - colour).max() <= 3
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert float(container.streams.video[0].average_rate or 0) == 25
        assert container.streams.audio[0].rate == 16000


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "a.mp4").read_bytes() == write(tmp_path / "b.mp4").read_bytes()


def test_an_error_on_the_way_is_the_one_that_comes_out(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Mp4Writer(tmp_path / "a.mp4"):
        _ = 1 / 0

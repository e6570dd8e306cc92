"""Cuts at any time of any file, and pictures of two fields."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import Image, clicks, make, number_of, portrait, steady, write_clip
from tests.stages.normalized import FACE, QUICK, SECOND, normalize, peak_near

FILES: dict[str, list[str]] = {
    "one group.mp4": ["-c:v", "libx264", "-g", "9999", "-bf", "3", "-x264-params", "scenecut=0:b-adapt=0"],
    "open groups.mkv": ["-c:v", "libx264", "-x264-params", "open-gop=1:keyint=77:min-keyint=77:bframes=3:scenecut=0"],
    "hevc.mp4": ["-c:v", "libx265", "-x265-params", "keyint=90:bframes=3:scenecut=0:log-level=none"],
    "divx.avi": ["-c:v", "mpeg4", "-g", "300", "-bf", "2", "-q:v", "3"],
}
SPEED = 30000 / 1001
CUTS = [(0.0, 0.7), (0.731, 1.555), (2.017, 3.0), (3.333, 4.667), (4.999, 5.5)]


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cut") / "master.mp4"
    return write_clip(path, steady(SPEED, 6), FACE, sound=clicks(6, 48000, [2.5, 4.0]))


def decoded(path: Path) -> tuple[list[float], list[int]]:
    """Times from what players call zero, and numbers, of all frames of a file."""
    with av.open(str(path)) as container:
        zero = (container.start_time or 0) / av.time_base
        frames = [
            (float(frame.time or 0) - zero, number_of(frame.to_ndarray(format="rgb24").astype(np.uint8)))
            for frame in container.decode(video=0)
        ]
    return [time for time, _ in frames], [number for _, number in frames]


@pytest.mark.parametrize("name", FILES)
def test_a_cut_gives_the_frames_that_decoding_the_whole_and_picking_gives(
    tmp_path: Path, master: Path, name: str
) -> None:
    path = tmp_path / name
    make("-i", master, *FILES[name], "-r", "30000/1001", "-c:a", "mp3", path)
    times, numbers = decoded(path)
    assert len(times) == 180
    for asked, end in CUTS:
        got = normalize(path, tmp_path / "out", QUICK, start=asked, end=end)
        start = max(asked, times[0])
        assert len(got.frames) == round((end - start) * 25)
        away = np.abs(np.array(times) - (start + np.arange(len(got.frames)) / 25)[:, None])
        picked = np.array([away[k, numbers.index(number)] for k, number in enumerate(got.numbers)])
        assert (picked - away.min(axis=1)).max() < 2e-3, f"not the nearest frames from {start} s on"
        for click in (2.5, 4.0):
            if start < click < end:
                expected = (click - start) * SECOND
                assert abs(peak_near(got.sound, expected, 2000) - expected) < 1200


def sideways(shift: int) -> Image:
    """A portrait above stripes that have moved so far."""
    picture = portrait(320, 240, 0.4, (0.5, 0.42)).copy()
    columns = (np.arange(320) - shift) // 16 % 2
    picture[190:] = np.where(columns, 230, 25)[None, :, None]
    return picture


def woven(path: Path, flagged: bool) -> Path:
    """25 frames a second of two fields each, the top one first, the lower taken 1/50 s later."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "10"} | ({"x264-params": "tff=1:interlaced=1"} if flagged else {})
        stream: Any = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        if flagged:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        for number in range(25):
            picture = sideways(10 * number)
            picture[1::2] = sideways(10 * number + 5)[1::2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def combs(images: list[Image]) -> float:
    """How much rows of the stripes differ from the mean of their neighbours."""
    rows = [np.asarray(image[420:500].astype(float).mean(axis=2)) for image in images[5:20]]
    return float(np.mean([np.abs(part[1:-1] - (part[:-2] + part[2:]) / 2).mean() for part in rows]))


@pytest.mark.parametrize("flagged", [True, False])
def test_two_fields_are_taken_apart_whether_the_file_says_so_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flagged: bool
) -> None:
    whole: dict[str, Any] = {"crop_x": 40, "crop_y": 0, "crop_w": 240, "crop_h": 240}
    fields = normalize(woven(tmp_path / "b.mkv", flagged=flagged), tmp_path / "2", **whole)
    assert fields.row["interlaced"]
    assert (fields.metrics["fields"] is None) == flagged
    assert len(fields.frames) == 25
    monkeypatch.setattr("portrait_prep.stages.normalize.field_order", lambda *_: None)
    plain = normalize(woven(tmp_path / "a.mkv", flagged=False), tmp_path / "1", **whole)
    assert not plain.row["interlaced"]
    assert combs(plain.frames) > 3 * combs(fields.frames)

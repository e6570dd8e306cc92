"""HDTF from lists and files that are there, as a user does it."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from portrait_prep.manifests.splits import by_subject
from tests.clips import Image, number_of, numbered, portrait
from tests.hdtf_lists import lists
from tests.stages.fetch.server import Server
from tests.whole.contract import check_columns, check_media
from tests.whole.runs import CLIPS, SHARED, columns, portrait_prep

HDTF = SHARED / "data/hdtf/HDTF_dataset"
READY = ("WDA_AlexandriaOcasioCortez_000", "WDA_KatieHill_000")
RATE = 30
MAGENTA = (255, 0, 255)


def manifest(root: Path, video_id: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((root / "manifests" / f"{video_id}.json").read_text())
    return told


@pytest.mark.skipif(not (CLIPS.is_dir() and HDTF.is_dir()), reason=f"neither clips nor lists are at {SHARED}")
def test_clips_of_one_s_own_go_through_all_stages_under_their_names(tmp_path: Path) -> None:
    root = tmp_path / "w"
    added = portrait_prep("init", "hdtf", "-w", root, "--annotations", HDTF, "--source", CLIPS)
    assert added.returncode == 0, added.stderr
    assert added.stdout.startswith("436 videos (436 new) of 220 subjects")
    assert "15 x no crop" in added.stdout
    done = portrait_prep("run", "-w", root, "--workers", "2", "--only", *READY)
    assert done.returncode == 0, done.stdout + done.stderr
    for video_id in READY:
        check_columns(root, video_id, check_media(root, video_id))
        told = manifest(root, video_id)
        assert (told["subject"], told["corpus"]) == (video_id.split("_")[1], "hdtf")
        assert told["split"] == by_subject(told["subject"])
        assert told["quality"] == {"accepted": True, "reasons": [], "rules": []}
        assert {stage["outcome"] for stage in told["stages"].values()} == {"done"}
        (frames,) = columns(root, "normalize", video_id, "n_frames")
        assert frames == 200  # all of the clip, though more is annotated


def framed(number: int) -> Image:
    """A numbered portrait of 200x200 at (100, 20) of a magenta picture of 640x360."""
    picture = np.full((360, 640, 3), MAGENTA, np.uint8)
    picture[20:220, 100:300] = numbered(portrait(200, 200), number)
    return picture


def write_original(path: Path, seconds: float) -> None:
    """A keyframe at the beginning and no other."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(
            "libx264", rate=RATE, options={"preset": "ultrafast", "crf": "12", "g": "999"}
        )
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(round(RATE * seconds)):
            frame = av.VideoFrame.from_ndarray(framed(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def decoded(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Path:
    """Ann, twice, from a whole video of half the declared height; Bob at whose address there is nothing."""
    folder = tmp_path_factory.mktemp("hdtf")
    lists(
        folder / "lists",
        [
            ("Ann1", 720, "00:02-00:04 00:03-00:05", ["200 400 40 400", ""]),
            ("Bob", 720, "00:00-00:02", ["200 400 40 400"]),
        ],
        addresses={"Bob": f"{server.address}/bob.mp4"},
    )
    (folder / "files").mkdir()
    write_original(folder / "files/WDA_Ann1.mp4", 6)
    add_videos(folder)
    done = portrait_prep("run", "download", "normalize", "-w", folder / "w", "--workers", "0")
    assert done.returncode == 1, done.stdout + done.stderr
    return folder


def add_videos(folder: Path) -> None:
    done = portrait_prep(
        "init", "hdtf", "-w", folder / "w", "--annotations", folder / "lists", "--source", folder / "files"
    )
    assert done.returncode == 0, done.stderr


def test_an_interval_is_cut_at_its_frames_and_in_its_square(workspace: Path) -> None:
    frames = decoded(workspace / "w/media/WDA_Ann1_000.mp4")
    # 2 s to 4 s of a video at 30 a second: at k/25 s the frame nearest in time.
    assert [number_of(frame) for frame in frames] == [round(RATE * (2 + k / 25)) for k in range(50)]
    crop = columns(workspace / "w", "normalize", "WDA_Ann1_000", "crop_x", "crop_y", "crop_w", "crop_h")
    assert [int(value[0]) for value in crop] == [100, 20, 200, 200]
    # A row or column of the magenta around would be 2.56 pixels wide.
    for edge in (frames[0][1], frames[0][-2], frames[0][:, 1], frames[0][:, -2]):
        assert np.abs(edge.astype(int) - MAGENTA).sum(axis=1).min() > 100


def test_an_interval_without_a_crop_is_cut_to_its_face(workspace: Path) -> None:
    told = manifest(workspace / "w", "WDA_Ann1_001")
    assert told["source"]["defect"] == "no crop"
    x, y, w, h = (
        int(value[0])
        for value in columns(workspace / "w", "normalize", "WDA_Ann1_001", "crop_x", "crop_y", "crop_w", "crop_h")
    )
    assert w == h < 360
    assert x < 200 < x + w  # the middle of the portrait
    assert y < 120 < y + h


def test_a_video_without_a_file_fails_alone_until_there_is_one(workspace: Path) -> None:
    before = manifest(workspace / "w", "WDA_Bob_000")
    assert before["stages"]["download"]["outcome"] == "failed"
    assert before["stages"]["normalize"]["outcome"] == "blocked"
    error = before["stages"]["download"]["error"]["message"]
    assert "/bob.mp4" in error
    assert "404" in error
    write_original(workspace / "files/Bob.mp4", 3)
    add_videos(workspace)
    again = portrait_prep("run", "download", "normalize", "-w", workspace / "w", "--workers", "0")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Computed (videos): download 1, normalize 1." in again.stdout
    assert number_of(decoded(workspace / "w/media/WDA_Bob_000.mp4")[-1]) == round(RATE * 49 / 25)

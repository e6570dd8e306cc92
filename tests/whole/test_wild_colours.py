"""Videos as phones, cameras and screen recorders leave them, run as a user runs them: true colours, and the voice."""

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import make
from tests.whole.runs import CLIPS, columns, portrait_prep

K = CLIPS / "WDA_KatieHill_000.mp4"
pytestmark = pytest.mark.skipif(not K.is_file(), reason="needs ../shared/data/clips")

NEAR = 4.0
IN = "scale=400:400,zscale=tin=709:pin=709:min=709:rin=limited"
LIGHT = f"{IN}:t=linear:npl=203,zscale=p=2020,zscale=npl=203:r=limited:m=2020_ncl"
X264 = ("-c:v", "libx264", "-crf", "10", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:crf=10")
UNTAGGED = "setparams=color_primaries=unknown:color_trc=unknown:colorspace=unknown:range=unknown"
KINDS: dict[str, tuple[str, str, tuple[str, ...], tuple[str | None, ...]]] = {
    "hlg": (
        "mov",
        f"{LIGHT}:t=arib-std-b67,format=yuv420p10le",
        (*X265, "-tag:v", "hvc1"),
        ("bt2020", "arib-std-b67", "bt2020nc", "tv"),
    ),
    "pq": ("mp4", f"{LIGHT}:t=smpte2084,format=yuv420p10le", X265, ("bt2020", "smpte2084", "bt2020nc", "tv")),
    "p3": ("mp4", f"{IN}:p=smpte432", X264, ("smpte432", "bt709", "bt709", "tv")),
    "phone601full": ("mp4", f"{IN}:m=170m:r=full", X264, ("bt709", "bt709", "smpte170m", "pc")),
    "untagged": ("avi", f"{IN}:m=170m,{UNTAGGED}", ("-c:v", "mpeg4", "-q:v", "2"), (None, None, None, None)),
    "screen": (
        "mkv",
        f"{IN}:m=gbr:r=full,format=gbrp",
        ("-c:v", "libx264rgb", "-crf", "10", "-preset", "ultrafast"),
        ("bt709", "bt709", "gbr", "pc"),
    ),
}
"""Container, filters, encoder, and the tags: primaries, transfer, matrix, range."""


def read(path: Path) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Mean of the first frame's channels, and its tags."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        tags = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
        return frame.to_ndarray(format="rgb24").mean(axis=(0, 1)), tuple(map(int, tags))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All kinds, and one with a silent default track, in one run as far as the landmarks."""
    folder = tmp_path_factory.mktemp("colours")
    source = folder / "videos"
    source.mkdir()
    sdr = folder / "sdr.mkv"
    tags = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    make("-t", "1.2", "-i", K, "-an", "-vf", tags, "-c:v", "ffv1", "-pix_fmt", "yuv420p", sdr)
    for name, (suffix, filters, encoder, _) in KINDS.items():
        make("-i", sdr, "-vf", filters, *encoder, source / f"{name}.{suffix}")
    make("-i", sdr, "-vf", "scale=400:400", *X264, source / "sdr.mp4")
    silent = ["-f", "lavfi", "-t", "1.2", "-i", "anullsrc=r=48000:cl=stereo"]
    maps = ["-map", "1:v", "-map", "0:a", "-map", "1:a", "-c:v", "copy", "-disposition:a:0", "default"]
    make(*silent, "-t", "1.2", "-i", K, *maps, "-disposition:a:1", "0", source / "obs.mkv")
    root = folder / "w"
    for command in (("init", "folder", "--source", source), ("run", "normalize", "landmarks", "--workers", "1")):
        done = portrait_prep(*command, "-w", root)
        assert done.returncode == 0, done.stderr
    return root


def manifest(root: Path, video_id: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((root / "manifests" / f"{video_id}.json").read_text("utf-8"))
    return value


@pytest.mark.parametrize("name", KINDS)
def test_colours_come_back_and_are_told(workspace: Path, name: str) -> None:
    wanted, _ = read(workspace / "media" / "sdr.mp4")
    found, tags = read(workspace / "media" / f"{name}.mp4")
    assert tags == (1, 1, 1, 1)
    boxes = [columns(workspace, "normalize", one, "crop_x", "crop_y", "crop_w") for one in (name, "sdr")]
    np.testing.assert_allclose(np.ravel(boxes[0]), np.ravel(boxes[1]), atol=8, err_msg="the same face")
    np.testing.assert_allclose(found, wanted, atol=NEAR)
    names = ("color_primaries", "color_transfer", "color_matrix", "color_range")
    told = [value.tolist()[0] for value in columns(workspace, "normalize", name, *names)]
    assert tuple(told) == KINDS[name][3]
    metrics = manifest(workspace, name)["stages"]["normalize"]["metrics"]
    assert metrics["color_converted"] != "none"
    assert ("matrix smpte170m" in metrics["color_assumed"]) == (name == "untagged")
    assert manifest(workspace, name)["stages"]["landmarks"]["metrics"]["face_share"] == 1


def test_what_is_bt709_is_not_converted(workspace: Path) -> None:
    assert manifest(workspace, "sdr")["stages"]["normalize"]["metrics"]["color_converted"] == "none"


def test_the_track_that_speaks_is_taken(workspace: Path) -> None:
    metrics = manifest(workspace, "obs")["stages"]["normalize"]["metrics"]
    assert (metrics["sound_track"], metrics["silent"]) == (2, False)
    assert metrics["sound_track_why"] == "the default has no voice (1: silent, 2: voice)"

"""The crop that the catalogue gives: drawn in a picture of some height, or the part in which somebody sits."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from portrait_prep.manifests.corpora.iemocap.catalogue import half
from portrait_prep.manifests.video import Video
from portrait_prep.media.box import Box
from portrait_prep.stages.normalize import NormalizeParams
from portrait_prep.stages.video.crop import Region, region_of
from tests.clips import SHARED, Image, make, portrait
from tests.stages.normalized import make_still, normalize, reference_cut

SEAT = (20, 150, 30)
"""Colour behind the one who sits on the left; nobody else has it."""
OTHER_SEAT = (40, 60, 200)
WIDE = NormalizeParams(preset="ultrafast", samples=6, margin=2.6)


def cropped(x: int, y: int, w: int, h: int, source_height: int | None = None) -> dict[str, Any]:
    return {"crop_x": x, "crop_y": y, "crop_w": w, "crop_h": h, "source_height": source_height}


def asked(x: int, y: int, w: int, h: int, source_height: int | None = None) -> Video:
    crop = cropped(x, y, w, h, source_height)
    return Video(video_id="v", corpus="c", subject="s", source="v.mp4", **crop)


@pytest.mark.parametrize(
    ("video", "expected"),
    [
        (asked(101, 31, 251, 251), Region(Box(101, 31, 251, 251), "annotated", 1.0)),
        (asked(101, 31, 251, 251, 360), Region(Box(101, 31, 251, 251), "annotated", 1.0)),
        (asked(202, 62, 502, 502, 720), Region(Box(101, 31, 251, 251), "annotated", 0.5)),
        (asked(50, 10, 100, 100, 180), Region(Box(100, 20, 200, 200), "annotated", 2.0)),
        (asked(50, 10, 100, 100, 0), Region(Box(0, 0, 640, 360), "face, crop unusable")),
        (asked(50, 70, 100, 120, 180), Region(Box(0, 0, 640, 360), "face, crop unusable")),
        (asked(300, 0, 100, 100, 180), Region(Box(0, 0, 640, 360), "face, crop unusable")),
        (asked(0, 300, 100, 100), Region(Box(0, 0, 640, 360), "face, crop unusable")),
        (asked(160, 0, 160, 180, 180), Region(Box(320, 0, 320, 360), "region", 2.0)),
        (asked(321, 1, 319, 359, 360), Region(Box(322, 2, 318, 358), "region", 1.0)),
    ],
)
def test_what_the_catalogue_asks_for(video: Video, expected: Region) -> None:
    assert region_of(video, (640, 360)) == expected


def test_a_square_crop_is_one_at_any_scale_and_no_half_becomes_one() -> None:
    assert region_of(asked(0, 0, 359, 360, 360), (320, 180)).framing == "region"
    assert region_of(asked(11, 7, 333, 333, 1080), (853, 480)).framing == "annotated"


def test_a_crop_drawn_at_another_height_is_scaled(tmp_path: Path) -> None:
    image = portrait(640, 360, 0.4, (0.35, 0.45))
    got = normalize(make_still(tmp_path / "a.mp4", image), tmp_path / "out", **cropped(240, 60, 480, 480, 720))
    assert (got.box, got.row["framing"], got.row["crop_scale"]) == ([120, 30, 240, 240], "annotated", 0.5)
    assert got.metrics["framing"] == "annotated"
    assert np.abs(got.frames[3].astype(int) - reference_cut(image, 120, 30, 240, 240)).mean() < 6


@pytest.mark.parametrize("crop", [(100, 0, 300, 300, 0), (100, 0, 300, 300, 240), (500, 0, 300, 300, 360)])
def test_one_that_cannot_be_right_gives_way_to_the_face(tmp_path: Path, crop: tuple[int, int, int, int, int]) -> None:
    image = portrait(640, 360, 0.3, (0.6, 0.5))
    path = make_still(tmp_path / "a.mp4", image)
    got, automatic = normalize(path, tmp_path / "1", **cropped(*crop)), normalize(path, tmp_path / "2")
    assert (got.box, got.row["framing"]) == (automatic.box, "face, crop unusable")
    assert automatic.row["framing"] == "face"
    assert got.row["crop_scale"] is None


def seated(left: tuple[float, float], right: tuple[float, float], face: float = 0.3) -> Image:
    """Two of 360x480 side by side, their faces at (shares); each before a wall of a colour of its own."""
    halves = []
    for at, colour in ((left, SEAT), (right, OTHER_SEAT)):
        picture = np.full((480, 360, 3), colour, np.uint8)
        head = portrait(200, 200, face * 360 / 200)
        x, y = round(at[0] * 360), round(at[1] * 480)
        x0, x1, y0, y1 = max(x - 100, 0), min(x + 100, 360), max(y - 100, 0), min(y + 100, 480)
        picture[y0:y1, x0:x1] = head[y0 - y + 100 : y1 - y + 100, x0 - x + 100 : x1 - x + 100]
        halves.append(picture)
    return np.hstack(halves)


def share_of(image: Image, colour: tuple[int, int, int]) -> float:
    return float((np.abs(image.astype(int) - colour).max(axis=2) < 24).mean())


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("near_seam", [False, True])
@pytest.mark.parametrize("height", [480, 240])
def test_of_two_who_sit_side_by_side_only_the_one_in_the_region_is_seen(
    tmp_path: Path, side: str, near_seam: bool, height: int
) -> None:
    away = 0.24 if near_seam else 0.5
    image = seated((1 - away, 0.5), (away, 0.5))
    x, y, w, h = half((720, 480), "left" if side == "left" else "right")
    shown = cv2.resize(image, None, fx=height / 480, fy=height / 480, interpolation=cv2.INTER_AREA).astype(np.uint8)
    path = make_still(tmp_path / "a.mp4", shown)
    got = normalize(path, tmp_path / "out", WIDE, **cropped(x, y, w, h, 480))
    mine, other = (SEAT, OTHER_SEAT) if side == "left" else (OTHER_SEAT, SEAT)
    assert share_of(got.frames[5], mine) > 0.03
    assert share_of(got.frames[5], other) < 0.002
    assert got.row["framing"] == "region"
    assert got.row["crop_scale"] == height / 480
    assert got.row["faces_max"] == 1
    left, right = got.box[0], got.box[0] + got.box[2]
    scale, seam = 512 / got.box[2], 360 * height // 480
    if near_seam:
        assert left < seam < right, "the square crosses the border"
        edge = round((seam - left) * scale)
        beyond = got.frames[5][:, edge + 6 :] if side == "left" else got.frames[5][:, : edge - 6]
        assert beyond.max() < 16, "and is black there"
        inside = got.frames[5][:, edge - 30 : edge - 6] if side == "left" else got.frames[5][:, edge + 6 : edge + 30]
        assert inside.mean() > 40


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real clips of ../shared")
@pytest.mark.parametrize("side", ["left", "right"])
def test_real_faces_side_by_side(tmp_path: Path, side: str) -> None:
    """As in a dialog: two pictures of 360x240 between black bars."""
    clips = [SHARED / f"data/clips/WDA_{name}_000.mp4" for name in ("KatieHill", "AlexandriaOcasioCortez")]
    small = "fps=30,scale=240:240,pad=360:240:60:0:gray"
    graph = f"[0]{small}[l];[1]{small}[r];[l][r]hstack,pad=720:480:0:120"
    shown = ["-filter_complex", graph, "-t", "2", "-c:v", "mpeg4", "-q:v", "3", "-g", "300", "-an"]
    make("-i", clips[0], "-i", clips[1], *shown, tmp_path / "a.avi")
    x, y, w, h = half((720, 480), "left" if side == "left" else "right")
    got = normalize(tmp_path / "a.avi", tmp_path / "out", start=0.5, end=1.5, **cropped(x, y, w, h, 480))
    box = got.box
    assert Box(*box).within(Box(x, y, w, h)) == Box(*box)
    assert got.metrics["faces_max"] == 1
    assert got.metrics["face_share"] == 1
    assert len(got.frames) == 25

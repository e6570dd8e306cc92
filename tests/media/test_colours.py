"""What a video's colour tags mean, and what is assumed where they are missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from portrait_prep.media.colours import BT709, GREY, RGB, YUV, Colours, Tags
from portrait_prep.media.probe import probe
from tests.clips import make

NONE = Tags(None, None, None, None)
CASES = {
    "nothing, HD": (NONE, YUV, True, BT709),
    "nothing, SD": (NONE, YUV, False, replace(BT709, matrix="smpte170m")),
    "nothing, RGB": (NONE, RGB, False, replace(BT709, matrix="gbr", range="pc")),
    "nothing, grey": (NONE, GREY, False, BT709),
    "only HLG": (
        Tags(None, "arib-std-b67", None, None),
        YUV,
        False,
        Tags("bt2020", "arib-std-b67", "bt2020nc", "tv"),
    ),
    "only the wide primaries": (Tags("bt2020", None, None, None), YUV, True, Tags("bt2020", "bt709", "bt2020nc", "tv")),
    "only the wide matrix": (Tags(None, None, "bt2020nc", "tv"), YUV, True, Tags("bt2020", "bt709", "bt2020nc", "tv")),
    "YUV that calls itself RGB": (replace(BT709, matrix="gbr"), YUV, True, BT709),
    "RGB that calls itself limited": (BT709, RGB, True, replace(BT709, matrix="gbr", range="pc")),
    "full range, else nothing": (replace(NONE, range="pc"), YUV, True, replace(BT709, range="pc")),
}


@pytest.mark.parametrize("case", CASES)
def test_missing_tags_mean_what_players_assume(case: str) -> None:
    tags, layout, hd, meaning = CASES[case]
    colours = Colours(tags, layout, hd)
    assert colours.meaning == meaning
    assert set(colours.assumed) == {name for name in vars(tags) if getattr(tags, name) is None}


@pytest.mark.parametrize(
    ("size", "matrix"),
    [("640x480", "smpte170m"), ("1024x576", "smpte170m"), ("720x1280", "bt709"), ("1280x544", "bt709")],
)
def test_the_size_tells_sd_from_hd(tmp_path: Path, size: str, matrix: str) -> None:
    make("-f", "lavfi", "-i", f"testsrc=s={size}:d=0.2", "-pix_fmt", "yuv420p", "-c:v", "mpeg4", tmp_path / "a.avi")
    colours = probe(tmp_path / "a.avi").colours
    assert colours.tags == NONE
    assert colours.assumed["matrix"] == matrix


def test_tags_are_read(tmp_path: Path) -> None:
    tags = "setparams=color_primaries=smpte432:color_trc=iec61966-2-1:colorspace=bt470bg:range=pc"
    make("-f", "lavfi", "-i", "testsrc=d=0.2", "-vf", f"format=yuv420p,{tags}", "-c:v", "libx264", tmp_path / "a.mp4")
    assert probe(tmp_path / "a.mp4").colours.tags == Tags("smpte432", "iec61966-2-1", "bt470bg", "pc")

"""What x264 was told, as it notes in each mp4, and what the settings say."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from portrait_prep.media.ffmpeg import run, video_input
from portrait_prep.media.probe import probe
from portrait_prep.stages.normalize import NormalizeParams
from tests.clips import make, portrait, steady, write_clip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("encode") / "a.mp4", steady(25, 1), portrait(128, 128))


def noted(mp4: Path) -> dict[str, str]:
    """x264's own note of its options."""
    found = re.search(rb"x264 - core.*?options: ([ -~]+)", mp4.read_bytes())
    assert found
    return dict(option.split("=", 1) for option in found[1].decode().split())


def told(source: Path, **settings: Any) -> dict[str, str]:
    mp4 = source.with_name("settings.mp4")
    frames = video_input(source, probe(source))["v:0"]
    run(frames.output(str(mp4), **NormalizeParams(**settings).h264), lambda pipe: pipe.read())
    return noted(mp4)


@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "veryfast", "medium"])
@pytest.mark.parametrize("fast_decode", [True, False])
def test_presets_of_x264_mean_what_they_do_there(source: Path, preset: str, fast_decode: bool) -> None:
    mp4 = source.with_name("plain.mp4")
    tune = ["-tune", "fastdecode"] if fast_decode else []
    make("-i", source, "-c:v", "libx264", "-preset", preset, *tune, "-crf", "17", "-g", "25", "-threads", "1", mp4)
    assert told(source, preset=preset, fast_decode=fast_decode) == noted(mp4)


def test_portrait_is_superfast_at_an_even_quality(source: Path) -> None:
    ours, theirs = told(source), told(source, preset="superfast")
    changed = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    assert {name: ours.get(name) for name in changed} == {"b_adapt": "0", "aq": "0", "qcomp": "1.00"}


@pytest.mark.parametrize("preset", ["placebo", ["veryfast"], 3, None])
def test_other_presets_are_refused_by_name(preset: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        NormalizeParams.model_validate({"preset": preset})
    assert [error["loc"] for error in refused.value.errors()] == [("preset",)]

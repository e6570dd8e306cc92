"""What the tests of all views share: real clips through all stages, and faces made of a script."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.views import moving_faces
from tests.whole.runs import CLIPS, portrait_prep

TAKEN: Mapping[str, int] = {"portrait_d12": 5, "WDA_KatieHill_000": 1, "portrait_d20": 1}
"""Clip -> how often it follows upon itself: 915, 200 and 175 frames."""


@pytest.fixture(scope="session")
def clips_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three real clips, done at all stages and accepted; not to be written to. `portrait_d12` is long by repetition."""
    if not CLIPS.is_dir():
        pytest.skip(f"the real clips are not here ({CLIPS})")
    root = tmp_path_factory.mktemp("clips")
    sources = root / "sources"
    sources.mkdir()
    for name, times in TAKEN.items():
        listing = root / f"{name}.txt"
        listing.write_text(f"file '{CLIPS / name}.mp4'\n" * times)
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "concat", "-safe", "0"]
        subprocess.run([*command, "-i", str(listing), "-c", "copy", str(sources / f"{name}.mp4")], check=True)
    added = portrait_prep("init", "folder", "--source", sources, "--subject-from", "each", "-w", root / "w")
    assert added.returncode == 0, added.stderr
    settings = root / "w" / "pipeline.toml"
    settings.write_text(settings.read_text().replace("max_lag = 5", "max_lag = 20"))  # one is 7 frames out of step
    done = portrait_prep("run", "--workers", "0", "-w", root / "w")
    assert done.returncode == 0, done.stderr
    return root / "w"


@pytest.fixture(scope="session")
def moving_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of `moving_faces`; not to be written to."""
    return moving_faces.make(tmp_path_factory.mktemp("moving") / "w")

"""The torso switched to face parsing, and back, in a workspace; the weights are random ones."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from portrait_prep.cli.opening import open_session
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.stages.order import STAGES
from tests.stages.models.random_bisenet import publish
from tests.whole.runs import CLIPS, columns, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


def bring_up_to_date(root: Path) -> list[str]:
    """Run all stages in this process, which alone knows the random weights; return what was told to be stale."""
    session = open_session(root)
    selection = session.select((), (), retry_failed=False)
    told = list(DryRun(session, selection).lines())
    run_counts, _ = session.run(selection, workers=0)
    assert run_counts.failed.total() == 0
    return told


def switch(root: Path, before: str, after: str) -> None:
    settings = root / "pipeline.toml"
    text = settings.read_text("utf-8")
    assert f'backend = "{before}"' in text
    settings.write_text(text.replace(f'backend = "{before}"', f'backend = "{after}"'), "utf-8")


def written(root: Path) -> dict[str, int]:
    """When each stage's tables were written."""
    return {
        stage.name: max(path.stat().st_mtime_ns for path in (root / stage.name).glob("*.parquet"))
        for stage in STAGES
        if stage.on is None
    }


def test_the_torso_is_switched_to_face_parsing_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, root = tmp_path / "clips", tmp_path / "w"
    clips.mkdir()
    cut = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        CLIPS / "portrait_d0.mp4",
        "-t",
        "0.8",
        clips / "a.mp4",
    ]
    subprocess.run(cut, check=True)
    assert portrait_prep("init", "folder", "-w", root, "--source", clips).returncode == 0
    monkeypatch.setenv("PORTRAIT_PREP_WORKSPACE", str(root))
    bring_up_to_date(root)
    first, before = columns(root, "torso", "a", "shoulders", "visible"), written(root)
    assert first[1].all()

    switch(root, "selfie", "bisenet")
    refused = portrait_prep("run", "-w", root)
    assert refused.returncode == 2
    assert "portrait-prep models fetch bisenet" in refused.stderr
    assert refused.stderr.strip().count("\n") == 0

    (tmp_path / "weights").mkdir()
    publish(tmp_path / "weights", monkeypatch)
    monkeypatch.setenv("PORTRAIT_PREP_WORKSPACE", str(root))
    told = bring_up_to_date(root)
    assert any(line.startswith("torso") and "setting backend changed" in line for line in told)
    shoulders, visible = columns(root, "torso", "a", "shoulders", "visible")
    assert np.isfinite(shoulders).all()
    assert not visible.any()
    after = written(root)
    assert {name for name in before if before[name] != after[name]} == {"torso", "stats"}

    switch(root, "bisenet", "selfie")
    bring_up_to_date(root)
    for one, again in zip(first, columns(root, "torso", "a", "shoulders", "visible"), strict=True):
        np.testing.assert_array_equal(one, again)

"""Switching `headpose.backend` in a workspace: what stands on the angles is computed again, and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from tests.whole.runs import CLIPS, SHARED, columns, portrait_prep

pytest.importorskip("torch", reason="PyTorch is not here: the network cannot be exported")
WEIGHTS = SHARED / "data" / "models" / "tddfa_mb05_120x120.pth"
pytestmark = [
    pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"the published weights are not at {WEIGHTS}"),
    pytest.mark.slow,
]
CLIP = "portrait_d11"


def switch(root: Path, before: str, after: str) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace(f'backend = "{before}"', f'backend = "{after}"'))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which all is done, with the default backend."""
    root, source = tmp_path_factory.mktemp("backends") / "w", tmp_path_factory.mktemp("clips")
    for name in (CLIP, "portrait_d18"):
        (source / f"{name}.mp4").symlink_to(CLIPS / f"{name}.mp4")
    assert portrait_prep("init", "folder", "-w", root, "--source", source).returncode == 0
    done = portrait_prep("run", "-w", root, "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def test_there_and_back(finished: Path) -> None:
    plain = columns(finished, "headpose", CLIP, "euler", "canonical")
    switch(finished, "procrustes", "tddfa")
    without = portrait_prep("run", "-w", finished)
    assert without.returncode == 2
    assert without.stderr.count("\n") == 1
    assert "tddfa_mb05_120x120.pth" in without.stderr

    (finished / "models").mkdir()
    (finished / "models" / WEIGHTS.name).symlink_to(WEIGHTS)
    there = portrait_prep("run", "-w", finished, "--workers", "2")
    assert there.returncode == 0, there.stdout + there.stderr
    for told in ("normalize 0", "landmarks 0", "headpose 2", "torso 2", "speech 0"):
        assert told in there.stdout
    assert portrait_prep("audit", "--deep", "-w", finished).returncode == 0
    (euler,) = columns(finished, "headpose", CLIP, "euler")
    apart = np.abs(euler - plain[0]).mean(axis=0)
    assert (apart > 0.1).all()
    assert (apart < 6).all()

    switch(finished, "tddfa", "procrustes")
    back = portrait_prep("run", "-w", finished, "--workers", "2")
    assert back.returncode == 0, back.stdout + back.stderr
    for before, after in zip(plain, columns(finished, "headpose", CLIP, "euler", "canonical"), strict=True):
        np.testing.assert_array_equal(before, after)

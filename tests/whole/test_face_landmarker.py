"""The face landmarker in a workspace: switched to, run on all stages, switched back."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.whole.contract import check_columns, check_media
from tests.whole.runs import CLIPS, SHARED, columns, portrait_prep

FILE = SHARED / "data" / "models" / "face_landmarker.task"
NAMES = ("portrait_d0", "portrait_d18")
SHARD = "landmarks/folder-00000.parquet"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CLIPS.is_dir() and FILE.is_file()), reason="real clips and models are not here"),
]


def switch(root: Path, old: str, new: str) -> None:
    settings = (root / "pipeline.toml").read_text()
    assert settings.count(f'backend = "{old}"') == 1
    (root / "pipeline.toml").write_text(settings.replace(f'backend = "{old}"', f'backend = "{new}"'))


def run(root: Path, *arguments: str) -> str:
    """What it says it computed."""
    done = portrait_prep("run", "-w", root, "--workers", "1", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    audit = portrait_prep("audit", "-w", root)
    assert arguments or audit.returncode == 0, audit.stdout
    return next(line for line in done.stdout.splitlines() if line.startswith("Computed"))


def test_there_and_back(tmp_path: Path) -> None:
    folder, root = tmp_path / "clips", tmp_path / "w"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.mp4").symlink_to(CLIPS / f"{name}.mp4")
    portrait_prep("init", "folder", "-w", root, "--source", folder)
    run(root)
    plain = pq.read_table(root / SHARD)
    assert "blendshapes" not in plain.column_names

    switch(root, "facemesh", "face_landmarker")
    refused = portrait_prep("run", "-w", root)
    assert refused.returncode == 2
    assert f"'portrait-prep models fetch face_landmarker -w {root}'" in refused.stderr
    (root / "models").mkdir()
    shutil.copy(FILE, root / "models")
    affected = "download 0, normalize 0, landmarks 2, headpose 2, torso 2, speech 0, stats 2"
    assert affected in run(root)
    for name in NAMES:
        check_columns(root, name, check_media(root, name))
        (scores,) = columns(root, "landmarks", name, "blendshapes")
        assert scores.shape[1:] == (52,)
        assert np.isfinite(scores).all()

    switch(root, "face_landmarker", "facemesh")
    assert "landmarks 1, headpose 1, torso 1" in run(root, "--only", NAMES[0])
    assert "landmarks 1, headpose 1, torso 1" in run(root)
    assert pq.read_table(root / SHARD).equals(plain)

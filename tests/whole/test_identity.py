"""The identity stage switched on and off in a workspace; the weights are random ones."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from portrait_prep.cli.audit import audit
from portrait_prep.cli.opening import open_session
from portrait_prep.cli.segment import segment
from portrait_prep.pipeline.auditing.audit import Audit
from tests.stages.models.random_sface import publish
from tests.stages.recordings.footage import Shot, frames_of, of_animator, write
from tests.whole.runs import CLIPS, columns, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


def computed(root: Path) -> dict[str, int]:
    """Run all stages in this process, which alone knows the random weights; stage -> videos that were computed."""
    session = open_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    assert run_counts.failed.total() == 0
    return dict(+run_counts.computed)


def switched_on(settings: str) -> str:
    """The text of settings with the recogniser on."""
    before, section = settings.split("[identity]")
    return f"{before}[identity]" + section.replace('backend = "off"', 'backend = "sface"', 1)


def test_it_is_switched_on_and_off_and_makes_only_itself_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, root = tmp_path / "clips", tmp_path / "w"
    clips.mkdir()
    for name, source in (("ann_1", "portrait_d0"), ("ann_2", "portrait_d9")):
        cut = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", CLIPS / f"{source}.mp4", "-t", "0.8"]
        subprocess.run([*cut, clips / f"{name}.mp4"], check=True)
    assert portrait_prep("init", "folder", "-w", root, "--source", clips).returncode == 0
    (root / "models").mkdir()
    publish(root / "models", monkeypatch)
    monkeypatch.setenv("PORTRAIT_PREP_WORKSPACE", str(root))

    settings = root / "pipeline.toml"
    off = settings.read_text("utf-8")
    assert "identity" not in computed(root), "a file that is there switches nothing on"
    assert "identity" not in portrait_prep("status", "-w", root).stdout
    assert portrait_prep("review", "accept", "ann_1", "ann_2", "--why", "short", "-w", root).returncode == 0
    refused = portrait_prep("identities", "-w", root)
    assert refused.returncode == 2
    assert "The stage 'identity' is off: set its backend in [identity] of pipeline.toml." in refused.stderr

    settings.write_text(switched_on(off), "utf-8")
    assert computed(root) == {"identity": 2}
    assert computed(root) == {}
    assert not list(Audit(open_session(root), deep=True).findings())
    told = portrait_prep("identities", "-w", root)
    assert told.returncode in (0, 1), told.stderr
    assert "2 videos of 1 subject compared: " in told.stdout
    (embedding,) = columns(root, "identity", "ann_1", "embedding")
    assert np.linalg.norm(embedding[0]) == pytest.approx(1, abs=1e-5)

    settings.write_text(off, "utf-8")
    assert computed(root) == {}


def test_segments_are_joined_anew_and_nothing_else_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, root = tmp_path / "recordings", tmp_path / "w"
    source.mkdir()
    shots = [Shot(of_animator(name, (480, 270)), 40) for name in ("astronaut", "double")]
    write(source / "talk.mp4", frames_of(shots), (480, 270))
    assert segment(source=source, workspace=root, workers=0) == 0
    (root / "models").mkdir()
    publish(root / "models", monkeypatch)
    settings, table = root / "pipeline.toml", root / "segments.parquet"
    off, before = settings.read_text("utf-8"), table.read_bytes()
    settings.write_text(switched_on(off), "utf-8")
    assert segment(workspace=root, workers=0) == 0
    (embedding,) = columns(root / "recordings", "identity", "talk-p0000", "embedding")
    lengths = np.linalg.norm(embedding, axis=2)
    assert lengths[np.isfinite(lengths)] == pytest.approx([1, 1], abs=1e-3)
    assert audit(workspace=root, deep=True, sample=1, workers=0) == 0
    settings.write_text(off, "utf-8")
    assert segment(workspace=root, workers=0) == 0
    assert table.read_bytes() == before
    assert audit(workspace=root, deep=True, workers=0) == 0

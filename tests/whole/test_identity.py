"""The identity stage switched on and off in a workspace; the weights are random ones."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from portrait_prep.cli.opening import open_session
from portrait_prep.pipeline.auditing.audit import Audit
from tests.stages.models.random_sface import publish
from tests.whole.runs import CLIPS, columns, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


def computed(root: Path) -> dict[str, int]:
    """Run all stages in this process, which alone knows the random weights; stage -> videos that were computed."""
    session = open_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    assert run_counts.failed.total() == 0
    return dict(+run_counts.computed)


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

    before, section = off.split("[identity]")
    settings.write_text(f"{before}[identity]" + section.replace('backend = "off"', 'backend = "sface"', 1), "utf-8")
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

"""Face parsing switched on and off in a workspace beside torso's bisenet; the weights are random ones."""

import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from portrait_prep.cli.opening import open_session
from portrait_prep.media.frames import read_frames
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.auditing.sample import Sample
from portrait_prep.stages.models.engines import Network
from portrait_prep.views.reading.masks import CLASSES, mask_of
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.visual.report.page import write_report
from tests.stages.models.random_bisenet import publish
from tests.stages.models.test_bisenet import reference
from tests.whole.runs import CLIPS, columns, portrait_prep

pytestmark = pytest.mark.skipif(not CLIPS.is_dir(), reason=f"the real clips are not at {CLIPS}")


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames the network got at a time."""
    run, given = Network.__call__, list[int]()

    def counted(network: Network, rows: NDArray[Any]) -> NDArray[Any]:
        given.append(len(rows))
        return run(network, rows)

    monkeypatch.setattr(Network, "__call__", counted)
    return given


def computed(root: Path) -> dict[str, int]:
    """Run all stages in this process, which alone knows the random weights; stage -> videos that were computed."""
    session = open_session(root)
    run_counts, _ = session.run(session.select((), (), retry_failed=False), workers=0)
    assert run_counts.failed.total() == 0
    return dict(+run_counts.computed)


def switch(root: Path, section: str, before: str, after: str) -> None:
    settings = root / "pipeline.toml"
    above, below = settings.read_text("utf-8").split(f"[{section}]")
    assert f'backend = "{before}"' in below
    settings.write_text(f"{above}[{section}]" + below.replace(f'"{before}"', f'"{after}"', 1), "utf-8")


def shoulders(root: Path) -> list[NDArray[Any]]:
    return columns(root, "torso", "a", "shoulders", "visible", "billboard")


def test_it_makes_only_itself_stale_and_one_pass_serves_torso_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked: list[int]
) -> None:
    clips, root = tmp_path / "clips", tmp_path / "w"
    clips.mkdir()
    cut = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", CLIPS / "portrait_d0.mp4", "-t", "0.6"]
    subprocess.run([*cut, clips / "a.mp4"], check=True)
    assert portrait_prep("init", "folder", "-w", root, "--source", clips).returncode == 0
    (root / "models").mkdir()
    weights = publish(root / "models", monkeypatch)
    monkeypatch.setenv("PORTRAIT_PREP_WORKSPACE", str(root))

    switch(root, "torso", "selfie", "bisenet")
    frames = 15
    assert "parsing" not in computed(root)
    assert "parsing" not in portrait_prep("status", "-w", root).stdout
    alone = shoulders(root)
    assert sum(looked) == frames

    looked.clear()
    switch(root, "parsing", "off", "bisenet")
    assert computed(root) == {"parsing": 1}
    assert sum(looked) == frames
    for folder in ("torso", "parsing"):
        for path in (root / folder).glob("*.parquet"):
            path.unlink()

    looked.clear()
    assert computed(root) == {"torso": 1, "parsing": 1}
    assert sum(looked) == frames, "one pass for both"
    for one, other in zip(alone, shoulders(root), strict=True):
        np.testing.assert_array_equal(one, other)
    assert computed(root) == {}
    assert not list(Audit(open_session(root), deep=True, sample=Sample(1, workers=0)).findings())

    (classes,) = columns(root, "parsing", "a", "classes")
    expected = reference(weights, list(read_frames(root / "media" / "a.mp4"))[:2]).argmax(axis=1)[:, ::4, ::4]
    assert (classes[:2] == expected).mean() > 0.999
    with Reader(root, (CLASSES,), accepted=None) as reader:
        read = reader.read(0)[CLASSES]
    np.testing.assert_array_equal(read, classes)
    assert 0 < mask_of(read, "background").mean() < 1
    assert "parsing" in write_report(open_session(root)).read_text("utf-8")

    looked.clear()
    switch(root, "parsing", "bisenet", "off")
    assert computed(root) == {}
    assert not looked


@pytest.mark.parametrize("kept", [0, 0.5])
def test_wrong_weights_end_a_run_in_one_sentence(kept: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, root = tmp_path / "clips", tmp_path / "w"
    clips.mkdir()
    (clips / "a.mp4").write_bytes((CLIPS / "portrait_d0.mp4").read_bytes())
    assert portrait_prep("init", "folder", "-w", root, "--source", clips).returncode == 0
    switch(root, "parsing", "off", "bisenet")
    missing = portrait_prep("run", "parsing", "-w", root)
    assert missing.returncode == 2
    assert "portrait-prep models fetch bisenet" in missing.stderr
    (root / "models").mkdir()
    path = publish(root / "models", monkeypatch)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    wrong = portrait_prep("run", "parsing", "-w", root)
    assert wrong.returncode == 2
    assert wrong.stderr.strip().count("\n") == 0
    assert "79999_iter.pth" in wrong.stderr
    assert "Traceback" not in wrong.stderr

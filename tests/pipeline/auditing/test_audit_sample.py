"""A sample is recomputed from its sources, inside the workspace, and every column and metric compared exactly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from portrait_prep.pipeline.auditing.audit import Audit, Finding, Sample
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.session import Session
from tests.pipeline.damage import audited, forge, keys_of, obey, rewrite_manifests
from tests.pipeline.toy import add_videos, numbers, toy_session

PROJECT = Path(__file__).parents[3]
VIDEOS = {"a1": numbers(300), "a2": numbers(30), "b1": numbers(40, 3), "bad": "1 bad"}
GOOD = 3


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = add_videos(tmp_path / "w", VIDEOS)
    session.run(session.select((), (), False), workers=0)
    return session


def sampled(session: Session, size: int = GOOD, seed: int = 0) -> list[Finding]:
    return list(Audit(toy_session(session.workspace.root), sample=Sample(size, seed, workers=0)).findings())


def snapshot(root: Path) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in root.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_same_sources_give_the_same_tables(session: Session) -> None:
    before = snapshot(session.workspace.root.parent)
    assert sampled(session) == []
    assert sampled(session, size=100) == []
    assert snapshot(session.workspace.root.parent) == before
    assert os.environ["PORTRAIT_PREP_WORKSPACE"] == str(session.workspace.root)


def test_a_seed_draws_the_same_videos_in_whatever_order_they_come(session: Session) -> None:
    videos = session.videos
    assert all(Sample(2, seed).of(videos) == Sample(2, seed).of(videos[::-1]) for seed in range(20))
    assert len({tuple(video.video_id for video in Sample(2, seed).of(videos)) for seed in range(20)}) > 2
    assert Sample(9).of(videos) == sorted(videos, key=lambda video: video.video_id)


@pytest.mark.parametrize("bent", [{260: (0.5, 0.0), 270: (0.0, -7.0)}, {20: (0.0, -7.0), 260: (0.5, 0.0)}])
def test_a_deviation_that_nothing_else_shows_is_named_with_column_and_frame(
    session: Session, bent: dict[int, tuple[float, float]]
) -> None:
    seen = 0

    def bend(batch: Batch) -> Batch:
        nonlocal seen
        pair, start = batch["pair"].copy(), seen
        seen += len(pair)
        for frame, by in bent.items():
            if start <= frame < seen:
                pair[frame - start] += by
        return {"pair": pair}

    forge(session, "scale", "a1", bend)
    forge(session, "total", "a1", lambda batch: {"total": batch["total"] + 0.5})
    (session.workspace.root / "total/reduction.json").unlink()
    (session.workspace.root / "total/all.parquet").unlink()
    rewrite_manifests(session)
    assert audited(session, deep=True) == []
    findings = sampled(session)
    assert keys_of(findings) == {("deviation", "scale/toy-00000.parquet", "a1")}
    assert findings[0].problem == f"recomputed from its source, pair differs by up to 7, first in frame {min(bent)}"
    obey(session, findings)
    assert sampled(session) == audited(session, deep=True) == []


def test_a_metric_that_deviates_is_named(session: Session) -> None:
    forge(session, "count", "a2", update={"metrics": {"seconds": 99}})
    rewrite_manifests(session)
    assert audited(session, deep=True) == []
    findings = sampled(session)
    assert keys_of(findings) == {("deviation", "count/toy-00000.parquet", "a2")}
    assert findings[0].problem == "recomputed from its source, the metric seconds is 1.2, not 99"
    obey(session, findings)
    assert sampled(session) == []


def test_only_what_was_drawn_is_compared(session: Session) -> None:
    forge(session, "count", "a2", update={"metrics": {"seconds": 99}})
    rewrite_manifests(session)
    found = [bool(sampled(session, size=1, seed=seed)) for seed in range(12)]
    drawn = [Sample(1, seed).of([video for video in session.videos if video.video_id != "bad"]) for seed in range(12)]
    assert found == [videos[0].video_id == "a2" for videos in drawn]
    assert True in found
    assert False in found


def test_rows_too_few_are_named(session: Session) -> None:
    forge(session, "total", "a1", lambda batch: {"total": np.zeros(1)})
    rewrite_manifests(session)
    assert [finding.problem for finding in sampled(session)][-1].startswith("recomputed from its source, total differs")


def test_a_source_that_is_away_cannot_be_recomputed(session: Session) -> None:
    Path(session.videos[0].source).unlink()
    (finding,) = sampled(session)
    assert keys_of([finding]) == {("not recomputed", "count/toy-00000.parquet", "a1")}
    assert "count failed" in finding.problem
    assert finding.remedy.commands(session.workspace.root) == []


def test_what_is_damaged_already_is_not_drawn(session: Session) -> None:
    (session.workspace.root / "media/a1.txt").unlink()
    assert keys_of(sampled(session)) == {("missing media", "media/a1.txt", "a1")}


def test_without_any_finished_video_nothing_is_drawn(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"bad": "1 bad"})
    session.run(session.select((), (), False), workers=0)
    assert sampled(session) == []


KILLED = """
import sys
from pathlib import Path
from portrait_prep.pipeline.auditing.audit import Audit, Sample
from tests.pipeline.toy import toy_session
session = toy_session(Path(sys.argv[1]))
with session.workspace.lock():
    list(Audit(session, sample=Sample(1, workers=0)).findings())
"""


def test_a_killed_sample_leaves_what_the_next_run_sweeps(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"v": "slow slow slow slow 1"})
    session.run(session.select((), (), False), workers=0)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(session.workspace.root)], cwd=PROJECT)
    scratch = wait_for_scratch(session.workspace.root)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scratch.is_dir()
    findings = audited(session)
    assert keys_of(findings) == {("temporary", scratch.name, "")}
    obey(session, findings)
    assert not scratch.exists()
    assert audited(session) == []


def wait_for_scratch(root: Path) -> Path:
    for _ in range(400):
        if found := list(root.glob(".tmp-*/count/.tmp-*")):
            return found[0].parents[1]
        time.sleep(0.02)
    raise TimeoutError("no scratch folder came")

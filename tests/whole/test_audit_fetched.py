"""An audit of what was fetched: nothing is fetched again, and nothing is written beside it."""

from pathlib import Path

import pytest

from portrait_prep.cli.opening import open_session
from portrait_prep.pipeline.auditing.audit import Audit, Sample
from tests.clips import clicks, portrait, steady, write_clip
from tests.hdtf_lists import lists
from tests.pipeline.damage import audited, flip, keys_of, obey
from tests.stages.fetch.server import Server
from tests.whole.runs import portrait_prep


@pytest.mark.slow
def test_a_sample_of_what_was_fetched_asks_nobody(tmp_path: Path, server: Server) -> None:
    film = write_clip(
        tmp_path / "film.mp4", steady(25, 3), portrait(256, 256, 0.4), sound=clicks(3, 48000, [1.0])
    ).read_bytes()
    rows = [("Ann", 240, "00:00-00:02", [""])]
    lists(tmp_path / "lists", rows, addresses={"Ann": server.put("/ann.mp4", film)})
    root = tmp_path / "w"
    assert portrait_prep("init", "hdtf", "-w", root, "--annotations", tmp_path / "lists").returncode == 0
    assert portrait_prep("run", "-w", root, "--workers", "1").returncode == 0
    asked = len(server.of("/ann.mp4"))
    before = {path: path.lstat().st_mtime_ns for path in (root / "sources").rglob("*")}
    session = open_session(root)
    assert list(Audit(session, deep=True, sample=Sample(1, workers=0)).findings()) == []
    assert len(server.of("/ann.mp4")) == asked
    assert {path: path.lstat().st_mtime_ns for path in (root / "sources").rglob("*")} == before
    fetched = (root / "sources/WDA_Ann_000.mp4").resolve()
    flip(fetched)
    findings = audited(session, deep=True)
    (video_id,) = (video.video_id for video in session.videos)
    assert keys_of(findings) == {("proof", f"download/{session.videos[0].shard}.parquet", video_id)}
    assert f"rm {fetched}" in findings[0].to_json(root)["commands"]
    obey(session, findings)
    assert audited(session, deep=True) == []
    assert len(server.of("/ann.mp4")) > asked

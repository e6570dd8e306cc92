"""Very many videos, through all stages: what is said of them follows a threshold without any being computed."""

from pathlib import Path

import pytest

from benchmarks.multiply import finished, multiply
from benchmarks.rejudge import THRESHOLDS, judge_by
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.session import Session

VIDEOS = 1000
SECONDS = 0.8
"""Of this process, for verdicts: 10,000 take ten times as long, and a busy machine may take half as long again."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_judging_anew_takes_seconds(tmp_path: Path) -> None:
    many = multiply(finished(tmp_path / "few"), tmp_path / "many", VIDEOS)
    run_counts, _ = many.run(many.select((), (), retry_failed=False), workers=0)
    assert not run_counts.computed
    found = [judge_by(tmp_path / "many", seconds) for seconds in THRESHOLDS.values()]
    assert [timing.accepted for timing in found] == [VIDEOS, VIDEOS // 2, VIDEOS // 2]
    assert not any(timing.computed for timing in found)
    assert max(timing.whole.own - timing.statistics.own for timing in found) < SECONDS
    assert list(Audit(Session(many.workspace, many.stages)).findings()) == []

"""Decisions of people hold through runs, `init` and rebuilt manifests, and all that rests on verdicts follows."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, WorkspaceBusy
from portrait_prep.manifests.verdict import Decision, Review, Reviewed
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.reviewing import ReviewResult, decide
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import SHORT, add_videos, numbers, toy_session

THREE = {"a1": numbers(30), "a2": numbers(12), "b1": "1 2 bad"}
"""a2 lasts half a second, which the rules reject; b1 fails."""


def go(session: Session) -> None:
    session.run(session.select((), (), retry_failed=False), workers=0)


def review(root: Path, decision: Decision, *video_ids: str) -> ReviewResult:
    told = Review(decision=decision, why="I looked", who="ann", when="2026-01-02T03:04:05+00:00")
    return decide(toy_session(root), video_ids, told)


def quality(root: Path, video_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "manifests" / f"{video_id}.json").read_text())["quality"]
    return found


def joined(root: Path) -> list[str]:
    return list(pq.read_table(root / "total" / "all.parquet")["video_id"].to_pylist())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reviewing") / "w"
    settings = add_videos(root, THREE).workspace.settings
    settings.write_text(settings.read_text().replace("min_seconds = 0.0", "min_seconds = 1.0"))
    go(toy_session(root))
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "w"))


def test_a_decision_is_seen_at_once_everywhere(root: Path) -> None:
    assert joined(root) == ["a1"]
    review(root, "accept", "a2")
    assert joined(root) == ["a1", "a2"]
    told = quality(root, "a2")
    assert told["accepted"]
    assert told["review"] == {
        "decision": "accept",
        "why": "I looked",
        "who": "ann",
        "when": "2026-01-02T03:04:05+00:00",
    }
    assert (told["rules"], told["overruled"], told["overruled_rules"]) == ([], [SHORT], ["min_seconds"])
    rows = {row["video_id"]: row for row in pq.read_table(root / "manifests.parquet").to_pylist()}
    assert (rows["a2"]["accepted"], rows["a2"]["review"], rows["a2"]["review_who"]) == (True, "accept", "ann")
    assert rows["a1"]["review"] is None
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_several_at_once_and_back_again(root: Path) -> None:
    before = quality(root, "a1")
    outcome = review(root, "reject", "a1", "b1")
    assert outcome.status_counts.accepted == 0
    assert joined(root) == []
    assert quality(root, "a1") | {"review": None} == {
        "accepted": False,
        "reasons": ["ann rejected it: I looked"],
        "rules": [None],
        "overruled": [],
        "overruled_rules": [],
        "review": None,
    }
    decide(toy_session(root), ["a1"], None)
    assert quality(root, "a1") == before
    assert joined(root) == ["a1"]
    assert set(toy_session(root).reviews) == {"b1"}
    with pytest.raises(BadInput, match="no review of a1"):
        decide(toy_session(root), ["a1"], None)


def test_it_holds_through_runs_init_and_rebuilt_manifests(root: Path) -> None:
    review(root, "reject", "a1")
    shutil.rmtree(root / "manifests")
    (root / "manifests.parquet").unlink()
    text = (root / "pipeline.toml").read_text()
    (root / "pipeline.toml").write_text(text.replace("factor = 2.0", "factor = 3.0"))
    go(add_videos(root, THREE | {"c1": numbers(40)}))
    assert quality(root, "a1")["reasons"] == ["ann rejected it: I looked"]
    assert joined(root) == ["c1"]
    assert list(Audit(toy_session(root)).findings()) == []


def test_what_failed_a_stage_cannot_be_accepted(root: Path) -> None:
    with pytest.raises(BadInput, match=r"b1 cannot be accepted: count is failed \(it says bad\)"):
        review(root, "accept", "a2", "b1")
    assert toy_session(root).reviews == {}


def test_an_accepted_video_that_fails_later_is_not_accepted(root: Path) -> None:
    review(root, "accept", "a2")
    go(add_videos(root, THREE | {"a2": "1 bad"}))
    told = quality(root, "a2")
    assert not told["accepted"]
    assert told["reasons"][0] == "count is failed: it says bad"
    assert told["review"]["decision"] == "accept"
    assert joined(root) == ["a1"]


def test_before_any_run_a_decision_waits(tmp_path: Path) -> None:
    root = tmp_path / "w"
    add_videos(root, THREE)
    outcome = review(root, "accept", "a2")
    assert isinstance(outcome.video_statuses[0].verdict, Reviewed)
    assert not outcome.video_statuses[0].verdict.accepted
    assert not (root / "total").exists()
    go(toy_session(root))
    assert joined(root) == ["a1", "a2"]


def test_what_joins_videos_waits_while_work_is_left(root: Path) -> None:
    text = (root / "pipeline.toml").read_text()
    (root / "pipeline.toml").write_text(text.replace("factor = 2.0", "factor = 3.0"))
    review(root, "accept", "a2")
    assert joined(root) == ["a1"]
    go(toy_session(root))
    assert joined(root) == ["a1", "a2"]


def test_nothing_is_noted_of_videos_that_are_not_there_or_while_a_run_is_on(root: Path) -> None:
    with pytest.raises(BadInput, match="no video 'z'"):
        review(root, "reject", "a1", "z")
    with toy_session(root).workspace.lock(), pytest.raises(WorkspaceBusy):
        review(root, "reject", "a1")
    assert toy_session(root).reviews == {}


def test_a_damaged_file_of_reviews_stops_a_run(root: Path) -> None:
    (root / "reviews.jsonl").write_text("{")
    with pytest.raises(BadInput, match=r"reviews.jsonl, line 1"):
        go(toy_session(root))

from itertools import combinations_with_replacement
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.pipeline.status.counts import ShardCounts, StatusCounts
from portrait_prep.pipeline.status.plan import State
from tests.pipeline.toy import SCALE, add_videos, numbers, toy_session

WORST_FIRST = [State.PENDING, State.STALE, State.FAILED, State.BLOCKED, State.DONE]


def summary(state: State) -> Any:
    video = SimpleNamespace(video_id="v", worked_on=True)
    verdict = Verdict(accepted=True, reasons=())
    return SimpleNamespace(video=video, states={"scale": state}, verdict=verdict, failures=[], earlier=None)


def test_a_shard_counts_as_what_its_worst_video_is() -> None:
    for worse, better in combinations_with_replacement(WORST_FIRST, 2):
        counts = StatusCounts([SCALE])
        counts.add(ShardCounts.of([SCALE], [summary(better), summary(worse)]))
        assert counts.by_shard["scale"] == {worse: 1}


def test_a_stage_is_settled_where_a_run_would_leave_every_video_as_it_is() -> None:
    for state in State:
        counts = StatusCounts([SCALE])
        counts.add(ShardCounts.of([SCALE], [summary(state), summary(State.DONE)]))
        assert counts.settled == ({"scale"} if state not in (State.PENDING, State.STALE) else set())


def test_while_a_source_is_away_what_is_done_stays_and_what_failed_is_to_be_tried_again(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 2", "a2": "1 bad"})
    session.run(session.select((), (), False), workers=0)
    for video in session.videos:
        Path(video.source).unlink()
    assert toy_session(tmp_path / "w").status_counts().by_video["count"] == {State.DONE: 1, State.STALE: 1}


def test_what_was_accepted_before_a_setting_changed_is_told_beside_what_waits(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, {"a1": numbers(30), "a2": numbers(12), "b1": "1 bad"})
    session.run(session.select((), (), retry_failed=False), workers=0)
    assert toy_session(root).status_counts().verdicts == "3 videos: 2 accepted, 1 not. Of these: 1 failed."
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("factor = 2.0", "factor = 3.0"))
    waiting = "0 accepted (2 were, before a change that waits for a run); videos (shards):"
    counts = toy_session(root).status_counts()
    assert counts.lines()[0] == f"3 videos, {waiting}"
    assert counts.to_json()["accepted_earlier"] == 2
    settings.write_text(settings.read_text().replace("min_seconds = 0.0", "min_seconds = 1.0"))
    assert toy_session(root).status_counts().to_json()["accepted_earlier"] == 1


def test_one_that_is_named_anew_and_cannot_be_seen_has_failed(tmp_path: Path) -> None:
    """What was read under the old name says nothing of the new one: a run would end as if all were well."""
    session = add_videos(tmp_path / "w", {"a1": "1 2"})
    session.run(session.select((), (), False), workers=0)
    (video,) = session.videos
    Path(video.source).unlink()
    write_catalogue(session.workspace.catalogue, [video.model_copy(update={"start": 1.0})])
    changed = toy_session(tmp_path / "w")
    _, counts = changed.run(changed.select((), (), False), workers=0)
    assert counts.by_video["count"] == {State.FAILED: 1}

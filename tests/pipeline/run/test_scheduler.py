"""What a run promises: whole files, one bad video alone, nothing computed twice, nothing dropped."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portrait_prep.errors import BadInput, MissingPrerequisite, WorkspaceBusy
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.pipeline.run.executor import InProcessExecutor
from portrait_prep.pipeline.run.scheduler import RunCounts, Scheduler
from portrait_prep.pipeline.run.task import compute
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.pipeline.status.plan import State
from tests.pipeline.toy import add_videos, numbers, tables, toy_session

FOUR = {"a1": numbers(600), "a2": numbers(30), "b1": numbers(251, 7), "b2": numbers(1, 5)}


def go(
    session: Session, stages: Sequence[str] = (), only: Sequence[str] = (), retry: bool = False
) -> tuple[RunCounts, StatusCounts]:
    return session.run(session.select(stages, only, retry), workers=0)


def set_value(root: Path, old: str, new: str) -> Session:
    path = root / "pipeline.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return toy_session(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "w"


def test_a_run_computes_everything_once(root: Path) -> None:
    session = add_videos(root, FOUR)
    run_counts, status_counts = go(session)
    assert run_counts.computed == {"count": 4, "scale": 4, "total": 4}
    assert all(counts == {State.DONE: 4} for counts in status_counts.by_video.values())
    again, _ = go(toy_session(root))
    assert not again.computed
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_rows_lie_in_frame_order_with_bounded_row_groups(root: Path) -> None:
    go(add_videos(root, FOUR))
    shard = toy_session(root).videos[0].shard
    file = pq.ParquetFile(root / "scale" / f"{shard}.parquet")
    table = file.read()
    rows = [row for row in table.to_pylist() if row["video_id"] == "a1"]
    assert [row["frame"] for row in rows] == list(range(600))
    assert [row["pair"] for row in rows] == [[2.0 * k, -2.0 * k] for k in range(600)]
    assert max(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)) <= 250


def test_one_bad_video_costs_no_other(root: Path) -> None:
    session = add_videos(root, FOUR | {"a2": "1 2 bad", "b2": "flaky"})
    run_counts, status_counts = go(session)
    assert +run_counts.failed == {"count": 2}
    assert status_counts.by_video["count"] == {State.DONE: 2, State.FAILED: 2}
    assert status_counts.by_video["scale"] == {State.DONE: 2, State.BLOCKED: 2}
    failures = {row["video_id"]: row for row in status_counts.failures}
    assert failures["a2"]["message"] == "it says bad"
    assert failures["a2"]["permanent"]
    assert failures["a2"]["attempts"] == 1
    assert failures["b2"]["attempts"] == 2
    assert not (root / "media" / "a2.txt").exists()
    assert list(Audit(toy_session(root)).findings()) == []


def test_a_failure_may_quote_a_name_that_is_not_unicode(root: Path) -> None:
    _, status_counts = go(add_videos(root, FOUR | {"b2": "unnamed"}))
    assert [row["message"] for row in status_counts.failures] == ["it is called o\\udcff"]
    assert toy_session(root).status_counts().failures == status_counts.failures
    assert json.loads((root / "manifests" / "b2.json").read_text())["stages"]["count"]["outcome"] == "failed"


def test_failures_are_tried_again_only_when_asked(root: Path) -> None:
    session = add_videos(root, FOUR | {"a2": "1 2 bad", "b2": "5 flaky"})
    go(session)
    assert not go(toy_session(root))[0].computed
    (Path(session.videos[3].source).with_suffix(".ok")).touch()
    run_counts, status_counts = go(toy_session(root), retry=True)
    assert run_counts.computed == {"count": 2, "scale": 1, "total": 1}
    assert [row["video_id"] for row in status_counts.failures] == ["a2"]
    assert status_counts.failures[0]["attempts"] == 2


def test_a_parameter_reruns_its_stage_and_what_stands_on_it(root: Path) -> None:
    go(add_videos(root, FOUR))
    run_counts, _ = go(set_value(root, "factor = 2.0", "factor = 3.0"))
    assert run_counts.computed == {"scale": 4, "total": 4}


def test_equal_upstream_bytes_keep_downstream_current(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    source = Path(session.videos[0].source)
    source.write_text(source.read_text())
    run_counts, _ = go(toy_session(root))
    assert run_counts.computed == {"count": 1}


def test_a_changed_source_reruns_that_video_only(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    Path(session.videos[0].source).write_text("1 2 3")
    run_counts, _ = go(toy_session(root))
    assert run_counts.computed == {"count": 1, "scale": 1, "total": 1}


def test_a_source_that_went_away_costs_nothing_until_it_is_back(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session, only=["a1"])
    for video in session.videos[:2]:
        Path(video.source).unlink()
    _, status_counts = go(toy_session(root))
    assert status_counts.by_video["count"] == {State.DONE: 3, State.FAILED: 1}
    Path(session.videos[0].source).write_text(FOUR["a1"])
    Path(session.videos[1].source).write_text(FOUR["a2"])
    run_counts, status_counts = go(toy_session(root))
    assert run_counts.computed == {"count": 2, "scale": 1, "total": 1}
    assert status_counts.by_video["count"] == {State.DONE: 4}


def test_a_source_that_was_away_is_tried_by_every_run(root: Path) -> None:
    session = add_videos(root, FOUR | {"b2": "1 away"})
    run_counts, status_counts = go(session)
    assert run_counts.failed["count"] == status_counts.failed == 1
    assert go(toy_session(root))[0].computed == {"count": 1}
    Path(session.videos[3].source).with_suffix(".back").touch()
    run_counts, status_counts = go(toy_session(root))
    assert run_counts.computed == {"count": 1, "scale": 1, "total": 1}
    assert not status_counts.failed


def test_adding_a_video_runs_that_video_only(root: Path) -> None:
    go(add_videos(root, {name: FOUR[name] for name in ("a1", "a2", "b1")}))
    session = add_videos(root, {"b2": FOUR["b2"]})
    run_counts, status_counts = go(session)
    assert run_counts.computed == {"count": 1, "scale": 1, "total": 1}
    assert status_counts.videos == 4
    whole = root.parent / "whole"
    go(add_videos(whole, FOUR))
    assert tables(root) == tables(whole)


def test_only_works_on_the_named_videos(root: Path) -> None:
    session = add_videos(root, FOUR)
    run_counts, status_counts = go(session, only=["a2"])
    assert run_counts.computed == {"count": 1, "scale": 1, "total": 1}
    assert status_counts.by_video["total"] == {State.DONE: 1, State.PENDING: 3}
    go(toy_session(root))
    whole = root.parent / "whole"
    go(add_videos(whole, FOUR))
    assert tables(root) == tables(whole)


def test_a_named_stage_brings_what_it_stands_on(root: Path) -> None:
    run_counts, status_counts = go(add_videos(root, FOUR), stages=["scale"])
    assert run_counts.computed == {"count": 4, "scale": 4}
    assert status_counts.by_video["total"] == {State.PENDING: 4}


def test_names_that_do_not_exist_are_refused(root: Path) -> None:
    session = add_videos(root, FOUR)
    with pytest.raises(BadInput, match="no stage 'torso'; the stages are count, scale, total"):
        session.select(["torso"], [], False)
    with pytest.raises(BadInput, match="no video 'zz'"):
        session.select([], ["zz"], False)


def test_duplicates_are_counted_and_not_worked_on(root: Path) -> None:
    session = add_videos(root, FOUR)
    rows = [
        video.model_copy(update={"defect": "duplicate of a1"}) if video.video_id == "a2" else video
        for video in session.videos
    ]
    write_catalogue(root / "catalogue.parquet", rows)
    _, status_counts = go(toy_session(root))
    assert status_counts.by_video["count"] == {State.DONE: 3, State.BLOCKED: 1}


def test_a_damaged_shard_is_computed_again_and_never_copied(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    before = tables(root)
    path = root / "scale" / f"{session.videos[0].shard}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    run_counts, _ = go(toy_session(root))
    assert run_counts.computed == {"scale": 2}
    assert tables(root) == before


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(bytes(data))


def test_rebuilding_manifests_finds_damage_and_does_not_bless_it(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    before = tables(root)
    flip(root / "total" / "toy-00000.parquet", 0.1)
    shutil.rmtree(root / "manifests")
    run_counts, _ = go(toy_session(root))
    assert run_counts.computed["total"] >= 1
    assert tables(root) == before
    assert list(Audit(toy_session(root)).findings()) == []


def test_damaged_inputs_are_computed_again_before_they_are_used(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    flip(root / "count" / "toy-00000.parquet", 0.1)
    run_counts, status_counts = go(set_value(root, "factor = 2.0", "factor = 3.0"))
    assert run_counts.computed["count"] >= 1
    assert not status_counts.failed
    whole = root.parent / "whole"
    add_videos(whole, FOUR)
    go(set_value(whole, "factor = 2.0", "factor = 3.0"))
    assert tables(root) == tables(whole)


def test_damaged_media_are_made_again_before_they_are_used(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    flip(root / "media" / "a2.txt", 0.5)
    run_counts, status_counts = go(set_value(root, "factor = 2.0", "factor = 3.0"))
    assert run_counts.computed["count"] == 1
    assert not status_counts.failed
    whole = root.parent / "whole"
    add_videos(whole, FOUR)
    go(set_value(whole, "factor = 2.0", "factor = 3.0"))
    assert tables(root) == tables(whole)


def test_a_damage_that_stays_is_a_failure_that_the_next_run_tries_again(root: Path) -> None:
    session = add_videos(root, FOUR | {"b2": "1 damaged"})
    status_counts = go(session)[1]
    assert status_counts.by_video["count"] == {State.DONE: 3, State.FAILED: 1}
    assert toy_session(root).status_counts().to_json() == status_counts.to_json()
    Path(session.videos[3].source).write_text("1 2")
    assert not go(toy_session(root))[1].failed


def test_manifests_are_rebuilt_from_shards(root: Path) -> None:
    go(add_videos(root, FOUR))
    texts = {path.name: path.read_text() for path in (root / "manifests").iterdir()}
    assert len(texts) == 4
    for path in (root / "manifests").iterdir():
        path.unlink()
    (root / "manifests.parquet").unlink()
    run_counts, _ = go(toy_session(root))
    assert not run_counts.computed
    assert {path.name: path.read_text() for path in (root / "manifests").iterdir()} == texts
    assert pq.read_table(root / "manifests.parquet").num_rows == 12


def test_the_manifest_tells_the_whole_story(root: Path) -> None:
    go(add_videos(root, FOUR))
    told = json.loads((root / "manifests" / "a1.json").read_text())
    stage = told["stages"]["count"]
    assert stage["outcome"] == "done"
    assert stage["params"] == {"offset": 0}
    assert [output["path"] for output in stage["outputs"]] == ["count/toy-00000.parquet", "media/a1.txt"]
    assert told["quality"] == {"accepted": True, "reasons": [], "rules": []}


def test_a_second_run_is_kept_out(root: Path) -> None:
    session = add_videos(root, FOUR)
    with session.workspace.lock(), pytest.raises(WorkspaceBusy):
        go(toy_session(root))


def test_leftovers_of_a_killed_run_are_swept(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    (root / "scale" / ".tmp-0123-x.parquet").touch()
    assert list(session.workspace.leftovers())
    go(toy_session(root))
    assert not list(session.workspace.leftovers())


def test_a_full_disk_ends_the_run_and_keeps_what_is_done(root: Path) -> None:
    session = add_videos(root, FOUR | {"b2": "full"})
    with pytest.raises(MissingPrerequisite, match="is full: free some space and run again"):
        go(session)
    assert {path.name.rpartition("-")[2] for path in session.workspace.leftovers()} == {"b1.parquet", "b1.txt"}
    Path(session.videos[3].source).write_text("1 2")
    run_counts, status_counts = go(toy_session(root))
    assert (run_counts.computed["count"], run_counts.computed["scale"]) == (1, 2)
    assert not status_counts.failed
    assert not list(session.workspace.leftovers())


def test_a_media_file_of_another_size_is_made_again(root: Path) -> None:
    session = add_videos(root, FOUR)
    go(session)
    path = root / "media" / "a2.txt"
    before = path.read_text()
    path.write_text(before[:-1])
    everything = session.select((), (), retry_failed=False)
    assert "count toy-00000: 1 video stale: media/a2.txt has another size than recorded" in list(
        DryRun(toy_session(root), everything).lines()
    )
    assert go(toy_session(root))[0].computed == {"count": 1}
    assert path.read_text() == before


class Noting(InProcessExecutor):
    """Notes what it is given to compute, task by task: the stage and the videos."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.tasks: list[tuple[str, list[str]]] = []

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        if task is compute:
            unit, tasks = arguments
            self.tasks.append((unit.stage.name, [each.video.video_id for each in tasks]))
        return super().submit(task, *arguments, gpu=gpu)


def noted(session: Session, size: int = 1) -> list[tuple[str, list[str]]]:
    """Run everything; the tasks in the order in which they were handed out."""
    executor = Noting(size)
    everything = session.select((), (), retry_failed=False)
    Scheduler(session.workspace, session.planner, session.videos, executor, everything).run()
    return executor.tasks


def test_units_are_whole_while_there_are_shards_for_everyone_and_then_cut_video_by_video(root: Path) -> None:
    session = add_videos(root, FOUR | {"c1": numbers(3), "c2": numbers(4)})
    assert noted(session) == [
        *((stage, videos) for videos in (["a1", "a2"], ["b1", "b2"]) for stage in ("count", "scale", "total")),
        *((stage, [video]) for stage in ("count", "scale", "total") for video in ("c1", "c2")),
    ]


def test_the_deepest_unit_that_is_ready_goes_first(root: Path) -> None:
    session = add_videos(root, {"a": numbers(30), "b": numbers(20)}, seconds=100)
    go(session, ["count"], ["b"])
    order = noted(toy_session(root), size=2)
    assert order == [("count", ["a"]), ("scale", ["b"]), ("total", ["b"]), ("scale", ["a"]), ("total", ["a"])]


def test_the_longest_shard_and_its_longest_video_go_first(root: Path) -> None:
    for name, seconds in (("a", 30.0), ("b", 50.0), ("c", 100.0)):
        session = add_videos(root, {name: numbers(3)}, seconds)
    assert [videos for stage, videos in noted(session, size=8) if stage == "count"] == [["c"], ["b"], ["a"]]

"""Sounds are moved by what was measured: once, by what is left, and not by what cannot be told."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput, WorkspaceBusy
from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.files import sha256_of
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Job
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.shifting import Found, Measure, Shift, find, forget, shift
from portrait_prep.pipeline.status.plan import State
from tests.pipeline.toy import COUNT, SCALE, TOTAL, CountParams, add_videos, count, numbers

LAG = Measure("count", "lag", seconds=0.04, error=1)
LATE = {"a1": 7, "a2": -5, "b1": 1, "b2": 0, "c1": None}
"""Frames by which each source's sound is too early; nobody knows it of the last."""


def measured(job: Job[CountParams]) -> Iterator[Batch]:
    """The stage `count`, which tells how much is left of a source's lag."""
    late = LATE[job.video.video_id]
    job.metrics["lag"] = None if late is None else late - round((job.video.sound_shift or 0.0) / 0.04)
    yield from count(job)


STAGES = (
    replace(
        COUNT,
        process=measured,
        metrics=(*COUNT.metrics, Metric("lag", "frames", "lag")),
        catalogue=("start", "sound_shift"),
    ),
    SCALE,
    TOTAL,
)


def opened(root: Path) -> Session:
    return Session(Workspace(root), STAGES)


def run(root: Path) -> int:
    session = opened(root)
    return session.run(session.select((), (), False), workers=0)[0].computed["count"]


def shifts(root: Path) -> dict[str, float | None]:
    return {video.video_id: video.sound_shift for video in read_catalogue(root / "catalogue.parquet")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "w"
    add_videos(root, {name: numbers(3) for name in LATE})
    run(root)
    return root


UNMOVED = dict.fromkeys(LATE)
MOVED = UNMOVED | {"a1": 0.28, "a2": -0.2}


def test_what_is_known_is_listed_and_nothing_written(root: Path) -> None:
    before = {path: sha256_of(path) for path in root.rglob("*") if path.is_file()}
    assert find(opened(root), LAG) == Found(
        (
            Shift("a1", 7, None, 0.28),
            Shift("a2", -5, None, -0.2),
            Shift("b1", 1, None, None),
            Shift("b2", 0, None, None),
        ),
        undetermined=("c1",),
        unmeasured=(),
    )
    assert {path: sha256_of(path) for path in root.rglob("*") if path.is_file()} == before


def test_the_next_run_moves_it_and_what_is_left_is_added(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shift(opened(root), LAG).changes == {"a1": 0.28, "a2": -0.2}
    assert shifts(root) == MOVED
    assert run(root) == 2
    assert [(one.lag, one.before, one.changes) for one in find(opened(root), LAG).shifts[:2]] == [
        (0, 0.28, False),
        (0, -0.2, False),
    ]
    monkeypatch.setitem(LATE, "a1", 4)  # what is measured the next time is less
    session = opened(root)
    session.workspace.shard("count", "toy-00000").unlink()
    run(root)
    assert shift(opened(root), LAG).changes == {"a1": 0.16}


def test_without_a_run_between_nothing_is_moved_twice(root: Path) -> None:
    shift(opened(root), LAG)
    again = shift(opened(root), LAG)
    assert (again.changes, again.unmeasured) == ({}, ("a1", "a2"))
    assert shifts(root) == MOVED


def test_what_failed_for_good_waits_for_no_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job[CountParams]) -> Iterator[Batch]:
        if job.video.video_id in ("a1", "a2"):
            raise BadVideo("nothing to hear") if job.video.video_id == "a1" else OSError("a disk is gone")
        yield from measured(job)

    session = opened(root)
    session.workspace.shard("count", "toy-00000").unlink()
    session = Session(session.workspace, (replace(STAGES[0], process=failing), *STAGES[1:]))
    session.run(session.select((), (), False), workers=0)
    found = find(Session(session.workspace, session.stages), LAG)
    assert (found.failed, found.unmeasured) == (("a1",), ("a2",))


def test_a_shift_that_comes_to_nothing_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shift(opened(root), LAG)
    monkeypatch.setitem(LATE, "a1", 0)
    run(root)
    shift(opened(root), LAG, ["a1"])
    assert shifts(root) == MOVED | {"a1": None}


def test_shifts_are_taken_back(root: Path) -> None:
    before = opened(root).video_status("a2").manifest["stages"]["count"]["fingerprint"]
    shift(opened(root), LAG)
    run(root)
    assert forget(opened(root), ["a2", "c1"]) == ["a2"]
    assert shifts(root) == MOVED | {"a2": None}
    assert forget(opened(root)) == ["a1"]
    assert forget(opened(root)) == []
    assert run(root) == 2
    assert opened(root).video_status("a2").manifest["stages"]["count"]["fingerprint"] == before
    assert list(Audit(opened(root), deep=True).findings()) == []


def test_some_videos_only(root: Path) -> None:
    assert [one.video_id for one in shift(opened(root), LAG, ["a2", "c1"]).shifts] == ["a2"]
    assert shifts(root) == UNMOVED | {"a2": -0.2}


def test_a_dry_run_says_why_and_the_audit_that_a_run_is_left(root: Path) -> None:
    assert list(Audit(opened(root), deep=True).findings()) == []
    shift(opened(root), LAG)
    session = opened(root)
    assert next(DryRun(session, session.select((), (), False)).lines()) == (
        "count toy-00000: 1 video stale: catalogue field sound_shift changed: unset -> 0.28"
    )
    assert all("run again" in finding.line() for finding in Audit(opened(root)).findings())
    run(root)
    assert list(Audit(opened(root), deep=True).findings()) == []


def test_a_workspace_from_before_the_column_stays_up_to_date(tmp_path: Path) -> None:
    """By the stages of then, which read no such field."""
    root = tmp_path / "w"
    add_videos(root, {name: numbers(3) for name in LATE})
    then = Session(Workspace(root), (replace(STAGES[0], catalogue=("start",)), *STAGES[1:]))
    then.run(then.select((), (), False), workers=0)
    states = {state for shard in opened(root).video_statuses() for one in shard for state in one.states.values()}
    assert states == {State.DONE}


def test_killed_before_the_manifests_a_run_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Session, "finalize", killed)
        with pytest.raises(KeyboardInterrupt):
            shift(opened(root), LAG)
    assert shifts(root) == MOVED
    assert run(root) == 2
    assert list(Audit(opened(root), deep=True).findings()) == []


def test_while_a_run_is_on_nothing_is_written(root: Path) -> None:
    with opened(root).workspace.lock(), pytest.raises(WorkspaceBusy):
        shift(opened(root), LAG)
    assert shifts(root) == UNMOVED


def test_farther_than_can_be_is_refused(root: Path) -> None:
    with pytest.raises(BadInput, match="its sound_shift must be seconds, 10 either way at most"):
        shift(opened(root), replace(LAG, seconds=2.0))
    assert shifts(root) == UNMOVED


@given(st.integers(-20, 20), st.floats(-5, 5).map(partial(round, ndigits=3)))
def test_moved_by_what_is_measured_it_is_in_step_for_good(late: int, before: float) -> None:
    """Where the measure tells the truth to a frame, one shift is enough, and a second changes nothing."""
    for error in (-1, 0, 1):
        after = LAG.corrected(before, late + error)
        left = late - round(((after or 0.0) - before) / 0.04)
        assert abs(left) <= 2
        if after != before:
            assert abs(left) <= 1
            assert LAG.corrected(after, left) == after

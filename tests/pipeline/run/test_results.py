"""What an interrupted run finished and did not commit: used by the next one if it is proven, and else never."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.files import parts_of_temporary, temporary_beside
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.declare.stage import Batch, Job
from portrait_prep.pipeline.declare.workspace import WRITE_PERMISSION, Workspace
from portrait_prep.pipeline.run import commit
from portrait_prep.pipeline.run.executor import InProcessExecutor, WorkerDied
from portrait_prep.pipeline.run.scheduler import RunCounts, Scheduler
from portrait_prep.pipeline.run.task import compute
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shards import FOOTER_KEY
from tests.pipeline.toy import COUNT, SCALE, TOTAL, CountParams, add_videos, count, numbers, tables, toy_session

VIDEOS = {f"a{k}": numbers(300 + k, k) for k in range(5)}
"""One shard of five videos; the longer ones come first."""


class Counting:
    """The stage `count`; it notes whose turn it was, and is interrupted when it comes to one of them."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.seen: list[str] = []
        self._interrupted_at = interrupted_at

    def __call__(self, job: Job[CountParams]) -> Iterator[Batch]:
        self.seen.append(job.video.video_id)
        if len(self.seen) == self._interrupted_at:
            raise KeyboardInterrupt
        yield from count(job)


def opened(root: Path, counting: Counting) -> Session:
    return Session(Workspace(root), (replace(COUNT, process=counting), SCALE, TOTAL))


def run(root: Path, *only: str, retry: bool = False) -> tuple[RunCounts, list[str]]:
    """Run; also tell which videos `count` computed."""
    counting = Counting()
    session = opened(root, counting)
    run_counts, status_counts = session.run(session.select((), only, retry), workers=0)
    assert not status_counts.failures
    return run_counts, sorted(counting.seen)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose run was interrupted at the fourth of five videos."""
    root = tmp_path / "w"
    add_videos(root, VIDEOS, seconds=10.0)
    interrupt(root)
    return root


def interrupt(root: Path, at: int = 4) -> None:
    session = opened(root, Counting(interrupted_at=at))
    with pytest.raises(KeyboardInterrupt):
        session.run(session.select((), (), False), workers=0)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a run that nothing disturbs."""
    root = tmp_path_factory.mktemp("quiet") / "w"
    add_videos(root, VIDEOS, seconds=10.0)
    run(root)
    return tables(root)


def left(root: Path) -> set[str]:
    """Final names of the files that wait to be committed."""
    return {parts_of_temporary(path.name)[1] for path in toy_session(root).workspace.leftovers()}


def table(root: Path, video_id: str) -> Path:
    """Where a video waits to be committed."""
    (path,) = (root / "count").glob(f".tmp-*-{video_id}.parquet")
    return path


def text(root: Path, video_id: str) -> Path:
    """Its media file."""
    (path,) = (root / "media").glob(f".tmp-*-{video_id}.txt")
    return path


def test_finished_videos_of_an_unfinished_unit_are_not_computed_again(root: Path, quiet: dict[str, Any]) -> None:
    assert left(root) == {f"a{k}.{suffix}" for k in range(3) for suffix in ("parquet", "txt")}
    run_counts, computed = run(root)
    assert computed == ["a3", "a4"]
    assert run_counts.computed == {"count": 2, "scale": 5, "total": 5}
    assert +run_counts.taken_over == {"count": 3}
    assert tables(root) == quiet
    assert left(root) == set()
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_nor_are_they_after_many_interruptions(tmp_path: Path, quiet: dict[str, Any]) -> None:
    root = tmp_path / "w"
    add_videos(root, VIDEOS, seconds=10.0)
    for _ in range(4):
        interrupt(root, at=2)
    assert run(root)[1] == ["a4"]
    assert tables(root) == quiet


def rewrite(path: Path, change: Callable[[Any], Any] = lambda table: table, old: str = "", new: str = "") -> None:
    """Another table with the same footer, or with one in which some words are others."""
    found = pq.read_table(path)
    metadata = pq.ParquetFile(path).metadata.metadata
    footer = metadata[FOOTER_KEY].decode()
    assert old in footer
    path.unlink()
    with pq.ParquetWriter(path, found.schema) as writer:
        for start in range(0, len(found), 250):
            writer.write_table(change(found.slice(start, 250)))
        writer.add_key_value_metadata({FOOTER_KEY: footer.replace(old, new)})


def swap(column: str) -> Callable[[Any], Any]:
    """The same rows, but for the last two values of a column."""

    def change(table: Any) -> Any:
        order = [*range(len(table) - 2), len(table) - 1, len(table) - 2]
        number = table.schema.get_field_index(column)
        return table.set_column(number, table.schema.field(number), table.column(number).take(order))

    return change


def behind_a_link(path: Path) -> None:
    path.rename(path.parents[2] / "elsewhere")
    path.symlink_to(path.parents[2] / "elsewhere")


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def of_another_video(root: Path) -> None:
    token, _ = parts_of_temporary(table(root, "a1").name)
    shutil.copy(table(root, "a0"), table(root, "a1"))
    shutil.copy(text(root, "a0"), temporary_beside(root / "media" / "a0.txt", token))


SPOILT: dict[str, Callable[[Path], Any]] = {
    "other rows": lambda root: rewrite(table(root, "a1"), swap("number")),
    "other frames": lambda root: rewrite(table(root, "a1"), swap("frame")),
    "rows of another": lambda root: rewrite(table(root, "a1"), old='"a1"', new='"a0"'),
    "another fingerprint": lambda root: rewrite(table(root, "a1"), old='"fingerprint": "', new='"fingerprint": "0'),
    "another basis": lambda root: rewrite(table(root, "a1"), old='"offset": 0', new='"offset": 1'),
    "another stage": lambda root: rewrite(table(root, "a1"), old='"stage": "count"', new='"stage": "scale"'),
    "fewer frames": lambda root: rewrite(table(root, "a1"), old='"frames": 301', new='"frames": 300'),
    "a metric of none": lambda root: rewrite(table(root, "a1"), old='"seconds": 12.04', new='"hours": 12.04'),
    "no media in the record": lambda root: rewrite(table(root, "a1"), old='"media": [{', new='"media": [], "x": [{'),
    "another video's": of_another_video,
    "cut off": lambda root: os.truncate(table(root, "a1"), table(root, "a1").stat().st_size - 9),
    "empty": lambda root: os.truncate(table(root, "a1"), 0),
    "a link": lambda root: behind_a_link(table(root, "a1")),
    "a pipe": lambda root: a_pipe(table(root, "a1")),
    "a second name": lambda root: os.link(table(root, "a1"), root.parent / "elsewhere"),
    "other media": lambda root: text(root, "a1").write_text(text(root, "a1").read_text().replace("1", "2", 1)),
    "shorter media": lambda root: os.truncate(text(root, "a1"), 9),
    "no media": lambda root: text(root, "a1").unlink(),
    "media behind a link": lambda root: behind_a_link(text(root, "a1")),
    "media that are a pipe": lambda root: a_pipe(text(root, "a1")),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_is_not_proven_is_never_used(root: Path, quiet: dict[str, Any], spoil: Callable[[Path], Any]) -> None:
    spoil(root)
    elsewhere = root.parent / "elsewhere"
    before = elsewhere.read_bytes() if elsewhere.exists() else b""
    run_counts, computed = run(root)
    assert (run_counts.taken_over["count"], computed) == (2, ["a1", "a3", "a4"])
    assert tables(root) == quiet
    assert left(root) == set()
    assert (elsewhere.read_bytes() if elsewhere.exists() else b"") == before
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_under_other_settings_nothing_is_used_and_nothing_stays(root: Path) -> None:
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("offset = 0", "offset = 3"))
    assert run(root)[1] == sorted(VIDEOS)
    assert left(root) == set()


def test_a_changed_source_is_read_anew(root: Path) -> None:
    Path(toy_session(root).video("a1").source).write_text("7 8 9")
    assert run(root)[1] == ["a1", "a3", "a4"]


def test_nothing_is_removed_behind_a_link(root: Path, tmp_path: Path) -> None:
    (root / "media").rename(tmp_path / "victim")
    (root / "media").symlink_to(tmp_path / "victim")
    before = sorted(path.name for path in (tmp_path / "victim").iterdir())
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("offset = 0", "offset = 3"))
    session = toy_session(root)
    with session.held():
        session.finalize()
    assert sorted(path.name for path in (tmp_path / "victim").iterdir()) == before


@pytest.mark.parametrize("name", ["media", "count"])
def test_on_another_disk_that_may_be_written_to_it_is_the_same(root: Path, tmp_path: Path, name: str) -> None:
    disk = tmp_path / "disk"
    (root / name).rename(disk)
    (root / name).symlink_to(disk)
    (disk / WRITE_PERMISSION).write_text(os.path.realpath(root))
    (disk / ".tmp-0123-a3.txt").touch()
    assert run(root)[1] == ["a3", "a4"]
    assert not list(disk.glob(".tmp-*"))


def test_what_a_worker_that_outlived_its_run_finishes_later_is_removed(root: Path) -> None:
    session = toy_session(root)
    kept = {path: path.read_bytes() for path in (table(root, "a1"), text(root, "a1"))}

    def finish_late(*_: Any) -> None:
        for path, content in kept.items():
            (path.parent / f".tmp-0123-{parts_of_temporary(path.name)[1]}").write_bytes(content)

    session.run(session.select((), (), False), 0, None, finish_late)
    assert left(root) == set()


def test_what_another_command_does_in_between_costs_nothing(root: Path) -> None:
    run_counts, computed = run(root, "a3")
    assert (computed, run_counts.taken_over.total()) == (["a3"], 0)
    assert left(root) == {f"a{k}.{suffix}" for k in range(3) for suffix in ("parquet", "txt")}
    with toy_session(root).held():
        pass
    assert run(root)[1] == ["a4"]
    assert left(root) == set()


def test_what_nobody_can_use_is_removed(root: Path) -> None:
    session = toy_session(root)
    write_catalogue(session.workspace.catalogue, [video for video in session.videos if video.video_id != "a0"])
    run(root, "a3")
    assert left(root) == {f"a{k}.{suffix}" for k in (1, 2) for suffix in ("parquet", "txt")}


def test_a_retry_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS | {"a2": "1 flaky", "a3": "2 flaky"}, seconds=10.0)
    session.run(session.select((), (), False), workers=0)
    for video_id in ("a2", "a3"):
        Path(session.video(video_id).source).with_suffix(".ok").touch()
    session = opened(root, Counting(interrupted_at=2))
    with pytest.raises(KeyboardInterrupt):
        session.run(session.select((), (), retry_failed=True), workers=0)
    session = toy_session(root)
    session.run(session.select((), (), False), workers=0)
    assert left(root) == {"a2.parquet", "a2.txt"}
    assert run(root, retry=True)[1] == ["a3"]


def run_broken_off(session: Session, monkeypatch: pytest.MonkeyPatch, break_off: Callable[[Path, Path], None]) -> None:
    """A run that is interrupted where `break_off`, in the place of a commit's moves, raises."""
    with monkeypatch.context() as patched:
        patched.setattr(commit, "flush_and_rename", break_off)
        with pytest.raises(KeyboardInterrupt):
            session.run(session.select((), (), False), workers=0)


@pytest.mark.parametrize("moved", [1, 3, 5])
def test_a_commit_that_is_broken_off_among_the_media_costs_nothing(
    tmp_path: Path, quiet: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS, seconds=10.0)
    names: list[str] = []

    def break_off(made: Path, final: Path) -> None:
        made.replace(final)
        names.append(final.name)
        if len(names) == moved:
            raise KeyboardInterrupt

    run_broken_off(session, monkeypatch, break_off)
    assert run(root)[1] == []
    assert tables(root) == quiet
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_adding_videos_costs_no_other_when_the_commit_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "w"
    add_videos(root, {name: VIDEOS[name] for name in ("a0", "a1")}, seconds=10.0)
    run(root)
    session = add_videos(root, VIDEOS, seconds=10.0)

    def break_off(made: Path, final: Path) -> None:
        raise KeyboardInterrupt

    run_broken_off(session, monkeypatch, break_off)
    assert run(root)[1] == []


class DyingOnce(InProcessExecutor):
    """An executor whose worker dies when it has done two videos of a task."""

    died = False

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        if task is not compute or self.died or arguments[0].stage.name != "count":
            return super().submit(task, *arguments, gpu=gpu)
        unit, tasks = arguments
        compute(unit, tasks[:2])
        self.died = True
        future: Future[Any] = Future()
        future.set_exception(WorkerDied("on purpose"))
        return future


def test_what_a_worker_finished_before_it_died_is_used(tmp_path: Path) -> None:
    root, counting = tmp_path / "w", Counting()
    add_videos(root, {f"{letter}{k}": numbers(30 + k) for letter in "ab" for k in range(3)}, seconds=40.0)
    session = opened(root, counting)
    selection = session.select((), (), False)
    run_counts = Scheduler(session.workspace, session.planner, session.videos, DyingOnce(), selection).run()
    assert sorted(counting.seen) == sorted(video.video_id for video in session.videos)
    assert run_counts.computed == dict.fromkeys(("count", "scale", "total"), 6)
    assert run_counts.taken_over.total() == 0

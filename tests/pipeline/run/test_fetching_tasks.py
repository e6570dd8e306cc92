"""A stage that waits for the network: so many tasks at once, whatever the executor, and no deadline."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.errors import NoNetwork
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Job
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.executor import InProcessExecutor
from portrait_prep.pipeline.run.scheduler import Scheduler
from portrait_prep.pipeline.run.task import VideoTask, compute
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from tests.pipeline.toy import COUNT, SCALE, CountParams, numbers


class Hands(InProcessExecutor):
    """Takes as many tasks as there are hands and finishes them one by one; remembers who was at work together."""

    size = 6
    watched = True

    def __init__(self) -> None:
        super().__init__()
        self.at_work: dict[Future[Any], tuple[Callable[..., Any], tuple[Any, ...]]] = {}
        self.tasks: list[VideoTask] = []
        self.most: dict[bool, int] = {True: 0, False: 0}

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        self.at_work[future] = (task, arguments)
        if task is compute and arguments[0].stage is FETCH:
            self.tasks += arguments[1]
        working = [told for started, told in self.at_work.values() if started is compute and told[0].stage is FETCH]
        for remote in self.most:
            together = sum(any(order.video.remote is remote for order in tasks) for _, tasks, *_ in working)
            self.most[remote] = max(self.most[remote], together)
        return future

    def wait(self, futures: Sequence[Future[Any]]) -> list[Future[Any]]:
        task, arguments = self.at_work.pop(futures[0])
        futures[0].set_result(task(*arguments))
        return [futures[0]]


def fetched(job: Job[CountParams]) -> Iterator[Batch]:
    job.output("txt").write_text(job.video.source)
    job.frames = 3
    yield {"number": np.arange(3, dtype=np.int32)}


FETCH = replace(COUNT, process=fetched, outside=None, fetches=lambda _: 2)


def without_network(job: Job[CountParams]) -> Iterator[Batch]:
    if job.video.fetched:
        raise NoNetwork("There is no network.")
    return fetched(job)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Twelve videos at addresses and six files, each in a shard of its own."""
    root = tmp_path / "w"
    root.mkdir()
    (tmp_path / "a.txt").write_text(numbers(3))
    remote = [f"https://example.org/{number}" for number in range(12)]
    sources = [*remote, *([str(tmp_path / "a.txt")] * 6)]
    found = [
        Video(video_id=f"v{number:02d}", corpus="toy", subject="s", source=source, duration=10.0)
        for number, source in enumerate(sources)
    ]
    stages = (FETCH, SCALE)
    write_settings(root / "pipeline.toml", stages)
    write_catalogue(root / "catalogue.parquet", merge([], found, shard_seconds=10.0))
    return Session(Workspace(root), stages)


def test_no_more_than_so_many_fetch_at_once_while_others_work(session: Session) -> None:
    executor = Hands()
    scheduler = Scheduler(session.workspace, session.planner, session.videos, executor, session.select((), (), False))
    run_counts = scheduler.run()
    assert run_counts.computed == {"count": 18, "scale": 18}
    assert executor.most[True] == 2
    assert executor.most[False] > 2


def test_only_what_is_fetched_may_take_any_time(session: Session) -> None:
    executor = Hands()
    Scheduler(session.workspace, session.planner, session.videos, executor, session.select((), (), False)).run()
    assert {order.deadline is None for order in executor.tasks if order.video.remote} == {True}
    assert {order.deadline is None for order in executor.tasks if not order.video.remote} == {False}


@pytest.mark.parametrize("shard_seconds", [10.0, 60.0])
def test_without_a_network_what_is_here_goes_on_and_the_rest_waits(tmp_path: Path, shard_seconds: float) -> None:
    """Alone in a shard, and several to one, files among pictures, and sounds of files, that are at addresses."""
    root = tmp_path / "w"
    root.mkdir()
    (tmp_path / "a.txt").write_text(numbers(3))
    found = [
        Video(
            video_id=f"v{number:02d}",
            corpus="toy",
            subject="s",
            source=f"https://example.org/{number}" if number % 3 == 1 else str(tmp_path / "a.txt"),
            sound=f"https://example.org/{number}" if number % 3 == 2 else None,
            duration=10.0,
        )
        for number in range(12)
    ]
    stages = (replace(FETCH, process=without_network), SCALE)
    write_settings(root / "pipeline.toml", stages)
    write_catalogue(root / "catalogue.parquet", merge([], found, shard_seconds))
    session = Session(Workspace(root), stages)
    run_counts, status_counts = session.run(session.select((), (), retry_failed=False), workers=0)
    assert run_counts.offline == "There is no network."
    assert run_counts.computed == {"count": 4, "scale": 4}
    assert not status_counts.failures
    assert status_counts.by_video["count"] == {State.DONE: 4, State.PENDING: 8}
    again, _ = Session(Workspace(root), stages).run(session.select((), (), retry_failed=False), workers=0)
    assert again.computed == {}
    whole = Session(Workspace(root), (replace(FETCH, process=fetched), SCALE))
    assert whole.run(whole.select((), (), retry_failed=False), workers=0)[0].computed == {"count": 8, "scale": 8}

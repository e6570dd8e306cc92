"""Pull the plug at random moments: worker or driver, then run again; the tables must be those of a quiet run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import LocalCluster

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.pipeline.auditing.audit import Audit
from portrait_prep.pipeline.run.commit import commit
from portrait_prep.pipeline.run.executor import InProcessExecutor, WorkerDied
from portrait_prep.pipeline.run.results import left_results
from portrait_prep.pipeline.run.scheduler import Scheduler
from tests.pipeline.toy import add_videos, numbers, tables, toy_session

PROJECT = Path(__file__).parents[3]
VIDEOS = {f"{letter}{k}": f"slow {numbers(40 + k, k)}" for letter in "ab" for k in range(3)}


def start(root: Path, workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.pipeline.toy_run", str(root), str(workers)]
    return subprocess.Popen(
        command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    summary: dict[str, Any] = json.loads(out)
    return summary


def workers_of(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Wait until the worker processes are there."""
    for _ in range(300):
        children = psutil.Process(process.pid).children(recursive=True)
        found = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise TimeoutError("no workers came")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a run that nothing disturbs."""
    root = tmp_path_factory.mktemp("quiet") / "w"
    session = add_videos(root, VIDEOS)
    session.run(session.select((), (), False), workers=0)
    return tables(root)


def test_a_killed_worker_costs_nothing(tmp_path: Path, quiet: dict[str, Any]) -> None:
    root = tmp_path / "w"
    add_videos(root, VIDEOS)
    process = start(root)
    victims = workers_of(process, 2)
    time.sleep(random.uniform(0.2, 1.0))
    victims[0].kill()
    summary = finish(process)
    assert tables(root) == quiet
    assert not summary["status_counts"]["failed"]
    assert not list(toy_session(root).workspace.leftovers())


@pytest.mark.parametrize("delay", [0.3, 0.9])
def test_a_killed_driver_costs_only_what_was_not_committed(tmp_path: Path, quiet: dict[str, Any], delay: float) -> None:
    root = tmp_path / "w"
    add_videos(root, VIDEOS)
    process = start(root)
    orphans = workers_of(process, 2)
    time.sleep(delay + random.uniform(0.0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(orphans, timeout=10)
    assert not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans)
    committed = {
        stage: counts["videos"]["done"]
        for stage, counts in toy_session(root).status_counts().to_json()["stages"].items()
    }
    summary = finish(start(root))
    done = {stage: summary["computed"].get(stage, 0) + summary["taken_over"].get(stage, 0) for stage in committed}
    assert {stage: committed[stage] + done[stage] for stage in committed} == dict.fromkeys(committed, len(VIDEOS))
    assert tables(root) == quiet
    assert not list(toy_session(root).workspace.leftovers())
    assert list(Audit(toy_session(root), deep=True).findings()) == []


def test_a_video_that_kills_its_worker_is_set_aside(tmp_path: Path) -> None:
    root = tmp_path / "w"
    add_videos(root, VIDEOS | {"a1": "1 die 2"})
    summary = finish(start(root))
    failed = summary["status_counts"]["failed"]
    assert [(row["video_id"], row["stage"], row["type"]) for row in failed] == [("a1", "count", "WorkerDied")]
    assert summary["status_counts"]["stages"]["total"]["videos"]["done"] == len(VIDEOS) - 1
    assert list(Audit(toy_session(root)).findings()) == []


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_cleanly(tmp_path: Path, quiet: dict[str, Any]) -> None:
    root = tmp_path / "w"
    add_videos(root, VIDEOS)
    process = start(root)
    workers_of(process, 2)
    log = root / "logs" / "workers.log"
    while not log.exists():
        time.sleep(0.05)
    time.sleep(0.8)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert log.read_text() == ""
    session = toy_session(root)
    results = {path for result in left_results(session.workspace, session.stages) for path in result.files}
    assert set(session.workspace.leftovers()) == results, "what is not whole is swept away"
    finish(start(root))
    assert tables(root) == quiet
    assert not list(session.workspace.leftovers())


def test_an_existing_cluster_does_the_same(tmp_path: Path, quiet: dict[str, Any]) -> None:
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS)
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0") as cluster:
        run_counts, status_counts = session.run(
            session.select((), (), False), workers=1, scheduler=cluster.scheduler_address
        )
    assert run_counts.computed == {"count": len(VIDEOS), "scale": len(VIDEOS), "total": len(VIDEOS)}
    assert not status_counts.failed
    assert tables(root) == quiet


def test_workers_of_several_threads_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "w"
    session = add_videos(root, VIDEOS)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=":0") as cluster,
        pytest.raises(BadInput, match="--nthreads 1"),
    ):
        session.run(session.select((), (), False), workers=1, scheduler=cluster.scheduler_address)


class DeadlyCommits(InProcessExecutor):
    """An executor whose workers die whenever they are to commit."""

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        if task is not commit:
            return super().submit(task, *arguments, gpu=gpu)
        future: Future[Any] = Future()
        future.set_exception(WorkerDied("on purpose"))
        return future


def test_a_commit_that_kills_does_not_go_on_for_ever(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    selection = session.select((), (), False)
    session.workspace.create()
    scheduler = Scheduler(session.workspace, session.planner, session.videos, DeadlyCommits(), selection)
    with pytest.raises(MissingPrerequisite, match="Workers die while they write"):
        scheduler.run()


def test_a_video_past_its_deadline_is_set_aside(tmp_path: Path) -> None:
    root = tmp_path / "w"
    add_videos(root, {"a1": numbers(30), "a2": "hang 1 2", "b1": numbers(20)}, seconds=0.1)
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("deadline_seconds = 300.0", "deadline_seconds = 1.0"))
    summary = finish(start(root))
    (failed,) = summary["status_counts"]["failed"]
    assert (failed["video_id"], failed["type"]) == ("a2", "WorkerDied")
    assert "deadline" in failed["message"]
    assert summary["status_counts"]["stages"]["total"]["videos"]["done"] == 2

"""A worker proves itself before it works, whenever it joins; one that does not fit is told once, and gets nothing."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask
import imageio_ffmpeg
import pytest
from distributed import Client, LocalCluster, Worker

import portrait_prep
from portrait_prep.errors import BadInput
from portrait_prep.pipeline.run import examiner, fitness
from portrait_prep.pipeline.run.dask_executor import DaskExecutor
from portrait_prep.pipeline.run.demands import Demands
from portrait_prep.pipeline.run.examiner import MODULE
from portrait_prep.pipeline.run.executor import WorkerDied
from portrait_prep.pipeline.run.fitness import Workers
from tests.pipeline.toy import add_videos, numbers, tables

PROJECT = Path(__file__).parents[3]
VIDEOS = {f"{letter}{k}": numbers(40 + k, k) for letter in "ab" for k in range(3)}
QUICK: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
QUICK |= {"host": "127.0.0.1", "protocol": "tcp"}


def older_code(folder: Path) -> Mapping[str, str]:
    """Where one line of the code is another."""
    shutil.copytree(next(iter(portrait_prep.__path__)), folder / "portrait_prep")
    with (folder / "portrait_prep" / "pipeline" / "run" / "commit.py").open("a") as file:
        file.write("# as it was\n")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}"}


def other_package(folder: Path) -> Mapping[str, str]:
    """Where NumPy says to be another."""
    (folder / "numpy-1.0.dist-info").mkdir(parents=True)
    (folder / "numpy-1.0.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}"}


def other_names(folder: Path) -> Mapping[str, str]:
    """Where names of files are ASCII."""
    return {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def other_ffmpeg(folder: Path) -> Mapping[str, str]:
    """Where another program does what ffmpeg should."""
    return {"IMAGEIO_FFMPEG_EXE": "/bin/echo"}


def ffmpeg_of_the_system(folder: Path) -> Mapping[str, str]:
    """Where the package brings no ffmpeg, so that it takes whichever there is."""
    package = Path(imageio_ffmpeg.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("ffmpeg-*"))
    (folder / "ffmpeg").write_text("#!/bin/sh\necho ffmpeg version 3.0\n")
    (folder / "ffmpeg").chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}"}


def as_here(folder: Path) -> Mapping[str, str]:
    """Where nothing is different but the folder that it was started in."""
    return {}


UNFIT = {
    older_code: "its portrait_prep is",
    other_package: "its numpy is 1.0, not ",
    other_names: "its encoding of file names is ascii, not utf-8",
    other_ffmpeg: "its ffmpeg is -version, not its package's",
    ffmpeg_of_the_system: "its ffmpeg is ffmpeg version 3.0, not its package's",
    as_here: "it does not see /proc/self/cwd/w",
}


@contextmanager
def started(scheduler: str, folder: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """A worker as a user starts it, in a folder of its own, with these environment variables."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler]
    command += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT), **variables}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def said(logged: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in logged if record.name == fitness.__name__]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a run by one process."""
    root = tmp_path_factory.mktemp("quiet") / "w"
    session = add_videos(root, VIDEOS)
    session.run(session.select((), (), False), workers=0)
    return tables(root)


def test_only_those_work_that_fit_and_the_others_are_told_once(
    tmp_path: Path, quiet: dict[str, Any], logged: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_videos(tmp_path / "w", VIDEOS)
    monkeypatch.chdir(tmp_path)
    session = add_videos(Path("/proc/self/cwd/w"), {})  # each process sees another folder by this path
    with LocalCluster(**QUICK) as cluster, ExitStack() as stack:
        for kind in UNFIT:
            variables = kind(tmp_path / f"{kind.__name__} path")
            stack.enter_context(started(cluster.scheduler_address, tmp_path / kind.__name__, variables))
        cluster.wait_for_workers(1 + len(UNFIT))
        run_counts, status_counts = session.run(
            session.select((), (), False), workers=1, scheduler=cluster.scheduler_address
        )
    assert run_counts.computed == dict.fromkeys(("count", "scale", "total"), len(VIDEOS))
    assert not status_counts.failed
    assert tables(tmp_path / "w") == quiet
    for reason in UNFIT.values():
        (line,) = [line for line in said(logged) if reason in line]
        assert line.startswith("The worker tcp://127.0.0.1:")
    assert len(said(logged)) == len(UNFIT)
    assert not [path for kind in UNFIT for path in (tmp_path / kind.__name__).rglob("*.parquet")]


@pytest.mark.parametrize(("threads", "lines"), [(1, 0), (2, 1)])
def test_one_that_joins_late_is_examined_before_it_gets_work(
    tmp_path: Path, quiet: dict[str, Any], logged: list[logging.LogRecord], threads: int, lines: int
) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    joined: list[Worker] = []
    with LocalCluster(**QUICK | {"processes": True}) as cluster:

        async def join() -> None:
            joined.append(await Worker(cluster.scheduler_address, nthreads=threads, dashboard_address=None))

        def progress(*_: Any) -> None:
            if not joined:
                cluster.sync(join)

        _, status_counts = session.run(session.select((), (), False), 1, cluster.scheduler_address, progress)
        worked = len(joined[0].state.log)
        cluster.sync(joined[0].close)
    assert not status_counts.failed
    assert tables(tmp_path / "w") == quiet
    assert [line for line in said(logged) if "'dask worker --nthreads 1'" in line] == said(logged)
    assert len(said(logged)) == lines
    assert bool(worked) is (threads == 1)


def test_where_none_fits_the_run_ends_in_a_sentence(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    with (
        LocalCluster(**QUICK | {"threads_per_worker": 2}) as cluster,
        pytest.raises(BadInput, match=r"No worker of tcp://\S+ can be used: tcp://\S+: it has several threads: start"),
    ):
        session.run(session.select((), (), False), workers=1, scheduler=cluster.scheduler_address)
    assert not (tmp_path / "w" / "count").exists()


def test_of_workers_that_share_a_process_one_is_used() -> None:
    with LocalCluster(**QUICK | {"n_workers": 2}) as cluster, Client(cluster) as client:
        workers = Workers(client)
        workers.look()
        assert len(workers.fit) == 1
        (reason,) = workers.unfit.values()
        assert "shares its process with" in reason


def test_answers_are_read_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demands = Demands(folders=[tmp_path, tmp_path / "that this process cannot write to either"])
    with LocalCluster(**QUICK) as cluster, Client(cluster) as client:
        workers = Workers(client, demands)
        workers.look()
        assert (len(workers.fit), workers.unfit) == (1, {})
        monkeypatch.setattr(examiner, "answer_to", lambda probe, process: Path(f"{probe}.of-somebody-else"))
        workers.reexamine_all()
        workers.look()
        (reason,) = workers.unfit.values()
        assert f"what it writes to {tmp_path} cannot be taken up here" in reason
    assert list(tmp_path.iterdir()) == []


def test_the_wait_for_one_out_of_reach_begins_anew_once_it_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitness, "UNREACHABLE_SECONDS", 0.2)

    def out_of_reach(*_: Any, **__: Any) -> None:
        raise OSError

    with LocalCluster(**QUICK) as cluster, Client(cluster) as client:
        workers = Workers(client)
        for _ in range(2):
            with monkeypatch.context() as patch:
                patch.setattr(client, "run", out_of_reach)
                workers.look()
                assert (workers.fit, workers.unfit) == ({}, {})
            workers.look()
            assert len(workers.fit) == 1
            time.sleep(0.3)
            workers.reexamine_all()


def test_a_process_that_was_never_examined_does_nothing_whatever_its_address() -> None:
    with LocalCluster(**QUICK) as cluster, Client(cluster) as client:
        workers = Workers(client)
        workers.look()
        executor = DaskExecutor(client, workers)
        assert executor.result(executor.submit(max, 1, 2)) == 2
        sys.modules.pop(MODULE)  # as in a process that took the place of the one that was examined
        with pytest.raises(WorkerDied, match="another worker"):
            executor.result(executor.submit(max, 1, 2))
        assert executor.result(executor.submit(max, 1, 2)) == 2


def test_a_task_all_of_whose_workers_are_gone_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portrait_prep.pipeline.run.dask_executor.POLL_SECONDS", 0.1)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 3}),
        LocalCluster(**QUICK | {"processes": True}) as cluster,
        Client(cluster) as client,
    ):
        workers = Workers(client)
        workers.look()
        executor = DaskExecutor(client, workers)
        future = executor.submit(os._exit, 1)
        assert executor.wait([future]) == [future]
        with pytest.raises(WorkerDied, match="are gone"):
            executor.result(future)
        assert executor.result(executor.submit(max, 1, 2)) == 2, "a new one came"

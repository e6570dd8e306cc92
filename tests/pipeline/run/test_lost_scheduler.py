"""A dask scheduler that goes away, however and whenever, is one sentence; what is committed is kept."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.pipeline.run import connection, dask_executor, dask_opening, fitness
from portrait_prep.pipeline.run.connection import LOST
from portrait_prep.pipeline.session import Session
from tests.pipeline.toy import add_videos, numbers, tables, toy_session

PROJECT = Path(__file__).parents[3]
VIDEOS = {f"{letter}{k}": f"slow {numbers(40 + k, k)}" for letter in "ab" for k in range(2)}


@contextmanager
def cluster(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A scheduler and a worker as a user starts them; the scheduler, and its address."""
    known = folder / "scheduler.json"
    where = ["--scheduler-file", str(known), "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = dask("scheduler", "--port", "0", *where)
    worker = dask("worker", "--nthreads", "1", "--no-nanny", *where)
    try:
        while not known.exists():
            time.sleep(0.02)
        time.sleep(0.1)
        address = json.loads(known.read_text())["address"]
        with Client(address) as client:
            client.wait_for_workers(1)
        yield scheduler, address
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def dask(program: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *options]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stderr=subprocess.DEVNULL)


def run(session: Session, address: str, progress: Callable[..., None]) -> None:
    session.run(session.select((), (), False), 1, address, progress)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for as long as elsewhere."""
    for module in (connection, dask_executor, fitness):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("portrait_prep.pipeline.run.cluster.CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(dask_opening, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(dask_executor, "POLL_SECONDS", 0.1)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_scheduler_that_goes_away_is_a_sentence(
    tmp_path: Path, sent: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    committed: list[Any] = []
    with cluster(tmp_path) as (scheduler, address):

        def progress(*commit: Any) -> None:
            committed.append(commit)
            scheduler.send_signal(sent)

        with pytest.raises(MissingPrerequisite, match=LOST):
            run(session, address, progress)
        assert "Traceback" not in capfd.readouterr().err
    again = toy_session(tmp_path / "w")
    assert again.status_counts().to_json()["stages"]["count"]["videos"]["done"] >= len(committed[0][2]) > 0
    again.run(again.select((), (), False), workers=0)
    add_videos(tmp_path / "quiet", VIDEOS)
    toy_session(tmp_path / "quiet").run(session.select((), (), False), workers=0)
    assert tables(tmp_path / "w") == tables(tmp_path / "quiet")


@pytest.mark.parametrize("moment", ["look", "require_one", "submit", "wait", "result"])
def test_at_whatever_moment(tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    session = add_videos(tmp_path / "w", {"a1": "slow 1 2"})
    owner = fitness.Workers if moment in ("look", "require_one") else dask_executor.DaskExecutor
    itself = getattr(owner, moment)
    with cluster(tmp_path) as (scheduler, address):

        def after_the_end(*arguments: Any, **options: Any) -> Any:
            scheduler.kill()
            scheduler.wait()
            return itself(*arguments, **options)

        monkeypatch.setattr(owner, moment, after_the_end)
        with pytest.raises(MissingPrerequisite, match=LOST):
            run(session, address, lambda *_: None)


def test_what_listens_and_says_nothing_is_no_scheduler(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", VIDEOS)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(BadInput, match="No dask scheduler answers"):
        run(session, f"tcp://127.0.0.1:{silent.getsockname()[1]}", lambda *_: None)

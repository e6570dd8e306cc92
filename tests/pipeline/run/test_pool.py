"""Work shared out among processes comes back in order, few results at a time, and leaves no process behind."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import parent_process

import psutil
import pytest

from portrait_prep.errors import Damaged
from portrait_prep.pipeline.run.pool import AHEAD, in_order

WORKERS = 2


def work(item: object) -> tuple[object, int, str | None]:
    """The item, after a while where it is even, with the process and its number of threads."""
    if item == "damaged":
        raise Damaged("it is damaged")
    if item == "killed" and parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(item, int):
        time.sleep(0.05 * (item % 2 == 0))
    return item, os.getpid(), os.environ.get("OMP_NUM_THREADS")


def test_results_come_in_order_and_items_are_taken_as_they_are_wanted() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    processes = set()
    for count, (item, process, threads) in enumerate(in_order(work, items(), WORKERS)):
        assert (item, threads) == (count, "1")
        assert len(taken) <= count + AHEAD * WORKERS
        processes.add(process)
    assert count == 19
    assert len(processes) == WORKERS
    assert os.getpid() not in processes
    assert not any(map(psutil.pid_exists, processes))


@pytest.mark.parametrize("workers", [0, 1])
def test_fewer_than_two_workers_are_this_process(workers: int) -> None:
    assert [result[:2] for result in in_order(work, range(3), workers)] == [(item, os.getpid()) for item in range(3)]


def test_what_a_killed_worker_leaves_is_done_here(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "portrait_prep"):
        results = list(in_order(work, [0, 1, "killed", 3, 4, 5, 6, 7, 8, 9], WORKERS))
    assert [item for item, _, _ in results] == [0, 1, "killed", 3, 4, 5, 6, 7, 8, 9]
    assert results[-1][1] == os.getpid()
    (line,) = caplog.messages
    assert "A worker process was killed" in line


def test_what_the_work_raises_comes_in_its_turn() -> None:
    results = in_order(work, [0, 1, "damaged", 3], WORKERS)
    assert [next(results)[0], next(results)[0]] == [0, 1]
    with pytest.raises(Damaged, match="it is damaged"):
        next(results)


PROGRAM = """
import time
from portrait_prep.cli.interruption import end_interrupted, raise_on_signals
from portrait_prep.pipeline.run.pool import in_order

raise_on_signals()
try:
    for _ in in_order(time.sleep, [0, 0, 60, 60, 60, 60, 60], 2):
        print("begun", flush=True)
except KeyboardInterrupt:
    end_interrupted()
"""


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_however_it_ends(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= WORKERS
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        _, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive
        process.wait(5)
        if number is not signal.SIGKILL:
            assert process.stderr.read() == "portrait-prep: interrupted; run again to go on from here\n"


MUCH = """
from functools import partial
from portrait_prep.pipeline.run.pool import in_order
list(in_order(partial(max, bytes(1 << 24)), [b""], 2))
"""


def test_a_worker_that_has_not_begun_as_its_driver_ends_says_nothing() -> None:
    """It got only half of what it is to do."""
    with subprocess.Popen([sys.executable, "-c", MUCH], stderr=subprocess.PIPE, text=True) as process:
        driver = psutil.Process(process.pid)
        while not any("spawn_main" in word for child in driver.children() for word in child.cmdline()):
            assert process.poll() is None
        process.kill()
        assert process.stderr
        assert process.stderr.read() == ""


def test_what_a_worker_logs_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    list(in_order(logging.getLogger("portrait_prep").warning, ["so", "so"], WORKERS))
    assert capfd.readouterr().err.splitlines() == ["so", "so"]


def test_an_iterator_that_is_closed_ends_its_workers_at_once() -> None:
    before = set(psutil.Process().children())
    results = in_order(time.sleep, [0, 60, 60, 60], WORKERS)
    next(results)
    workers = set(psutil.Process().children()) - before
    assert len(workers) >= WORKERS
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 10
    _, alive = psutil.wait_procs(list(workers), timeout=5)
    assert all("resource_tracker" in " ".join(process.cmdline()) for process in alive)

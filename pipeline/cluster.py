"""Dask: workers on this machine, one process a core and one thread each, or those of an existing cluster."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin
from distributed import wait as dask_wait
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.worker import Worker

from manifests.errors import BadInput, MissingPrerequisite
from pipeline.crew import Crew, ThisProcess, WorkerDied
from pipeline.process import ONE_THREAD, QUIET, send_stderr_to, signals_held

log = logging.getLogger(__name__)

LOST = (CommClosedError, FutureCancelledError)
LOST_SENTENCE = "The dask scheduler is gone: start it and run again; what is committed is kept."

CONNECT_SECONDS = 15
START_ATTEMPTS = 3


class DaskCrew:
    """Workers of a dask cluster, local or not."""

    watched = True

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def size(self) -> int:
        """One task a thread; asked anew each time, since clusters grow and shrink."""
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """Start a task on any worker."""
        return self._client.submit(task, *arguments, pure=False)

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        """Block until one is finished."""
        try:
            return list(dask_wait(list(futures), return_when="FIRST_COMPLETED").done)
        except LOST as error:
            raise MissingPrerequisite(LOST_SENTENCE) from error

    def result(self, future: Any) -> Any:
        """The outcome."""
        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerDied(str(error)) from error
        except LOST as error:
            raise MissingPrerequisite(LOST_SENTENCE) from error


class WorkerSetup(WorkerPlugin):
    """Makes a local worker quiet, and lets it die with the driver so that no orphan goes on writing."""

    def __init__(self, log_file: Path, driver: int) -> None:
        self._log_file, self._driver = log_file, driver

    def setup(self, worker: Worker) -> None:
        """Send what the libraries print to the log file; watch the driver."""
        del worker
        send_stderr_to(self._log_file)
        threading.Thread(target=self._die_with_driver, daemon=True).start()

    def _die_with_driver(self) -> None:
        while os.getppid() == self._driver:
            time.sleep(0.2)
        os._exit(1)


@contextmanager
def hire(workers: int, scheduler: str | None, log_file: Path) -> Iterator[Crew]:
    """Yield a crew: of an existing cluster, of `workers` local processes, or (0) of this process alone.

    Raises BadInput when the scheduler does not answer.
    """
    if scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise BadInput(f"No dask scheduler answers at {scheduler}: start one or leave --scheduler out.") from error
        with client:
            _require_workers(client, scheduler)
            yield DaskCrew(client)
    elif workers == 0:
        os.environ.update(QUIET)
        yield ThisProcess()
    else:
        with signals_held():
            cluster = _local_cluster(workers)
        with cluster, Client(cluster) as client:
            client.register_plugin(WorkerSetup(log_file, os.getpid()))
            yield DaskCrew(client)


def _require_workers(client: Client, scheduler: str) -> None:
    """Some, of one thread each: the networks live once a process and are not made for several. Raises BadInput."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise BadInput(f"The scheduler at {scheduler} has no workers: start some with 'dask worker'.") from error
    if any(threads != 1 for threads in client.nthreads().values()):
        raise BadInput(f"The workers of {scheduler} have several threads: start them with 'dask worker --nthreads 1'.")


def _local_cluster(workers: int) -> LocalCluster:
    dask.config.set(
        {
            "distributed.nanny.pre-spawn-environ": ONE_THREAD | QUIET,
            # A unit whose worker died is taken apart by the foreman, not blindly repeated by the scheduler.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.worker.daemon": False,
            # Dask's own profiler would stop each worker a hundred times a second; its monitor twice.
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "5s",
        }
    )
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs="CRITICAL",
            )
        except RuntimeError as error:  # a worker was killed while it started
            if attempt == START_ATTEMPTS:
                raise MissingPrerequisite(f"Dask cannot start {workers} workers here ({error}): try fewer.") from error
            log.warning("dask could not start its workers: %s", error)
    raise AssertionError

"""Dask clusters: workers started on this machine, or an existing scheduler that is joined."""

import asyncio
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster, WorkerPlugin, rpc
from distributed.system import MEMORY_LIMIT
from distributed.versions import VersionMismatchWarning
from distributed.worker import Worker

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.printing import print_logs_safely
from portrait_prep.pipeline.run.gpus import GPU, VISIBLE
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET, send_stderr_to, speak

log = logging.getLogger(__name__)

HOST = "127.0.0.1"

DASK_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application", "asyncio")
"""Loggers of dask, and of what it stands on, that have levels of their own; its others inherit that of the first."""

CONNECT_SECONDS = 15
"""How long a scheduler may take to answer, and a first worker to appear."""

START_ATTEMPTS = 3

GPU_WORKER_MEMORY = 8 * 2**30
"""Least limit of memory of a worker that owns a GPU, bytes: CUDA's libraries alone map some gigabytes."""


class WorkerSetup(WorkerPlugin):
    """Makes a local worker quiet, and lets it end at once when it is told to, or with the driver.

    So no orphan goes on writing, and nobody waits for a task that is not wanted any more: results lie in files.
    """

    def __init__(self, log_file: Path, driver: int) -> None:
        self._log_file, self._driver = log_file, driver

    def setup(self, worker: Worker) -> None:
        """Send what the libraries print to the log file; watch the driver."""
        del worker
        speak()
        send_stderr_to(self._log_file)
        print_logs_safely()
        silence_dask()
        threading.Thread(target=self._die_with_driver, daemon=True).start()

    def teardown(self, worker: Worker) -> None:
        """End the process, whatever its task is doing."""
        del worker
        os._exit(0)

    def _die_with_driver(self) -> None:
        while os.getppid() == self._driver:
            time.sleep(0.2)
        os._exit(1)


@contextmanager
def connected(scheduler: str) -> Iterator[Client]:
    """A client of an existing scheduler, closed at the end. Raises BadInput when none answers.

    Dask's own messages about versions and lost schedulers are silenced: the run reports both in a sentence.
    """
    silence_dask()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        try:
            asyncio.run(asyncio.wait_for(_answer(scheduler), CONNECT_SECONDS))
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except Exception as error:
            raise BadInput(f"No dask scheduler answers at {scheduler}: start one or leave --scheduler out.") from error
        with client:
            yield client


def silence_dask() -> None:
    """Let dask log nothing in this process: what matters of it, a run says in a sentence.

    Its own way ends with the cluster, and connections that break as that closes are told with tracebacks.
    """
    for name in DASK_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


async def _answer(scheduler: str) -> None:
    """Return once the scheduler said what it is. A `Client` waits without end where something listens and is silent."""
    async with rpc(scheduler, connection_args=Security().get_connection_args("client")) as asked:
        await asked.identity()


def local_cluster(workers: int, devices: Sequence[str], setup: WorkerSetup, signals: Sequence[int]) -> SpecCluster:
    """Workers on this machine; `signals` are those held back meanwhile.

    Raises MissingPrerequisite when the workers do not start, KeyboardInterrupt when that may be due to a signal.
    """
    silence_dask()
    dask.config.set(
        {
            "distributed.nanny.pre-spawn-environ": ONE_THREAD | QUIET,
            # A unit whose worker died is taken apart by our scheduler, not blindly repeated by dask's.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.worker.daemon": False,
            # Dask's own profiler would stop each worker a hundred times a second; its monitor twice.
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "5s",
            # Nor need it ask the GPUs how busy they are at each heartbeat, which fails where a device is cut up (MIG).
            "distributed.diagnostics.nvml": False,
        }
    )
    scheduler = {"cls": Scheduler, "options": {"host": HOST, "dashboard_address": f"{HOST}:0"}}
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            options = worker_options(workers, devices, setup)
            return SpecCluster(scheduler=scheduler, workers=options, silence_logs="CRITICAL")
        except RuntimeError as error:  # a worker was killed while it started
            if signals:
                raise KeyboardInterrupt from error
            if attempt == START_ATTEMPTS:
                raise MissingPrerequisite(f"Dask cannot start {workers} workers here ({error}): try fewer.") from error
            log.warning("dask could not start its workers: %s", error)
    raise AssertionError


def worker_options(
    workers: int, devices: Sequence[str], setup: WorkerSetup, memory: int = MEMORY_LIMIT
) -> dict[int, dict[str, Any]]:
    """Number of each worker -> how it is started, and restarted: an equal share of the memory, and one GPU or none.

    The memory of those that own a GPU is limited less: dask would pause or end them for the libraries of CUDA.
    """
    share = memory // workers
    common: dict[str, Any] = {
        "host": HOST,
        "nthreads": 1,
        "memory_limit": share,
        "silence_logs": "CRITICAL",
        # Not registered with the scheduler afterwards: a worker that died meanwhile would fail the run.
        "plugins": (setup,),
    }
    enough = min(memory, max(share, GPU_WORKER_MEMORY))
    owning: list[dict[str, Any]] = [
        {"resources": {GPU: 1}, "env": {VISIBLE: device}, "memory_limit": enough} for device in devices
    ]
    others = [{"env": {VISIBLE: ""}}] * (workers - len(owning))
    return {number: {"cls": Nanny, "options": common | own} for number, own in enumerate([*owning, *others])}

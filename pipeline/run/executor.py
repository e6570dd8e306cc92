"""Who computes: this process, dask workers on this machine, one a core with one thread each, or an existing cluster.

A worker that owns a GPU offers the resource `GPU`, and takes what needs none as well. Workers started here own one GPU
each, as far as there are some, and see no other; if such a worker dies, the one in its place owns the same. An existing
cluster brings its own, one a device: `dask worker --nthreads 1 --resources GPU=1`, or dask-cuda's with these options.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import dask
from distributed import Client, KilledWorker, Nanny, Scheduler, SpecCluster, WorkerPlugin
from distributed import wait as dask_wait
from distributed.client import FutureCancelledError
from distributed.comm.core import CommClosedError
from distributed.system import MEMORY_LIMIT
from distributed.worker import Worker

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.printing import print_logs_safely
from portrait_prep.pipeline.declare.settings import GpuSetting
from portrait_prep.pipeline.run.gpus import VISIBLE, Find, chosen, find_devices, most
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET, send_stderr_to, signals_held

log = logging.getLogger(__name__)

LOST = (CommClosedError, FutureCancelledError)
LOST_SENTENCE = "The dask scheduler is gone: start it and run again; what is committed is kept."

GPU = "GPU"
"""Name of dask's resource, as dask-cuda's users have it."""
HOST = "127.0.0.1"

CONNECT_SECONDS = 15
START_ATTEMPTS = 3


class WorkerDied(Exception):
    """The process that did a task is gone: killed, out of memory, or past a deadline."""


class Executor(Protocol):
    """Takes tasks and hands back what is finished."""

    watched: bool
    """Whether a task may end its process (a watchdog can be set), because another would take its place."""

    @property
    def size(self) -> int:
        """How many tasks can be under way at once."""

    @property
    def gpus(self) -> int:
        """How many of them can have a GPU; in one run either always 0 or never."""

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        """Start a task, where there is a GPU for it alone if it is to have one; return its future."""

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        """Wait until at least one is finished; return the finished ones."""

    def result(self, future: Any) -> Any:
        """The outcome of a finished future. Raises what the task raised, or WorkerDied."""


class InProcessExecutor:
    """Does each task at once, in the calling process: for tests and debuggers."""

    size = 1
    watched = False

    def __init__(self, gpus: int = 0) -> None:
        self.gpus = gpus

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Future[Any]:
        """Run the task; this process uses the first GPU that it sees."""
        del gpu
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Sequence[Future[Any]]) -> list[Future[Any]]:
        """All are finished."""
        return list(futures)

    def result(self, future: Future[Any]) -> Any:
        """The outcome."""
        return future.result()


class DaskExecutor:
    """Workers of a dask cluster, local or not."""

    watched = True

    def __init__(self, client: Client, most_gpus: int = 0) -> None:
        self._client = client
        self._most_gpus = most_gpus if most_gpus and self._offered() else 0

    @property
    def size(self) -> int:
        """One task a thread; asked anew each time, since clusters grow and shrink."""
        return max(1, sum(int(threads) for threads in self._client.nthreads().values()))

    @property
    def gpus(self) -> int:
        """One task a worker that owns a GPU. At least one if there was one at first: what died comes back."""
        return max(1, min(self._most_gpus, self._offered())) if self._most_gpus else 0

    def _offered(self) -> int:
        """How many workers own a GPU now."""
        known = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return sum(worker["resources"].get(GPU, 0) >= 1 for worker in known)

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        """Start a task on any worker; one that is to have a GPU on a worker that owns one, before any other there."""
        needs = {"resources": {GPU: 1}, "priority": 1} if gpu else {}
        return self._client.submit(task, *arguments, pure=False, **needs)

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
        print_logs_safely()
        threading.Thread(target=self._die_with_driver, daemon=True).start()

    def _die_with_driver(self) -> None:
        while os.getppid() == self._driver:
            time.sleep(0.2)
        os._exit(1)


@contextmanager
def open_executor(
    workers: int, scheduler: str | None, log_file: Path, gpu: GpuSetting | None = None, find: Find = find_devices
) -> Iterator[Executor]:
    """Yield an executor: of an existing cluster, of `workers` local processes, or (0) of this process alone.

    `gpu` is the setting where some work wants a GPU, None where none does. Where it wants one and gets none, a line in
    the log says so; such work is then like any other. `find` names the devices of this machine. Raises BadInput when
    the scheduler does not answer.
    """
    with _opened(workers, scheduler, log_file, gpu or 0, find) as executor:
        if gpu is not None and not executor.gpus:
            log.warning("No GPU is used (%s): everything runs on the CPU.", _why_none(gpu, scheduler))
        yield executor


@contextmanager
def _opened(workers: int, scheduler: str | None, log_file: Path, gpu: GpuSetting, find: Find) -> Iterator[Executor]:
    if scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise BadInput(f"No dask scheduler answers at {scheduler}: start one or leave --scheduler out.") from error
        with client:
            _require_workers(client, scheduler)
            yield DaskExecutor(client, most(gpu))
    elif workers == 0:
        os.environ.update(QUIET)
        yield InProcessExecutor(gpus=len(chosen(gpu, find)[:1]))
    else:
        devices = chosen(gpu, find)[:workers]
        with signals_held():
            cluster = _local_cluster(workers, devices, WorkerSetup(log_file, os.getpid()))
        with cluster, Client(cluster) as client:
            yield DaskExecutor(client, len(devices))


def _why_none(gpu: GpuSetting, scheduler: str | None) -> str:
    if not most(gpu):
        return f"gpu = {gpu} in pipeline.toml"
    if scheduler:
        return f"no worker of {scheduler} offers one: start those that own one with --resources {GPU}=1"
    return "none was found"


def _require_workers(client: Client, scheduler: str) -> None:
    """Some, of one thread each: the networks live once a process and are not made for several. Raises BadInput."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise BadInput(f"The scheduler at {scheduler} has no workers: start some with 'dask worker'.") from error
    if any(threads != 1 for threads in client.nthreads().values()):
        raise BadInput(f"The workers of {scheduler} have several threads: start them with 'dask worker --nthreads 1'.")


def _local_cluster(workers: int, devices: Sequence[str], setup: WorkerSetup) -> SpecCluster:
    dask.config.set(
        {
            "distributed.nanny.pre-spawn-environ": ONE_THREAD | QUIET,
            # A unit whose worker died is taken apart by our scheduler, not blindly repeated by dask's.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.worker.daemon": False,
            # Dask's own profiler would stop each worker a hundred times a second; its monitor twice.
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "5s",
        }
    )
    scheduler = {"cls": Scheduler, "options": {"host": HOST, "dashboard_address": f"{HOST}:0"}}
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            places = _places(workers, devices, setup)
            return SpecCluster(scheduler=scheduler, workers=places, silence_logs="CRITICAL")
        except RuntimeError as error:  # a worker was killed while it started
            if attempt == START_ATTEMPTS:
                raise MissingPrerequisite(f"Dask cannot start {workers} workers here ({error}): try fewer.") from error
            log.warning("dask could not start its workers: %s", error)
    raise AssertionError


def _places(workers: int, devices: Sequence[str], setup: WorkerSetup) -> dict[int, dict[str, Any]]:
    """What each worker is started with, and started with again: an equal share of the memory, and a GPU or none."""
    common: dict[str, Any] = {
        "host": HOST,
        "nthreads": 1,
        "memory_limit": MEMORY_LIMIT // workers,
        "silence_logs": "CRITICAL",
        # Not registered with the scheduler afterwards: a worker that died meanwhile would fail the run.
        "plugins": (setup,),
    }
    owning: list[dict[str, Any]] = [{"resources": {GPU: 1}, "env": {VISIBLE: device}} for device in devices]
    others = [{"env": {VISIBLE: ""}}] * (workers - len(owning))
    return {number: {"cls": Nanny, "options": common | own} for number, own in enumerate([*owning, *others])}

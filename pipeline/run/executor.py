"""Who computes: this process, dask workers on this machine, one a core with one thread each, or an existing cluster.

A worker that owns a GPU offers the resource `GPU`, and takes what needs none as well. Workers started here own one GPU
each, as far as there are some, and see no other; if such a worker dies, the one in its place owns the same. An existing
cluster brings its own, one a device: `dask worker --nthreads 1 --resources GPU=1`, or dask-cuda's with these options.
"""

import logging
import os
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import dask
from distributed import Client, KilledWorker, Nanny, Scheduler, SpecCluster, WorkerPlugin
from distributed import wait as dask_wait
from distributed.protocol.pickle import dumps
from distributed.system import MEMORY_LIMIT
from distributed.versions import VersionMismatchWarning
from distributed.worker import Worker

from portrait_prep.errors import BadInput, MissingPrerequisite
from portrait_prep.manifests.printing import print_logs_safely
from portrait_prep.pipeline.declare.settings import GpuSetting
from portrait_prep.pipeline.run.connection import ANSWER_SECONDS, said_if_lost
from portrait_prep.pipeline.run.examiner import KEPT
from portrait_prep.pipeline.run.fitness import GPU, Demands, Workers
from portrait_prep.pipeline.run.gpus import VISIBLE, Find, chosen, find_devices, most
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET, send_stderr_to, signals_held

log = logging.getLogger(__name__)

HOST = "127.0.0.1"

DASK_LOGGERS = ("distributed", "distributed.client")
"""Those to which dask gives a level; the others have theirs from the first."""

CONNECT_SECONDS = 15
LOOK_SECONDS = 1.0
"""How often it is looked which workers are there."""
REPLACED_SECONDS = 120.0
"""How long a run waits without a worker."""
PERFORM = f"__import__('sys').modules['{KEPT}'].perform(run, payload)"
"""What a worker evaluates: one that was not examined does not have what it calls, and unpickles nothing."""

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
    """Workers of a dask cluster, local or not: those that fit."""

    watched = True

    def __init__(self, client: Client, workers: Workers, most_gpus: int = 0) -> None:
        self._client, self._workers = client, workers
        self._most_gpus = most_gpus if most_gpus and any(workers.fit.values()) else 0
        self._places: dict[Any, Collection[str]] = {}
        """Future -> the workers that may do it."""
        self._stranded: set[Any] = set()

    @property
    def size(self) -> int:
        """One task a worker; asked anew each time, since clusters grow and shrink."""
        self._look()
        return max(1, len(self._workers.fit))

    @property
    def gpus(self) -> int:
        """One task a worker that owns a GPU. At least one if there was one at first: what died comes back."""
        return max(1, min(self._most_gpus, sum(self._workers.fit.values()))) if self._most_gpus else 0

    def _look(self) -> None:
        self._workers.look()
        self._workers.tell()

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        """Start a task on any worker; one that is to have a GPU on a worker that owns one, before any other there."""
        needs = {"resources": {GPU: 1}, "priority": 1} if gpu else {}
        places = self._fitting(gpu)
        asked = {"__name__": KEPT, "run": self._workers.run, "payload": dumps((task, arguments))}
        key = f"{task.__name__}-{uuid.uuid4().hex}"
        with said_if_lost():
            future = self._client.submit(eval, PERFORM, asked, key=key, workers=places, pure=False, **needs)
        self._places[future] = places
        return future

    def _fitting(self, gpu: bool) -> list[str]:
        """The workers for a task; where there are none, those that died are given time to be replaced."""
        end = time.monotonic() + REPLACED_SECONDS
        while True:
            self._look()
            if places := [address for address, owns_gpu in self._workers.fit.items() if owns_gpu or not gpu]:
                return places
            if time.monotonic() > end:
                kind = "that owns a GPU " if gpu else ""
                raise MissingPrerequisite(
                    f"No worker {kind}is left: start some and run again; what is committed is kept."
                )
            time.sleep(0.1)

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        """Block until one is finished, or stranded: all workers that might do it are gone; or until workers came."""
        size, missed = len(self._workers.fit), set[Any]()
        while True:
            with said_if_lost(), suppress(TimeoutError):
                return list(dask_wait(list(futures), LOOK_SECONDS, "FIRST_COMPLETED").done)
            self._look()
            now = {future for future in futures if self._workers.present.isdisjoint(self._places[future])}
            # Word of a worker's death may be on its way: only what is seen twice is stranded.
            self._stranded |= now & missed
            missed = now
            if self._stranded or len(self._workers.fit) > size:
                return [future for future in futures if future in self._stranded]

    def result(self, future: Any) -> Any:
        """The outcome."""
        while future.status == "pending" and future not in self._stranded:
            self.wait([future])
        self._places.pop(future, None)
        if future in self._stranded:
            self._stranded.remove(future)
            raise WorkerDied("all workers that might do it are gone")
        if future.status != "error":
            return self._gathered(future)
        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerDied(str(error)) from error
        except KeyError as error:
            if error.args != (KEPT,):
                raise
            self._workers.distrust()
            raise WorkerDied("another worker took its place") from error

    @staticmethod
    def _gathered(future: Any) -> Any:
        with said_if_lost():
            try:
                return future.result(timeout=ANSWER_SECONDS)
            except TimeoutError:
                pass
        raise WorkerDied("it was gone before its result was fetched")


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
    workers: int,
    scheduler: str | None,
    log_file: Path,
    gpu: GpuSetting | None = None,
    find: Find = find_devices,
    demands: Demands = Demands(),  # noqa: B008 (frozen)
) -> Iterator[Executor]:
    """Yield an executor: of an existing cluster, of `workers` local processes, or (0) of this process alone.

    `gpu` is the setting where some work wants a GPU, None where none does. Where it wants one and gets none, a line in
    the log says so; such work is then like any other. `find` names the devices of this machine; `demands` is what any
    worker must meet. Raises BadInput when the scheduler does not answer or no worker fits.
    """
    with _opened(workers, scheduler, log_file, gpu or 0, find, demands) as executor:
        if gpu is not None and not executor.gpus:
            log.warning("No GPU is used (%s): everything runs on the CPU.", _why_none(gpu, scheduler))
        yield executor


@contextmanager
def _opened(
    workers: int, scheduler: str | None, log_file: Path, gpu: GpuSetting, find: Find, demands: Demands
) -> Iterator[Executor]:
    if scheduler:
        with _connected(scheduler) as client:
            yield DaskExecutor(client, _workers(client, scheduler, demands), most(gpu))
    elif workers == 0:
        os.environ.update(QUIET)
        yield InProcessExecutor(gpus=len(chosen(gpu, find)[:1]))
    else:
        devices = chosen(gpu, find)[:workers]
        with signals_held():
            cluster = _local_cluster(workers, devices, WorkerSetup(log_file, os.getpid()))
        with cluster, Client(cluster) as client:
            # What is on this machine, and ours, has our folders.
            yield DaskExecutor(client, _workers(client, "this machine", replace(demands, folders=())), len(devices))


@contextmanager
def _connected(scheduler: str) -> Iterator[Client]:
    """A client, closed at the end. Raises BadInput when no scheduler answers, in whatever way.

    What dask has to say of other versions and of a scheduler that goes away, we say in a sentence.
    """
    with _dask_silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore", VersionMismatchWarning)
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS)
        except Exception as error:
            raise BadInput(f"No dask scheduler answers at {scheduler}: start one or leave --scheduler out.") from error
        with client:
            yield client


@contextmanager
def _dask_silent() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in DASK_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _workers(client: Client, place: str, demands: Demands) -> Workers:
    """Those that are there, examined. Raises BadInput where there are none or none fits."""
    with said_if_lost():
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise BadInput(f"The scheduler at {place} has no workers: start some with 'dask worker'.") from error
    workers = Workers(client, demands)
    workers.look()
    workers.require(place)
    return workers


def _why_none(gpu: GpuSetting, scheduler: str | None) -> str:
    if not most(gpu):
        return f"gpu = {gpu} in pipeline.toml"
    if scheduler:
        return f"no worker of {scheduler} offers one: start those that own one with --resources {GPU}=1"
    return "none was found"


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

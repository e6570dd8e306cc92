"""Opens an executor: this process, dask workers on this machine, one a core with one thread each, or a dask cluster.

A worker that owns a GPU offers the resource `GPU`, and takes tasks that need none as well. Workers started here own one
GPU each, as far as there are some, and see no other; the replacement of a worker that died owns the same one. An
existing cluster brings its own: `dask worker --nthreads 1 --resources GPU=1`, or dask-cuda's with these options.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from distributed import Client

from portrait_prep.errors import BadInput
from portrait_prep.pipeline.declare.settings import GpuSetting
from portrait_prep.pipeline.run.cluster import CONNECT_SECONDS, WorkerSetup, connected, local_cluster
from portrait_prep.pipeline.run.connection import scheduler_loss_reported
from portrait_prep.pipeline.run.dask_executor import DaskExecutor
from portrait_prep.pipeline.run.demands import Demands
from portrait_prep.pipeline.run.executor import Executor, InProcessExecutor
from portrait_prep.pipeline.run.fitness import GPU, Workers
from portrait_prep.pipeline.run.gpus import Find, chosen, find_devices, most
from portrait_prep.pipeline.run.process import QUIET, children_uninterrupted, signals_held

log = logging.getLogger(__name__)


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
        with connected(scheduler) as client:
            yield DaskExecutor(client, _examined_workers(client, scheduler, demands), most(gpu))
    elif workers == 0:
        os.environ.update(QUIET)
        yield InProcessExecutor(gpus=len(chosen(gpu, find)[:1]))
    else:
        devices = chosen(gpu, find)[:workers]
        with ExitStack() as opened:
            with signals_held() as signals, children_uninterrupted():
                setup = WorkerSetup(log_file, os.getpid())
                cluster = opened.enter_context(local_cluster(workers, devices, setup, signals))
            client = opened.enter_context(Client(cluster))
            # Local workers run as this user and so share the folders.
            yield DaskExecutor(
                client, _examined_workers(client, "this machine", replace(demands, folders=())), len(devices)
            )


def _examined_workers(client: Client, place: str, demands: Demands) -> Workers:
    """The workers that are there, examined. Raises BadInput where there are none or none fits."""
    with scheduler_loss_reported():
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise BadInput(f"The scheduler at {place} has no workers: start some with 'dask worker'.") from error
    workers = Workers(client, demands)
    workers.look()
    workers.require_one(place)
    return workers


def _why_none(gpu: GpuSetting, scheduler: str | None) -> str:
    if not most(gpu):
        return f"gpu = {gpu} in pipeline.toml"
    if scheduler:
        return f"no worker of {scheduler} offers one: start those that own one with --resources {GPU}=1"
    return "none was found"

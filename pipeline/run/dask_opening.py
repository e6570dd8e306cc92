"""Opens an executor of dask: workers on this machine, or those of a cluster.

A worker that owns a GPU offers the resource `GPU`, and takes tasks that need none as well. Workers started here own one
GPU each, as far as there are some, alone or with others, and see no other; the replacement of a worker that died owns
the same one. An
existing cluster brings its own: `dask worker --nthreads 1 --resources GPU=1`, or dask-cuda's with these options.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from distributed import Client

from portrait_prep.errors import BadInput
from portrait_prep.pipeline.run.cluster import CONNECT_SECONDS, WorkerSetup, connected, local_cluster
from portrait_prep.pipeline.run.connection import scheduler_loss_reported
from portrait_prep.pipeline.run.dask_executor import DaskExecutor
from portrait_prep.pipeline.run.demands import Demands
from portrait_prep.pipeline.run.executor import Executor
from portrait_prep.pipeline.run.fitness import Workers
from portrait_prep.pipeline.run.process import children_uninterrupted, signals_held


@contextmanager
def of_scheduler(scheduler: str, demands: Demands, most_gpus: int) -> Iterator[Executor]:
    """The workers of a running cluster. Raises BadInput when it does not answer or no worker fits."""
    with connected(scheduler) as client:
        yield DaskExecutor(client, _examined_workers(client, scheduler, demands), most_gpus)


@contextmanager
def of_this_machine(workers: int, devices: Sequence[str], log_file: Path, demands: Demands) -> Iterator[Executor]:
    """So many workers, started here; the first of them own a device each. Raises BadInput when none fits."""
    with ExitStack() as opened:
        with signals_held() as signals, children_uninterrupted():
            setup = WorkerSetup(log_file, os.getpid())
            cluster = opened.enter_context(local_cluster(workers, devices, setup, signals))
        client = opened.enter_context(Client(cluster))
        # Local workers run as this user and so share the folders.
        fit = _examined_workers(client, "this machine", replace(demands, folders=()))
        yield DaskExecutor(client, fit, len(devices))


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

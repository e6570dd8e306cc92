"""Opens an executor: this process, dask workers on this machine, one a core with one thread each, or a dask cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait_prep.pipeline.declare.settings import GpuSetting
from portrait_prep.pipeline.run.demands import Demands
from portrait_prep.pipeline.run.executor import Executor, InProcessExecutor
from portrait_prep.pipeline.run.gpus import GPU, Find, chosen, find_devices, most
from portrait_prep.pipeline.run.process import QUIET, require_temporary_folder, tasks_logged_to

log = logging.getLogger(__name__)


@contextmanager
def open_executor(
    workers: int,
    scheduler: str | None,
    log_file: Path,
    gpu: GpuSetting | None = None,
    gpu_workers: int = 1,
    find: Find = find_devices,
    demands: Demands = Demands(),  # noqa: B008 (frozen)
) -> Iterator[Executor]:
    """Yield an executor: of an existing cluster, of `workers` local processes, or (0) of this process alone.

    `gpu` is the setting where some work wants a GPU, None where none does. Where it wants one and gets none, a line in
    the log says so; such work is then like any other. `gpu_workers` share each GPU. `find` names the devices of this
    machine; `demands` is what any worker must meet. Raises BadInput when no scheduler answers or no worker fits.
    """
    with _opened(workers, scheduler, log_file, gpu or 0, gpu_workers, find, demands) as executor:
        if gpu is not None and not executor.gpus:
            log.warning("No GPU is used (%s): everything runs on the CPU.", _why_none(gpu, scheduler))
        yield executor


@contextmanager
def _opened(
    workers: int,
    scheduler: str | None,
    log_file: Path,
    gpu: GpuSetting,
    gpu_workers: int,
    find: Find,
    demands: Demands,
) -> Iterator[Executor]:
    if not scheduler and workers == 0:
        require_temporary_folder()
        os.environ.update(QUIET)
        with tasks_logged_to(log_file):
            yield InProcessExecutor(gpus=len(chosen(gpu, find)[:1]))
        return
    from portrait_prep.pipeline.run import dask_opening  # noqa: PLC0415 (slow to load, and not needed to look)

    if scheduler:
        with dask_opening.of_scheduler(scheduler, demands, most(gpu) * gpu_workers) as executor:
            yield executor
    else:
        require_temporary_folder()
        # Each device in turn, so that few workers are spread over all of them.
        devices = (chosen(gpu, find) * gpu_workers)[:workers]
        with dask_opening.of_this_machine(workers, devices, log_file, demands) as executor:
            yield executor


def _why_none(gpu: GpuSetting, scheduler: str | None) -> str:
    if not most(gpu):
        return f"gpu = {gpu} in pipeline.toml"
    if scheduler:
        return f"no worker of {scheduler} offers one: start those that own one with --resources {GPU}=1"
    return "none was found"

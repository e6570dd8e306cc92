"""An executor over the workers of a dask cluster, which may join, die and be replaced at any moment."""

import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from distributed import Client, KilledWorker
from distributed import wait as dask_wait
from distributed.protocol.pickle import dumps

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.pipeline.run.connection import ANSWER_SECONDS, scheduler_loss_reported
from portrait_prep.pipeline.run.examiner import MODULE
from portrait_prep.pipeline.run.executor import WorkerDied
from portrait_prep.pipeline.run.fitness import Workers
from portrait_prep.pipeline.run.gpus import GPU

POLL_SECONDS = 1.0
"""How often the list of workers is asked for while tasks are waited for."""
REPLACEMENT_SECONDS = 120.0
"""How long a run waits for a worker when there is none."""
PERFORM = f"__import__('sys').modules['{MODULE}'].perform(run, payload)"
"""Expression that a worker evaluates. In one that was not examined the module is missing, and nothing is unpickled."""


class DaskExecutor:
    """Hands tasks to the workers of a dask cluster, local or not, that passed the examination."""

    watched = True

    def __init__(self, client: Client, workers: Workers, most_gpus: int = 0) -> None:
        self._client, self._workers = client, workers
        self._most_gpus = most_gpus if most_gpus and any(workers.fit.values()) else 0
        self._eligible: dict[Any, Collection[str]] = {}
        """Future -> addresses of the workers that may do it."""
        self._lost: set[Any] = set()
        """Futures of which every such worker is gone."""

    @property
    def size(self) -> int:
        """One task a worker; asked anew each time, since clusters grow and shrink."""
        self._look_for_workers()
        return max(1, len(self._workers.fit))

    @property
    def gpus(self) -> int:
        """One task a worker that owns a GPU. At least one if there was one at first: what died comes back."""
        return max(1, min(self._most_gpus, sum(self._workers.fit.values()))) if self._most_gpus else 0

    def _look_for_workers(self) -> None:
        self._workers.look()
        self._workers.log_unfit()

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        """Start a task on any worker; one that is to have a GPU on a worker that owns one, before any other there."""
        needs = {"resources": {GPU: 1}, "priority": 1} if gpu else {}
        addresses = self._fitting(gpu)
        asked = {"__name__": MODULE, "run": self._workers.run, "payload": dumps((task, arguments))}
        key = f"{task.__name__}-{uuid.uuid4().hex}"
        with scheduler_loss_reported():
            future = self._client.submit(eval, PERFORM, asked, key=key, workers=addresses, pure=False, **needs)
        self._eligible[future] = addresses
        return future

    def _fitting(self, gpu: bool) -> list[str]:
        """Addresses of the workers that may do a task; waits for replacements where all of them died.

        Raises MissingPrerequisite when none came within REPLACEMENT_SECONDS.
        """
        end = time.monotonic() + REPLACEMENT_SECONDS
        while True:
            self._look_for_workers()
            if addresses := [address for address, owns_gpu in self._workers.fit.items() if owns_gpu or not gpu]:
                return addresses
            if time.monotonic() > end:
                kind = "that owns a GPU " if gpu else ""
                raise MissingPrerequisite(
                    f"No worker {kind}is left: start some and run again; what is committed is kept."
                )
            time.sleep(0.1)

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        """Block until a future is finished or lost (every worker that may do it is gone), or until workers joined."""
        size, suspected = len(self._workers.fit), set[Any]()
        while True:
            with scheduler_loss_reported(), suppress(TimeoutError):
                return list(dask_wait(list(futures), POLL_SECONDS, "FIRST_COMPLETED").done)
            self._look_for_workers()
            orphaned = {future for future in futures if self._workers.present.isdisjoint(self._eligible[future])}
            # Dask may be about to report the death itself: a future counts as lost when it is seen like this twice.
            self._lost |= orphaned & suspected
            suspected = orphaned
            if self._lost or len(self._workers.fit) > size:
                return [future for future in futures if future in self._lost]

    def result(self, future: Any) -> Any:
        """The outcome."""
        while future.status == "pending" and future not in self._lost:
            self.wait([future])
        self._eligible.pop(future, None)
        if future in self._lost:
            self._lost.remove(future)
            raise WorkerDied("all workers that might do it are gone")
        if future.status != "error":
            return self._fetched(future)
        try:
            return future.result()
        except KilledWorker as error:
            raise WorkerDied(str(error)) from error
        except KeyError as error:
            if error.args != (MODULE,):
                raise
            self._workers.reexamine_all()
            raise WorkerDied("another worker took its place") from error

    @staticmethod
    def _fetched(future: Any) -> Any:
        with scheduler_loss_reported():
            try:
                return future.result(timeout=ANSWER_SECONDS)
            except TimeoutError:
                pass
        raise WorkerDied("it was gone before its result was fetched")

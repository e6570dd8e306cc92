"""Calls in worker processes of this machine, for work that only reads; results come in the order of the calls.

No cluster is needed for that: nothing is written, not even a log, and workers start in a third of the time of dask's.
"""

import logging
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any, TypeVar

import cloudpickle

from portrait_prep.manifests.printing import print_logs_safely
from portrait_prep.pipeline.run.process import ONE_THREAD, QUIET, children_uninterrupted, speak

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Items that are under way for each worker, so that none waits; as many results are held at most."""


def in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Generator[R, None, None]:
    """Yield what `function` makes of each item, by so many processes of one thread each; below 2: by this process.

    Each worker gets `function` once and keeps it; items and results are to be plain values. Items are taken as they are
    wanted. The workers end at once when the iterator is closed, whatever they do, and with this process, however it
    ends. If one of them is killed, this process does what is left, and a line in the log says so.
    """
    items, taken = iter(items), deque[T]()
    if workers > 1:
        with _started(function, workers) as pool:
            futures = deque[Future[R]]()
            try:
                while True:
                    for item in islice(items, AHEAD * workers - len(taken)):
                        taken.append(item)
                        futures.append(_submit(pool, item))
                    if not taken:
                        return
                    result = futures.popleft().result()
                    taken.popleft()
                    yield result
            except BrokenProcessPool:
                log.warning("A worker process was killed: what is left is done in this process, without workers.")
    yield from map(function, chain(taken, items))


def _submit(pool: ProcessPoolExecutor, item: Any) -> Future[Any]:
    with children_uninterrupted():  # a worker may be started
        return pool.submit(_call, item)


@contextmanager
def _started(function: Callable[[Any], Any], workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers end with the block. They are spawned: a copy of this process would lack Arrow's threads."""
    spawn = get_context("spawn")
    there, here = spawn.Pipe(duplex=False)
    with there, here:
        with children_uninterrupted():  # multiprocessing's tracker is started
            pool = ProcessPoolExecutor(workers, spawn, _begin, (cloudpickle.dumps(function), there))
        try:
            yield pool
        finally:
            here.close()
            pool.shutdown(cancel_futures=True)


_functions: list[Callable[[Any], Any]] = []
"""In a worker: what it was started for."""


def _begin(function: bytes, driver: Connection) -> None:
    """Make a worker one that has one thread, is quiet, and ends with its driver."""
    os.environ.update(ONE_THREAD | QUIET)  # before NumPy is loaded, with the function
    Thread(target=_end_with, args=(driver,), daemon=True).start()
    speak()
    print_logs_safely()
    _functions.append(cloudpickle.loads(function))


def _end_with(driver: Connection) -> None:
    driver.poll(None)  # nothing is ever sent: it returns when the other end is closed
    os._exit(1)


def _call(item: Any) -> Any:
    return _functions[0](item)

"""A process of the pipeline: how many threads it has, where its libraries complain, and when it may be interrupted."""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

from portrait_prep.manifests.plain_files import opened_plain

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
ONE_THREAD = dict.fromkeys(THREAD_LIMITS, "1")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_minloglevel": "2"}

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
"""Cores that this process may use."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
STDERR = 2


def send_stderr_to(path: Path) -> None:
    """Append to a file whatever this process, native libraries included, prints to standard error from now on."""
    with opened_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as log_file:
        os.dup2(log_file, STDERR)


@contextmanager
def quietly(path: Path) -> Iterator[None]:
    """Append to a file whatever this process prints to standard error, until the end of the block."""
    sys.stderr.flush()
    before = os.dup(STDERR)
    try:
        send_stderr_to(path)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, STDERR)
        os.close(before)


@contextmanager
def signals_held() -> Iterator[Sequence[int]]:
    """Hold interrupts back until the end of the block: dask cannot be interrupted while it builds a cluster.

    Yields the numbers of those that came, as they come.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {number: signal.signal(number, lambda got, _: came.append(got)) for number in INTERRUPTS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if came:
            raise KeyboardInterrupt


@contextmanager
def children_uninterrupted() -> Iterator[None]:
    """Let no SIGINT reach the threads started in the block, and the processes that these start, then or later.

    Ctrl-C goes to all processes of a terminal at once; only this one is to act on it, and ends the others.
    """
    resource_tracker.ensure_running()  # multiprocessing starts it on first use, and unblocks SIGINT as it does
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

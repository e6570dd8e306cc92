"""A process of the pipeline: how many threads it has, where its libraries complain, and when it may be interrupted."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from multiprocessing import resource_tracker, spawn
from pathlib import Path
from tempfile import gettempdir

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.manifests.plain_files import opened_plain
from portrait_prep.manifests.printing import PrintableFormatter

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

TASKS = "portrait_prep.tasks"
"""Name of the logger of what goes wrong in tasks, with tracebacks."""

INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
STDERR = 2


def require_temporary_folder() -> None:
    """Raise MissingPrerequisite where there is no folder for temporary files whose name every library can take."""
    try:
        gettempdir().encode()
    except (OSError, UnicodeError) as error:
        raise MissingPrerequisite(
            "There is no folder for temporary files whose name is valid UTF-8: name one by the environment variable "
            "TMPDIR."
        ) from error


def send_stderr_to(path: Path) -> None:
    """Append to a file whatever this process, native libraries included, prints to standard error from now on."""
    with opened_plain(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) as log_file:
        os.dup2(log_file, STDERR)


@contextmanager
def tasks_logged_to(path: Path) -> Iterator[None]:
    """Append to a file what is logged of tasks that this process does itself, until the end of the block.

    Workers have a file for all that they print; here the terminal is the user's, who is told of failures in a sentence.
    """
    log = logging.getLogger(TASKS)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    with opened_plain(path, flags) as log_file, open(log_file, "w", encoding="utf-8", closefd=False) as out:
        handler = logging.StreamHandler(out)
        handler.setFormatter(PrintableFormatter())
        log.addHandler(handler)
        log.propagate = False
        try:
            yield
        finally:
            log.propagate = True
            log.removeHandler(handler)


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


SILENT = "PORTRAIT_PREP_SILENT"
"""Environment variable of a process that has begun in silence: the descriptor of what was its standard error."""

BEGIN_SILENTLY = (
    "import os; "
    f"os.environ['{SILENT}'] = str(os.dup(2)); "
    "nowhere = os.open(os.devnull, os.O_WRONLY); "
    "os.dup2(nowhere, 2); os.close(nowhere); "
)
"""Start of the program of a process."""

TRACKED = "ignore::UserWarning:multiprocessing.resource_tracker"
"""Has Python's tracker clear away what an interrupted process left, and not tell of it."""


def speak() -> None:
    """Print to what was standard error when this process began in silence, from now on."""
    if before := os.environ.pop(SILENT, ""):
        os.dup2(int(before), STDERR)
        os.close(int(before))


def _silently(command_line: Callable[..., list[str]]) -> Callable[..., list[str]]:
    @wraps(command_line)
    def silent(**arguments: object) -> list[str]:
        *options, program, mark = command_line(**arguments)
        return [*options, BEGIN_SILENTLY + program, mark]

    return silent


def _silence_beginners() -> None:
    """Have processes that multiprocessing spawns from now on print nothing until they `speak` or have a log.

    If this process ends while one begins, that one would print a traceback of what it has not received.
    """
    if not hasattr(spawn.get_command_line, "__wrapped__"):
        spawn.get_command_line = _silently(spawn.get_command_line)
    if TRACKED not in sys.warnoptions:
        sys.warnoptions.append(TRACKED)


@contextmanager
def children_uninterrupted() -> Iterator[None]:
    """Let no SIGINT reach the threads started in the block, and the processes that these start, then or later.

    Ctrl-C goes to all processes of a terminal at once; only this one is to act on it, and ends the others. Those begin
    in silence.
    """
    _silence_beginners()
    resource_tracker.ensure_running()  # multiprocessing starts it on first use, and unblocks SIGINT as it does
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

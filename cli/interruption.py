"""SIGTERM and Ctrl-C end a command within seconds, even inside a native call that does not return.

Python runs signal handlers only between its own instructions. But it writes the number of each signal at once to a pipe
set by `signal.set_wakeup_fd`. A thread reads that pipe and ends the process if the handler has not run soon after. That
is safe at any moment, since a file with its final name is whole. A signal is sent again after a while, since a library
may swallow what the handler raises. While a module is imported, the handler ends the process itself: importers swallow
its exception or raise another.
"""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
SENTENCE = "portrait-prep: interrupted; run again to go on from here\n"
SIGNALS = (signal.SIGTERM, signal.SIGINT)
STDERR = 2
IMPORTER = "<frozen importlib"
"""Start of the file name of Python's own functions that import a module."""
PATIENCE = 3.0
"""Seconds that the handler has to run."""
AGAIN = 10.0
"""Seconds after which a signal that was handled is sent again: closing takes less."""

_handled = threading.Event()
"""Set by the handler, cleared by the watching thread."""


def raise_on_signals() -> None:
    """Have SIGNALS raise KeyboardInterrupt in the main thread, or else end the process. Call from the main thread.

    SIGINT stays ignored where it is ignored already, as in the background of a script. A second call does nothing.
    """
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _interrupt(_: int, frame: FrameType | None) -> NoReturn:
    _handled.set()
    while frame:
        if frame.f_code.co_filename.startswith(IMPORTER):
            end_interrupted()
        frame = frame.f_back
    raise KeyboardInterrupt


def _watch(reader: int) -> None:
    """End the process after a signal that `_interrupt` does not handle in time. Other handlers are left alone."""
    while number := os.read(reader, 1):
        if number[0] not in SIGNALS or signal.getsignal(number[0]) is not _interrupt:
            continue
        if not _handled.wait(PATIENCE):
            end_interrupted()
        _handled.clear()
        again = threading.Timer(AGAIN, signal.raise_signal, number)
        again.daemon = True
        again.start()


def end_interrupted() -> NoReturn:
    """End the process at once: what libraries do at exit may fail after an interrupt, and say so at length."""
    with suppress(OSError):
        os.write(STDERR, SENTENCE.encode())
    os._exit(INTERRUPTED)

"""SIGTERM and Ctrl-C end a command within seconds, also where it is in a library that does not come back.

Python runs handlers of signals between its own instructions only. But it writes each signal down at once, to a pipe
that is asked of it: a thread reads there, and where the handler has not run soon after, it ends the process. That is
safe at any moment: a file that has its final name is whole.
"""

import os
import signal
import threading
from typing import NoReturn

INTERRUPTED = 130
SENTENCE = "portrait-prep: interrupted; run again to go on from here\n"
SIGNALS = (signal.SIGTERM, signal.SIGINT)
STDERR = 2
PATIENCE = 1.0
"""Seconds for the handler to run."""

_answered = threading.Event()


def raise_on_signals() -> None:
    """Have both signals raise KeyboardInterrupt in the main thread, or end the process. Ctrl-C stays ignored if it is.

    To be called from the main thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _interrupt(*_: object) -> NoReturn:
    _answered.set()
    raise KeyboardInterrupt


def _watch(reader: int) -> None:
    """Who has put another handler in the place of ours has run it, or will, and sees to the end."""
    while number := os.read(reader, 1):
        if number[0] in SIGNALS and not _answered.wait(PATIENCE) and signal.getsignal(number[0]) is _interrupt:
            os.write(STDERR, SENTENCE.encode())
            os._exit(INTERRUPTED)
        _answered.clear()

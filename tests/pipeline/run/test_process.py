"""Ctrl-C goes to all processes of a terminal; only the one that the user started acts on it."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, signal, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from portrait_prep.pipeline.run.process import children_uninterrupted

def child():
    command = [sys.executable, "-c", "print('begun', flush=True); input()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

threads = ThreadPoolExecutor(1)
with children_uninterrupted():
    threads.submit(multiprocessing.get_context("spawn").Queue).result()  # as dask does before it starts a worker
later = threads.submit(child).result()
own = child()
for process in (later, own):
    assert process.stdout.readline() == b"begun\\n"
    process.send_signal(signal.SIGINT)
later.communicate(b"\\n")
own.communicate()
print(later.returncode, own.returncode)
"""


@pytest.mark.usefixtures("interruptible")
def test_no_interrupt_reaches_what_the_threads_of_the_block_start() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"0 {-signal.SIGINT}\n", "")

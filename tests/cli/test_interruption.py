"""A command ends when it is told to, whatever it is in the middle of."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portrait_prep.cli.interruption import INTERRUPTED, PATIENCE, SENTENCE

PROJECT = Path(__file__).parents[2]

BODIES = {
    "Python": "while True: sum(range(100))",
    "a sleep": "time.sleep(60)",
    "a read that is begun again": "pq.ParquetFile(sys.argv[1])",
    "FFmpeg": "av.open(sys.argv[1])",
}
PROGRAM = """
import sys, time
import av
import pyarrow.parquet as pq
from portrait_prep.cli import main

def command():
    print("begun", flush=True)
    {body}

main.app = command
main.main()
"""


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("body", BODIES)
def test_it_ends_within_seconds(tmp_path: Path, body: str, number: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-c", PROGRAM.format(body=BODIES[body]), str(tmp_path / "pipe")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.2)
        process.send_signal(number)
        begun = time.perf_counter()
        _, errors = process.communicate(timeout=30)
        assert time.perf_counter() - begun < PATIENCE + 3.0
    assert (process.returncode, errors) == (INTERRUPTED, SENTENCE)


SWALLOWED = """
import time
from portrait_prep.cli import interruption, main

def command():
    print("begun", flush=True)
    try:
        time.sleep(60)
    except:
        time.sleep(60)

interruption.AGAIN = 0.5
main.app = command
main.main()
"""


@pytest.mark.usefixtures("interruptible")
def test_a_signal_that_was_swallowed_is_sent_again() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SWALLOWED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (INTERRUPTED, SENTENCE)


def test_it_ends_by_its_exit_code_wherever_the_signal_came(tmp_path: Path) -> None:
    """A module that Python runs by `-m` would end by the signal, had that come while text was executed in it."""
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nwhile True: pass"
    program = f"from portrait_prep.cli import main\nmain.app = lambda: exec({text!r})\nmain.main()"
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), str(tmp_path)])}
    command = [sys.executable, "-m", "program"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (INTERRUPTED, SENTENCE)


IMPORTED = {
    "passed on": "",
    "raised as another": "except BaseException as error: raise ImportError('initialization failed') from error",
    "swallowed": "except BaseException: pass",
}
MODULE = """
import os, signal
try:
    os.kill(os.getpid(), signal.{name})
    for _ in range(10**7): pass
{handling}
"""


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("handling", IMPORTED)
def test_it_ends_while_a_module_is_imported_whatever_that_does(tmp_path: Path, handling: str, number: int) -> None:
    text = MODULE.format(name=signal.Signals(number).name, handling=IMPORTED[handling] or "finally: pass")
    (tmp_path / "slow_to_import.py").write_text(text)
    body = "import slow_to_import; time.sleep(60)"
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    there = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    done = subprocess.run(command, capture_output=True, text=True, env=there, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (INTERRUPTED, SENTENCE)


EARLY = """
import os, signal, sys

class Importer:
    def find_spec(self, name, *_):
        if name == "portrait_prep.cli.main":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Importer())
from portrait_prep.__main__ import main
main()
"""


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_the_commands_are_imported(number: int) -> None:
    command = [sys.executable, "-c", EARLY.format(name=signal.Signals(number).name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (INTERRUPTED, SENTENCE)

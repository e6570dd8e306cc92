"""An export at the command line that is killed half-way, gone on with, and compared with one that was not."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from portrait_prep.views.exporting.filling import UNFINISHED
from tests.whole.runs import portrait_prep

TRIES = 20


def killed_and_not(workspace: Path, folder: Path, name: str, *options: str) -> tuple[Path, str]:
    """Write the export twice, one of them killed in between; both have the same files, byte for byte.

    Returns it, and what the one that was not killed said.
    """
    whole, killed = folder / "whole", folder / "killed"
    done = portrait_prep("export", name, whole, "-w", workspace, *options)
    assert done.returncode == 0, done.stderr
    _kill(workspace, killed, name, *options)
    again = portrait_prep("export", name, killed, "-w", workspace, *options)
    assert again.returncode == 0, again.stderr
    assert contents(killed) == contents(whole)
    return whole, done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """Path in the folder -> bytes of the file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _kill(workspace: Path, folder: Path, name: str, *options: str) -> None:
    """Kill it when it has said a line. It may have come to its end by then, on a busy machine: then once more."""
    command = [sys.executable, "-m", "pipeline", "export", name, str(folder), "-w", str(workspace), *options]
    for _ in range(TRIES):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
            assert running.stdout is not None
            assert running.stdout.readline()
            os.kill(running.pid, signal.SIGKILL)
        if running.returncode == -signal.SIGKILL and (folder / UNFINISHED).exists():
            return
        shutil.rmtree(folder)
    raise AssertionError("it never could be killed in between")

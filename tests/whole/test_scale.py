"""A hundred thousand videos: what a command takes of memory grows by less than a kilobyte a video."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.multiply import finished, multiply

FEW, MANY = 1000, 100_000
EACH = 1000
"""Bytes a video, the catalogue included."""
COMMANDS = (["run"], ["status"], ["run", "--dry-run"], ["list"], ["list", "--json"], ["report", "--pictures", "0"])


def peak(root: Path, command: list[str]) -> int:
    """Bytes of resident memory, at most, of a command that ends well."""
    arguments = [sys.executable, "-m", "portrait_prep", *command, "-w", str(root)]
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, arguments, os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return used.ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_memory_grows_by_less_than_a_kilobyte_a_video(tmp_path: Path) -> None:
    few = finished(tmp_path / "few")
    peaks = []
    for count in (FEW, MANY):
        root = multiply(few, tmp_path / f"w{count}", count).workspace.root
        peak(root, ["run"])
        peaks.append([peak(root, command) for command in COMMANDS])
    grown = {
        " ".join(command): (many - less) / (MANY - FEW) for command, less, many in zip(COMMANDS, *peaks, strict=True)
    }
    assert max(grown.values()) < EACH, grown

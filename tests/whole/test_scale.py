"""A hundred thousand videos: what a command takes of memory, beyond the catalogue, is less than a kilobyte a video."""

import os
import sys
from pathlib import Path

import pytest

FEW, MANY = 1000, 100_000
EACH = 1000
"""Bytes a video."""
OPEN = """
import sys
from pathlib import Path
from benchmarks.multiply import finished, multiply
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES
paths = [Path(name) for name in sys.argv[1:3]]
session = Session(Workspace(paths[0]), STAGES)
"""
"""Before each of the three that follow, which are processes of their own: see `peak`."""
PREPARE = f"{OPEN}finished(paths[0])"
CLONE = f"{OPEN}multiply(session, paths[1], int(sys.argv[3]))"
READ = f"{OPEN}assert len(session.videos)"
COMMANDS = ("run", "run --dry-run", "status", "list", "list --json", "report --pictures 0")


def peak(*arguments: str) -> int:
    """Bytes of resident memory, at most, of a Python process that ends well.

    Linux counts in what the process that starts it ever took, so that this one has to stay small.
    """
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return used.ru_maxrss * 1024


def peaks(root: Path) -> dict[str, int]:
    """Of reading the catalogue, of the first run (which writes all manifests), and of each command after it."""
    command = ("-m", "portrait_prep")
    found = {"catalogue": peak("-c", READ, str(root)), "first run": peak(*command, "run", "-w", str(root))}
    return found | {name: peak(*command, *name.split(), "-w", str(root)) for name in COMMANDS}


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_memory_beyond_the_catalogue_grows_by_less_than_a_kilobyte_a_video(tmp_path: Path) -> None:
    peak("-c", PREPARE, str(tmp_path / "few"))
    for count in (FEW, MANY):
        peak("-c", CLONE, str(tmp_path / "few"), str(tmp_path / f"w{count}"), str(count))
    less, many = (peaks(tmp_path / f"w{count}") for count in (FEW, MANY))
    grown = {name: (many[name] - less[name]) / (MANY - FEW) for name in many}
    assert max(grown.values()) - grown["catalogue"] < EACH, grown
    assert grown["catalogue"] < EACH, grown

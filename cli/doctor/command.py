"""`doctor`: looks at this machine. It loads no stage, for it must work where a stage does not load."""

from pathlib import Path

from portrait_prep.cli.doctor.checks import examine, finalize
from portrait_prep.cli.terminal import WorkspaceOption, say
from portrait_prep.pipeline.declare.workspace import Workspace


def doctor(*, workspace: WorkspaceOption = Path()) -> int:
    """Look at python, packages, ffmpeg, models, cores, memory, disk and GPU; say what works and what to do else."""
    Workspace(workspace.absolute()).announce()
    checks = []
    for check in examine(workspace.absolute()):
        say(check.line())
        checks.append(check)
    say(finalize(checks))
    return 0

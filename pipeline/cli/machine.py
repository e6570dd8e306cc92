"""`doctor`: looks at this machine. It loads no stage, for it must work where a stage does not load."""

from pathlib import Path

from pipeline.cli.terminal import WorkspaceOption, say
from pipeline.workspace import Workspace
from views.doctor.checks import conclude, examine


def doctor(*, workspace: WorkspaceOption = Path()) -> int:
    """Look at python, packages, ffmpeg, models, cores, memory, disk and GPU; say what works and what to do else."""
    Workspace(workspace.absolute()).announce()
    checks = []
    for check in examine(workspace.absolute()):
        say(check.line())
        checks.append(check)
    say(conclude(checks))
    return 0

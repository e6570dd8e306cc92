"""`doctor` and `models`: look at this machine. They load no stage, for they must work where a stage does not load."""

import os
from pathlib import Path
from typing import Literal

from pipeline.cli.terminal import WorkspaceOption, say
from stages.models.registry import MODELS, WORKSPACE_VARIABLE, locate, verified
from views.doctor import conclude, examine


def doctor(*, workspace: WorkspaceOption = Path()) -> int:
    """Look at python, packages, ffmpeg, models, cores, memory, disk and GPU; say what works and what to do else."""
    checks = []
    for check in examine(workspace.absolute()):
        say(check.line())
        checks.append(check)
    say(conclude(checks))
    return 0


def models(action: Literal["list", "verify"] = "list", *, workspace: WorkspaceOption = Path()) -> int:
    """List the model files, where each was found and under which licence.

    Parameters
    ----------
    action
        `list` them, or `verify` that each is the registered one.
    """
    os.environ[WORKSPACE_VARIABLE] = str(workspace.absolute())
    for name, model in MODELS.items():
        found = locate(name) if action == "list" else verified(name)
        say(f"{name}: {found.path} ({found.where}), {model.licence}, sha256 {model.sha256}")
    return 0

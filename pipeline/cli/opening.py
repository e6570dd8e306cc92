"""Opening a workspace with all the stages of the house."""

import os
from pathlib import Path

from pipeline.session import Session
from pipeline.workspace import Workspace
from stages.models.registry import WORKSPACE_VARIABLE
from stages.order import STAGES


def open_session(workspace: Path) -> Session:
    """The workspace, with all stages; its `models/` folder is one of the places where models are found."""
    os.environ[WORKSPACE_VARIABLE] = str(workspace.absolute())
    return Session(Workspace(workspace.absolute()), STAGES)

"""Opening a workspace with all the stages of the house."""

from pathlib import Path

from pipeline.session import Session
from pipeline.workspace import Workspace
from stages.order import STAGES


def open_session(workspace: Path) -> Session:
    """The workspace, with all stages."""
    return Session(Workspace(workspace.absolute()), STAGES)

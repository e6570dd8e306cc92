"""Opening a workspace with all stages."""

from pathlib import Path

from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings.order import SECTIONS


def open_session(workspace: Path) -> Session:
    """The workspace, with all stages; its `models/` folder is one of the places where models are found."""
    opened = Workspace(workspace.absolute())
    opened.announce()
    return Session(opened, STAGES, SECTIONS)

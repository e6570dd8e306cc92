"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pipeline.session import Session
from pipeline.workspace import Workspace
from stages import STAGES

WorkspaceOption = Annotated[Path, Parameter(name=["--workspace", "-w"], help="The workspace directory.")]
Workers = Annotated[
    int, Parameter(help="Local worker processes; 0 works in this process. Default: one a core.", show_default=False)
]
Flag = Parameter(negative=())


def open_session(workspace: Path) -> Session:
    """The workspace, with all stages."""
    return Session(Workspace(workspace.absolute()), STAGES)


def say(line: str) -> None:
    """Tell the user something."""
    print(line, flush=True)  # noqa: T201

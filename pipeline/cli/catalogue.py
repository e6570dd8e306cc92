"""`init`: a corpus becomes the catalogue of a workspace."""

from pathlib import Path

from cyclopts import App

from manifests.corpora.folder import SubjectFrom, catalogue
from pipeline.cli.opening import open_session
from pipeline.cli.terminal import WorkspaceOption, say
from pipeline.enrol import enrol

init = App(name="init", help="Make a workspace from a corpus, or add to it what is new.")


@init.command
def folder(*, source: Path, subject_from: SubjectFrom = "stem-prefix", workspace: WorkspaceOption = Path()) -> int:
    """Take the videos of a folder and of the folders in it.

    Parameters
    ----------
    source
        The folder. It is only ever read.
    subject_from
        Whose a video is: of the name before its last number (a_7.mp4: a), of the folder it lies in, or each its own.
    """
    session = open_session(workspace)
    say(enrol(session, lambda known: catalogue(source, subject_from, known)).line())
    say(f"Settings: {session.workspace.settings}. Next: portrait-prep run -w {workspace}")
    return 0

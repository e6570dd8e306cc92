"""`init folder`: videos of one's own."""

from pathlib import Path

from manifests.corpora.folder import SubjectFrom, catalogue
from pipeline.cli.enrolling import ALL, Wanted, take_in
from pipeline.cli.terminal import WorkspaceOption


def folder(
    *,
    source: Path,
    subject_from: SubjectFrom = "stem-prefix",
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the videos of a folder and of the folders in it.

    Parameters
    ----------
    source
        The folder. It is only ever read.
    subject_from
        Whose a video is: of the name before its last number (a_7.mp4: a), of the folder it lies in, or each its own.
    """
    # Videos of another folder may be in the catalogue, too: those are not missing here.
    return take_in(workspace, lambda known: catalogue(source, subject_from, known), wanted.choice(), whole=False)

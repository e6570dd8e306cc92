"""`init`: a corpus becomes the catalogue of a workspace."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from manifests.corpora import hdtf as hdtf_corpus
from manifests.corpora.folder import SubjectFrom, catalogue
from manifests.corpora.hdtf import SplitBy
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


@init.command
def hdtf(
    *,
    annotations: Path,
    source: Path | None = None,
    subject: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    limit: int | None = None,
    split: SplitBy = "subject",
    seed: int = 0,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the videos of HDTF: its annotation lists, and the files that are there already.

    Parameters
    ----------
    annotations
        The folder HDTF_dataset of https://github.com/MRzzm/HDTF: fifteen text files.
    source
        A folder with files of the release: clips (WDA_KatieHill_000.mp4) or whole videos (KatieHill.mp4,
        WDA_KatieHill.mp4). It is only ever read.
    subject
        Take only the videos of these persons (KatieHill …).
    limit
        Take only the first so many videos of the lists.
    split
        By subject, 80 to 20; or random, the paper's 132 and 32 videos. Videos that are known keep the split they have.
    seed
        Another number draws another split.
    """
    session = open_session(workspace)
    videos = hdtf_corpus.catalogue(annotations, source, subject, limit, split, seed)
    say(enrol(session, lambda _: videos).line())
    for line in hdtf_corpus.told(videos, annotations, source):
        say(line)
    say(f"Settings: {session.workspace.settings}. Next: portrait-prep run -w {workspace}")
    return 0

"""`init iemocap`: the corpus IEMOCAP."""

from pathlib import Path
from typing import Annotated

from manifests.choice import Filter
from manifests.corpora.iemocap import Classes, Side, catalogue, of_classes, told
from manifests.corpora.iemocap_evaluations import HOW_TO_OBTAIN
from manifests.errors import BadInput
from pipeline.cli.enrolling import ALL, Wanted, take_in
from pipeline.cli.terminal import Many, WorkspaceOption


def iemocap(
    *,
    source: Path | None = None,
    session: Annotated[tuple[int, ...] | None, Many] = None,
    classes: Classes = "all",
    marker_side: Side = "left",
    test_session: int = 5,
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the utterances of IEMOCAP from its release, which only its makers give out.

    Parameters
    ----------
    source
        The folder IEMOCAP_full_release. It is only ever read.
    session
        Take only these sessions: 1 to 5.
    classes
        Take all labelled utterances, or only those of the four classes neutral, happy (with excited), angry and sad.
    marker_side
        Where in the picture the actor with the markers sits; `portrait-prep sides` checks it.
    test_session
        The session to test on. Utterances that are known keep the split they have.
    """
    if source is None:
        raise BadInput(HOW_TO_OBTAIN)
    return take_in(
        workspace,
        lambda _: catalogue(source, marker_side, test_session),
        wanted.choice(Filter("--session", "session", session), of_classes(classes)),
        lambda rows: told(rows, source),
    )

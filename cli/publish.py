"""`report`, `overlay` and `measures`: what a workspace shows to people."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import Many, WorkspaceOption, say
from portrait_prep.pipeline.declare.quality import quality_settings
from portrait_prep.views.visual.drawing.overlay import write_overlay
from portrait_prep.views.visual.measures import measures as table
from portrait_prep.views.visual.report import PICTURES, write_report

Pictures = Annotated[NonNegativeInt, Parameter(help="Most videos with pictures and curves, problems first.")]
Show = Annotated[
    tuple[str, ...],
    Many,
    Parameter(help="Videos, and recordings, that have pictures and curves in any case.", show_default=False),
]
Out = Annotated[Path | None, Parameter(help="The file to write. Default: report/overlay/VIDEO.mp4 of the workspace.")]


def report(*, workspace: WorkspaceOption = Path(), pictures: Pictures = PICTURES, show: Show = ()) -> int:
    """Write report/index.html: one self-contained page about every video."""
    say(f"Report: {write_report(open_session(workspace), pictures, show)}")
    return 0


def measures(*, workspace: WorkspaceOption = Path()) -> int:
    """Print every measure that the stages take, with its rule, as a table in Markdown.

    Thresholds are those of the workspace; the defaults where there is none.
    """
    session = open_session(workspace)
    has_settings = session.workspace.settings.exists()
    settings = session.settings.quality if has_settings else quality_settings(session.declared)()
    for line in table(session.declared, settings):
        say(line)
    return 0


def overlay(video_id: str, *, workspace: WorkspaceOption = Path(), out: Out = None) -> int:
    """Write a video with landmarks, axes of the head and shoulders drawn on it, and its sound.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    """
    say(f"Overlay: {write_overlay(open_session(workspace), video_id, out)}")
    return 0

"""`report`: what a workspace shows to people."""

from pathlib import Path

from pipeline.cli.opening import open_session
from pipeline.cli.terminal import WorkspaceOption, say
from views.report import write_report


def report(*, workspace: WorkspaceOption = Path()) -> int:
    """Write report/index.html: one self-contained page about every video."""
    say(f"Report: {write_report(open_session(workspace))}")
    return 0

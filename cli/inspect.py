"""`status`, `manifest`: look at a workspace and change nothing."""

from pathlib import Path

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, WorkspaceOption, say, say_json
from portrait_prep.pipeline.reassigning import split_hint


def status(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Show how many videos and shards stand where at each stage, and what failed."""
    session = open_session(workspace)
    status_counts = session.status_counts()
    if json_:
        say_json(status_counts.to_json())
    else:
        for line in (*status_counts.lines(), *split_hint(session.videos, workspace)):
            say(line)
    return 0


def manifest(video_id: str, *, workspace: WorkspaceOption = Path()) -> int:
    """Print the manifest of one video: everything that happened to it.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    """
    say_json(open_session(workspace).video_status(video_id).manifest)
    return 0

"""`status`, `manifest`: look at a workspace and change nothing."""

from pathlib import Path

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, WorkspaceOption, say, say_json
from portrait_prep.manifests.printing import shell_word
from portrait_prep.pipeline.reassigning import split_hint
from portrait_prep.stages.recordings import overview


def status(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Show how many videos and shards stand where at each stage, and what failed."""
    session = open_session(workspace)
    if json_:
        say_json(session.status_counts().to_json() | overview.as_json(session))
        return 0
    if overview.has_recordings(session) and not session.workspace.catalogue.exists():
        videos = [f"No videos yet: portrait-prep init segments -w {shell_word(str(workspace))}"]
    else:
        videos = [*session.status_counts().lines(), *split_hint(session.videos, workspace)]
    for line in (*videos, *overview.lines(session)):
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

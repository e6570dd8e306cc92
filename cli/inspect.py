"""`status`, `manifest`: look at a workspace and change nothing."""

from pathlib import Path

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, WorkspaceOption, say, say_json
from portrait_prep.manifests.printing import shell_word
from portrait_prep.pipeline.reassigning import split_hint
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings import overview

NO_VIDEOS = "No videos yet: portrait-prep init segments -w {}"


def status(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Show how many videos and shards stand where at each stage, and what failed."""
    session = open_session(workspace)
    # Of recordings alone there is something to tell, too.
    has_videos = session.workspace.catalogue.exists() or not overview.has_recordings(session)
    if json_:
        say_json((session.status_counts().to_json() if has_videos else {}) | overview.as_json(session))
        return 0
    for line in _videos(session, workspace) if has_videos else [NO_VIDEOS.format(shell_word(str(workspace)))]:
        say(line)
    for line in overview.lines(session):
        say(line)
    return 0


def _videos(session: Session, workspace: Path) -> list[str]:
    return [*session.status_counts().lines(), *split_hint(session.videos, workspace)]


def manifest(video_id: str, *, workspace: WorkspaceOption = Path()) -> int:
    """Print the manifest of one video: everything that happened to it.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    """
    say_json(open_session(workspace).video_status(video_id).manifest)
    return 0

"""`status`, `manifest`, `audit`: look at a workspace and change nothing."""

import json
from pathlib import Path
from typing import Annotated

from pipeline.audit import Audit
from pipeline.cli.opening import open_session
from pipeline.cli.terminal import AsJson, Flag, WorkspaceOption, say


def status(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Show how many videos and shards stand where at each stage, and what failed."""
    census = open_session(workspace).census()
    for line in [json.dumps(census.to_json(), indent=1)] if json_ else census.lines():
        say(line)
    return 0


def manifest(video_id: str, *, workspace: WorkspaceOption = Path()) -> int:
    """Print the manifest of one video: everything that happened to it.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    """
    say(json.dumps(open_session(workspace).dossier(video_id).manifest, indent=1, ensure_ascii=False))
    return 0


def audit(*, workspace: WorkspaceOption = Path(), deep: Annotated[bool, Flag] = False, json_: AsJson = False) -> int:
    """Check every claim of the workspace. Prints one line a finding; exit code 1 when there is one.

    Parameters
    ----------
    deep
        Read the sources again too, and decode the media.
    """
    session = open_session(workspace)
    session.workspace.require_idle()
    findings = list(Audit(session, deep).findings())
    if json_:
        say(json.dumps([finding.to_json() for finding in findings], indent=1))
    else:
        for finding in findings:
            say(finding.line())
        say(f"{len(findings)} findings." if findings else "Nothing found: every claim holds.")
    return 1 if findings else 0

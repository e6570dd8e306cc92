"""`assign`: other subjects, splits and folds, by a table that a person writes."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import DryRun, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.assignment import assigned, read_assignment, template
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.ratios import By
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.reassigning import reassign
from portrait_prep.pipeline.session import Session


def assign(
    file: Path | None = None,
    *,
    template_: Annotated[bool, Parameter(name="--template", negative=())] = False,
    split_by: By | None = None,
    dry_run: DryRun = False,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Give videos other subjects, splits or folds by a table (CSV). No stage is computed; statistics follow.

    Parameters
    ----------
    file
        The table: CSV in UTF-8, with commas, semicolons or tabs. Its first line names its columns: video_id, and any of
        subject, split and fold. A video_id may be a pattern (ann*). An empty cell leaves a field as it is, a cell -
        empties it. Where several lines speak of a video, a later one wins: patterns first, then exceptions.
    template_
        Write the table of what is now, to be edited: into the file, or printed where none is named.
    split_by
        What split and fold of the subjects in the table keep whole. Without it nobody may be on two sides; video, for
        example, allows that.
    """
    session = open_session(workspace)
    if template_:
        return _write_template(session, file, workspace)
    if file is None:
        raise BadInput("Name the table to assign by; 'portrait-prep assign --template' writes one to start from.")
    lines = read_assignment(file)
    way_out = "give all of them the same, or say --split-by video if that is on purpose"
    result = reassign(session, lambda videos: assigned(videos, lines, file, split_by), way_out, dry_run)
    for line in result.lines(workspace, dry_run):
        say(line)
    return 0


def _write_template(session: Session, file: Path | None, workspace: Path) -> int:
    lines = template(session.videos)
    if file is None:
        for line in lines:
            say(line)
        return 0
    if file.exists():
        raise BadInput(f"{file} is there already: name another file, or move it away.")
    with replacing(file) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    words = " ".join(map(shell_word, (str(file), "-w", str(workspace))))
    say(f"{counted(len(session.videos), 'video')} in {file}. Edit it, then: portrait-prep assign {words}")
    return 0

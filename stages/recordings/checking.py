"""Whether `segments.parquet` still is what the recordings' columns come to: the audit's look at it."""

from collections.abc import Iterator
from dataclasses import replace

from portrait_prep.errors import Damaged
from portrait_prep.manifests.segments import NONE, digest_of_rows, read_segments
from portrait_prep.pipeline.auditing.finding import Finding
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.workspace import SEGMENTS, Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings.joining import Joiner, names_of, tasks_of

COMMAND = "segment"
AGAIN = Remedy("run 'portrait-prep segment' again", run=True, by=COMMAND, absent=(SEGMENTS,))


def segment_findings(recordings: Session, deep: bool = False) -> Iterator[Finding]:
    """What does not hold of the table of segments; `deep`: join all recordings again, and compare."""
    path = Workspace(recordings.workspace.home).segments
    try:
        there = read_segments(path)
    except Damaged:
        yield _found("it is no whole table of segments")
        return
    tasks = tasks_of(recordings)
    if there is None and tasks:
        yield _found("it is missing")
        return
    there, work = there or NONE, Joiner.of(recordings) if deep else None
    for task in tasks:
        if not there.rest_on(task.recording, task.basis):
            yield _found("its rows do not rest on what was found in this recording", task.recording)
        elif not there.intact(task.recording):
            yield _found("its rows of this recording are not those that were written", task.recording)
        elif work and (outcome := work(task)).error:
            yield _found(f"this recording cannot be joined again: {outcome.error}", task.recording)
        elif work and digest_of_rows(outcome.rows) != there.made[task.recording].digest:
            yield _found("its rows are not what this recording comes to when it is joined again", task.recording)
    for name in sorted({*there.made, *there.rows} - names_of(recordings)):
        yield _found("there is no such recording", name)


def relocated(finding: Finding, folder: str) -> Finding:
    """A finding of a workspace that lies in `folder` of another one, as one of the latter's."""
    mend = finding.remedy
    delete, absent = (tuple(f"{folder}/{name}" for name in names) for names in (mend.delete, mend.absent))
    remedy = Remedy(mend.words, delete, mend.run, absent=absent)
    return by_segment(Finding(finding.kind, f"{folder}/{finding.path}", finding.problem, remedy, finding.video_id))


def by_segment(finding: Finding) -> Finding:
    """The same, mended by `segment` where it would be by a run."""
    return replace(finding, remedy=replace(finding.remedy, by=COMMAND))


def _found(problem: str, recording: str = "") -> Finding:
    return Finding("segments", SEGMENTS, problem, AGAIN, recording)

"""What there is to tell of the recordings of a workspace: where their parts stand, and what was kept."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from portrait_prep.errors import Damaged
from portrait_prep.manifests.corpora.segments import summary
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.segments import Segments, read_segments, readable_segments, require_segments
from portrait_prep.manifests.wording import FEW, a_few, counted
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.pipeline.status.plan import State
from portrait_prep.stages.recordings.joining import outdated, tasks_of
from portrait_prep.stages.recordings.order import RECORDING_STAGES, SECTIONS
from portrait_prep.stages.sources import local

AGAIN = "run 'portrait-prep segment'"


def recordings_of(session: Session) -> Session:
    """The workspace of the recordings that lies in a session's workspace."""
    return Session(session.workspace.recordings, RECORDING_STAGES, SECTIONS)


def has_recordings(session: Session) -> bool:
    """Whether a workspace has any."""
    return session.workspace.recordings.catalogue.exists()


def offered(session: Session) -> Segments:
    """The segments but for those of recordings that were removed, however far that came. Raises BadInput without any
    table."""
    found = require_segments(session.workspace.segments)
    return found.of(set(found.made).difference(recordings_of(session).removals.subjects))


def away(recordings: Session) -> list[str]:
    """The recordings whose file is not there."""
    files = {part.subject: local(recordings.workspace.root, part.source) for part in recordings.videos}
    return sorted(name for name, file in files.items() if not os.path.exists(file))  # noqa: PTH110 (never raises)


def lines(session: Session) -> Iterator[str]:
    """For people: parts by stage, what failed, and the segments. Nothing where there are no recordings."""
    if not has_recordings(session):
        return
    recordings = recordings_of(session)
    status_counts = recordings.status_counts()
    if not status_counts.videos:
        yield "No recordings are left: portrait-prep segment --source adds some."
        return
    stages = (f"{stage} {_told(states)}" for stage, states in status_counts.by_video.items())
    names = {part.subject for part in recordings.videos}
    yield f"{counted(len(names), 'recording')} in {counted(status_counts.videos, 'part')}: {'; '.join(stages)}."
    yield from failures(recordings, status_counts)
    yield from whereabouts(recordings)
    try:
        found = read_segments(session.workspace.segments)
    except Damaged as error:
        yield str(error)
        return
    if not found:
        yield f"No segments yet: {AGAIN}."
        return
    yield from told_of(session, found)


def told_of(session: Session, found: Segments) -> Iterator[str]:
    """What was kept, and of which recordings that is no longer what `segment` would keep."""
    yield from summary(found)
    if has_recordings(session) and (old := _outdated(recordings_of(session), found)):
        yield f"Segments that rest on other settings or findings than those of now: {a_few(old)}: {AGAIN}."


def _outdated(recordings: Session, found: Segments) -> list[str]:
    """The recordings that are through, and of which the next `segment` makes other rows."""
    return [task.recording for task in outdated(tasks_of(recordings), found)]


def as_json(session: Session) -> dict[str, Any]:
    """The same as data: an object `recordings`; empty where there are none."""
    if not has_recordings(session):
        return {}
    recordings = recordings_of(session)
    told = recordings.status_counts().to_json()
    kept = ("videos", "stages", "failed")
    names = {part.subject for part in recordings.videos}
    old = _outdated(recordings, readable_segments(session.workspace.segments))
    facts = {"recordings": len(names), **{name: told[name] for name in kept}, "away": away(recordings), "outdated": old}
    return {"recordings": facts}


def failures(recordings: Session, status_counts: StatusCounts) -> Iterator[str]:
    """One line for each recording and error, by the recordings' names."""
    yield from (f"{recording}: {why}" for recording, why in reasons_of_failures(recordings, status_counts))


def reasons_of_failures(recordings: Session, status_counts: StatusCounts) -> list[tuple[str, str]]:
    """Recordings and why parts of them failed, by name; of the counts of the parts."""
    whose = {part.video_id: part.subject for part in recordings.videos}
    parts: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in status_counts.failures:
        parts[whose[row["video_id"]], row["stage"], row["message"]] += 1
    return [
        (recording, f"{stage} failed ({counted(count, 'part')}): {message}")
        for (recording, stage, message), count in sorted(parts.items())
    ]


def whereabouts(recordings: Session) -> Iterator[str]:
    """What there is to say of files that are not there."""
    if lost := away(recordings):
        named = " ".join(map(shell_word, lost)) if len(lost) <= FEW else "NAME…"
        yield (
            f"Their files are not there: {a_few(lost)}; what was found in them stays; "
            f"to take it out: portrait-prep remove --recording {named}"
        )


def _told(states: Mapping[State, int]) -> str:
    return ", ".join(f"{states[state]} {state}" for state in State if states[state])

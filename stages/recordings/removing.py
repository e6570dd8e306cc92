"""Removing recordings: their parts and segments leave the workspace for good; videos made of segments stay."""

from collections.abc import Sequence
from dataclasses import dataclass

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.segments import CORPUS
from portrait_prep.manifests.ids import did_you_mean, matching
from portrait_prep.manifests.segments import readable_segments
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline import removing
from portrait_prep.pipeline.removing import Wish
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings.joining import drop_gone
from portrait_prep.stages.recordings.overview import has_recordings, recordings_of


@dataclass(frozen=True)
class Taken:
    """Names of the recordings that a wish comes to, and of their copies; how many `segments` of them were kept, and the
    `videos` of the workspace that were made of these."""

    names: tuple[str, ...]
    copies: tuple[str, ...]
    segments: int
    videos: tuple[Video, ...]


def find(session: Session, names: Sequence[str]) -> Taken:
    """The recordings that are meant by names and patterns.

    Raises BadInput for one that is neither there nor was removed before.
    """
    recordings = _recordings(session)
    found = removing.find(recordings, _wish(recordings, names))
    meant = tuple(dict.fromkeys(part.subject for part in found.meant))
    copies = tuple(dict.fromkeys(part.subject for part in found.copies))
    rows = readable_segments(session.workspace.segments).rows
    sources = {part.source for part in (*found.meant, *found.copies)}
    there = session.videos if session.workspace.catalogue.exists() else ()
    videos = tuple(video for video in there if video.corpus == CORPUS and video.source in sources)
    kept = sum(row.kept for name in (*meant, *copies) for row in rows.get(name, ()))
    return Taken(meant, copies, kept, videos)


def remove(session: Session, names: Sequence[str], who: str, when: str, why: str = "") -> Taken:
    """Take recordings out, with all that was found in them, and remember it. Raises BadInput as `find` does.

    Once it is noted it is carried out: by this command or, where that is killed, by the next `remove` or `segment`.
    """
    recordings = _recordings(session)
    taken = find(session, names)
    removing.remove(recordings, _wish(recordings, names), who, when, why)
    with recordings.workspace.lock():
        drop_gone(recordings.afresh())
    page = session.workspace.root / "report" / "index.html"
    if taken.names and session.workspace.owns("report"):
        page.unlink(missing_ok=True)  # it shows them
    return taken


def forget(session: Session, names: Sequence[str]) -> tuple[str, ...]:
    """Let recordings come in again with the next `segment --source`; returns which. Raises BadInput for others."""
    recordings = _recordings(session)
    wish = _wish(recordings, names)
    removing.forget(recordings, wish)
    return wish.subjects


def _recordings(session: Session) -> Session:
    if not has_recordings(session):
        raise BadInput(f"There are no recordings in {session.workspace.root}.")
    return recordings_of(session)


def _wish(recordings: Session, names: Sequence[str]) -> Wish:
    """The subjects of parts that are meant: each recording is one."""
    there = sorted(map(str, recordings.videos.values_of("subject")))
    known, wanted = {*there, *recordings.removals.subjects}, list[str]()
    for name in names:
        found = sorted(matching(name, known))
        if not found:
            raise BadInput(f"There is no recording '{name}' here; {did_you_mean(name, there)}'report' lists them all.")
        wanted += found
    return Wish(subjects=tuple(dict.fromkeys(wanted)))

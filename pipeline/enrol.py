"""Enrolling: videos that a corpus found enter a workspace's catalogue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from manifests.catalogue import Video, merge, write_catalogue
from pipeline.session import Session
from pipeline.settings import write_settings


@dataclass(frozen=True)
class Enrolment:
    """The catalogue as it is now, and how many of its rows are new."""

    videos: tuple[Video, ...]
    added: int

    def line(self) -> str:
        """One sentence about the catalogue."""
        subjects = {video.subject for video in self.videos}
        shards = {video.shard for video in self.videos}
        hours = sum(video.duration or 0.0 for video in self.videos) / 3600
        return (
            f"{len(self.videos)} videos ({self.added} new) of {len(subjects)} subjects in {len(shards)} shards, "
            f"{hours:.2f} h."
        )


Find = Callable[[Sequence[Video]], Sequence[Video]]
"""Lists the videos of a corpus, given the rows that the catalogue has already (so that ids stay as they were)."""


def enrol(session: Session, find: Find) -> Enrolment:
    """Write settings (unless they are there) and add what is new to the catalogue; rows that are there stay.

    Raises BadInput or BadSetting when the workspace cannot be written or holds settings that are wrong.
    """
    workspace = session.workspace
    # Where there is no catalogue yet, what is wrong with the corpus is told before anything is made.
    found = None if workspace.catalogue.exists() else find(())
    workspace.create()
    with session.held():
        known = session.videos if workspace.catalogue.exists() else []
        if known or found is None:
            found = find(known)
        if not workspace.settings.exists():
            write_settings(workspace.settings, session.stages)
        merged = merge(known, found, session.settings.run.shard_seconds)
        write_catalogue(workspace.catalogue, merged)
    return Enrolment(tuple(merged), len(merged) - len(known))

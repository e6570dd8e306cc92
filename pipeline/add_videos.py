"""Adding videos: those that a corpus lists enter a workspace's catalogue."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from portrait_prep.manifests.catalogue import require_valid, write_catalogue
from portrait_prep.manifests.changes import Changes, changes
from portrait_prep.manifests.choice import EVERYTHING, Choice
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.removals import Removal
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import counted, hours_of_all
from portrait_prep.pipeline.declare.inner_sources import require_sources_kept
from portrait_prep.pipeline.session import Session


@dataclass(frozen=True)
class AddedVideos:
    """The catalogue as it is now, its rows of the videos that were chosen, and what is otherwise than before."""

    videos: tuple[Video, ...]
    chosen: tuple[Video, ...]
    changes: Changes

    def line(self) -> str:
        """One sentence about the catalogue."""
        subjects = {video.subject for video in self.videos}
        shards = {video.shard for video in self.videos}
        length = hours_of_all(video.duration for video in self.videos)
        return (
            f"{counted(len(self.videos), 'video')} ({len(self.changes.added)} new) of "
            f"{counted(len(subjects), 'subject')} in {counted(len(shards), 'shard')}, {length}."
        )

    def lines(self, remedies: Mapping[str, str]) -> Iterator[str]:
        """The same, and what is otherwise than it was, where there was a catalogue; see `Changes.lines`."""
        yield self.line()
        if len(self.changes.added) < len(self.videos) or self.changes.kept_out:
            yield from self.changes.lines(remedies)


Find = Callable[[Sequence[Video]], Sequence[Video]]
"""Lists the videos of a corpus, given the rows that the catalogue has already (so that ids stay as they were)."""


def add_videos(session: Session, find: Find, choice: Choice = EVERYTHING, whole: bool = True) -> AddedVideos:
    """Write settings (unless they are there) and take what is chosen into the catalogue; rows that are there stay.

    `whole`: what `find` lists is all of the corpus; see `changes`. Raises BadInput or BadSetting when the workspace
    cannot be written or holds settings that are wrong.
    """
    workspace = session.workspace
    # Where there is no catalogue yet, what is wrong with the corpus is said before anything is made.
    listed = None if workspace.catalogue.exists() else find(())
    taken, out = _divided(session, choice, listed or (), ())
    require_sources_kept(workspace, session.declared, taken)
    workspace.create()
    with session.held():
        known: Sequence[Video] = []
        if workspace.catalogue.exists():
            session.drop_removed()
            known = session.videos
        if known or listed is None:
            listed = find(known)
            taken, out = _divided(session, choice, listed, known)
        session.write_settings()
        merged = merge(known, taken, session.settings.run.shard_seconds)
        require_valid(workspace.catalogue, merged)
        require_sources_kept(workspace, session.declared, merged)
        write_catalogue(workspace.catalogue, merged)
    ids = {(video.corpus, video.video_id) for video in taken}
    chosen = tuple(video for video in merged if (video.corpus, video.video_id) in ids)
    return AddedVideos(tuple(merged), chosen, replace(changes(known, listed, taken, merged, whole), kept_out=out))


def _divided(
    session: Session, choice: Choice, listed: Sequence[Video], known: Sequence[Video]
) -> tuple[list[Video], dict[str, Removal]]:
    """What is chosen, and of that what stays out since it was removed here."""
    if not listed:
        return [], {}
    chosen, removals = choice.of(listed), session.removals
    return removals.divide(chosen, listed, {video.video_id for video in known}) if removals.made else (chosen, {})

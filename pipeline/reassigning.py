"""Reassigning: subjects, splits and folds of videos become others, and whatever tells of them follows at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import Catalogue, require_valid, write_catalogue
from portrait_prep.manifests.changes import by_field, differing_fields
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.splits import is_unsplit, leaks
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.session import Session

Change = Callable[[Sequence[Video]], Sequence[Video]]
"""Makes of all rows of a catalogue what they become, in the same order."""


@dataclass(frozen=True)
class Reassigned:
    """All rows as they are now; field -> ids of those that changed; ids of those that a stage has to compute again.

    `splits`: names that no video had for a split before, where others had one.
    """

    videos: tuple[Video, ...]
    changed: Mapping[str, Sequence[str]]
    waiting: tuple[str, ...]
    splits: tuple[str, ...] = ()

    def lines(self, root: Path, dry_run: bool) -> Iterator[str]:
        """What changed (or would, and is not written), and what is left to do in the workspace at `root`."""
        if self.changed:
            yield f"{'Would change' if dry_run else 'Changed'}: {by_field(self.changed)}."
        else:
            yield "Nothing changes: all is as asked for already."
        if self.splits:
            yield f"New as a split, which readers ask for by name: {', '.join(self.splits)}."
        if self.waiting:
            command = f"portrait-prep run -w {shell_word(str(root))}"
            yield f"{counted(len(self.waiting), 'video', 'waits', 'wait')} to be computed again: {command}"
        yield from split_hint(self.videos, root)


def reassign(session: Session, change: Change, way_out: str, dry_run: bool = False) -> Reassigned:
    """Change rows of the catalogue, and bring manifests, their table and statistics up to date; no stage is computed.

    `dry_run`: nothing is written. Raises BadInput, with nothing written, where a subject of a changed row would be on
    two sides (`way_out` says what to do), and for what makes no valid catalogue.
    """
    if dry_run:
        return _reassigned(session, change, way_out)
    with session.changing() as now:
        result = _reassigned(now, change, way_out)
        if result.changed:
            write_catalogue(session.workspace.catalogue, result.videos)
        session.afresh().finalize()
        return result


def _reassigned(session: Session, change: Change, way_out: str) -> Reassigned:
    before = list(session.videos)
    after = tuple(change(before))
    require_valid(session.workspace.catalogue, after)
    changed = differing_fields(zip(before, after, strict=True))
    for subject in session.removals.subjects.intersection(video.subject for video in after):
        raise BadInput(
            f"{subject} was removed, and nothing of that subject is kept here: choose another name, or let it in again "
            f"by: portrait-prep remove --forget --subject {shell_word(subject)}"
        )
    ids = {video_id for ids in changed.values() for video_id in ids}
    touched = {video.subject for video in after if video.video_id in ids}
    for leak in leaks(after):
        if leak.subject in touched:
            raise BadInput(f"{leak.subject} would have videos in more than one {leak.field} ({leak}): {way_out}.")
    read = {name for stage in session.stages for name in stage.catalogue}
    waiting = dict.fromkeys(video_id for name, ids in changed.items() if name in read for video_id in ids)
    had, have = ({video.split for video in rows if video.split} for rows in (before, after))
    return Reassigned(after, changed, tuple(waiting), tuple(sorted(have - had)) if had else ())


def split_hint(videos: Sequence[Video], root: Path, begun: bool = True) -> Iterator[str]:
    """How many videos have no split, and the command that gives them one. `begun`: only where others have one."""
    if begun and isinstance(videos, Catalogue) and not videos.values_of("split"):
        return  # which needs no look at each row
    waiting, subjects, has_split = 0, set[str](), False
    for video in videos:
        has_split |= video.split is not None
        if is_unsplit(video):
            waiting += 1
            subjects.add(video.subject)
    if not waiting or len(videos) < 2 or (begun and not has_split):
        return
    ratios = (
        f"--ratios {'80/10/10' if len(subjects) > 2 else '80/20'} --by {'subject' if len(subjects) > 1 else 'video'}"
    )
    command = f"portrait-prep split {'--only-new' if has_split else ratios} -w {shell_word(str(root))}"
    yield f"{counted(waiting, 'video', 'has', 'have')} no split: {command}"

"""Removing: videos leave a workspace for good, with everything that was made of them; no stage is computed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.ids import did_you_mean, matching
from portrait_prep.manifests.removals import Removal, Removals, write_removals
from portrait_prep.manifests.video import Video, anchored, is_address, path_of
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.declare.inner_sources import require_sources_kept
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts


@dataclass(frozen=True)
class Wish:
    """What to remove: videos by id or pattern, all of some subjects, or (alone) those whose source is gone."""

    videos: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    missing: bool = False


@dataclass(frozen=True)
class Found:
    """What a wish comes to: rows that were meant, copies of them, and videos that seem missing and may only be away.

    `named`: the ids of the wish, with or without a row.
    """

    meant: tuple[Video, ...]
    copies: tuple[Video, ...] = ()
    away: tuple[Video, ...] = ()
    named: tuple[str, ...] = ()


def ids(videos: Sequence[Video]) -> list[str]:
    """The ids of some rows."""
    return [video.video_id for video in videos]


def find(session: Session, wish: Wish) -> Found:
    """The rows that a wish is about.

    Raises BadInput for a video or subject that is neither there nor was removed before, and where all that is missing
    may only be away.
    """
    wish = _expanded(session, wish)
    if wish.missing:
        return _missing([anchored(video, session.workspace.root) for video in session.videos])
    names, subjects = set(wish.videos), set(wish.subjects)
    meant = tuple(video for video in session.videos if video.video_id in names or video.subject in subjects)
    originals = {video.video_id for video in meant}
    copies = (video for video in session.videos if video.repeats in originals)
    return Found(meant, tuple(video for video in copies if video.video_id not in originals), named=wish.videos)


def _expanded(session: Session, wish: Wish) -> Wish:
    """The same with ids in place of patterns. Raises BadInput for what is neither there nor was removed before."""
    removed, there = session.removals, sorted(map(str, session.videos.values_of("subject")))
    known, named = {*session.videos.ids(), *removed.videos}, list[str]()
    pruning = session.pruning()
    for name in wish.videos:
        found = matching(name, known)
        if not found and name not in pruning.gone:  # a row that was deleted by hand
            session.video(name)
        named += sorted(found) or [name]
    for subject in wish.subjects:
        if subject not in there and subject not in removed.subjects:
            raise BadInput(
                f"No video of the catalogue is of the subject '{subject}'; {did_you_mean(subject, there)}"
                "'portrait-prep list --json' tells whose each is."
            )
    return replace(wish, videos=tuple(dict.fromkeys(named)))


def _missing(videos: Sequence[Video]) -> Found:
    """A source is gone where the nearest folder of its path that is there still holds another source of the workspace.

    Else its disk may not be mounted, and it is taken for away.
    """
    lost = [video for video in videos if any(not os.path.exists(path) for path in _own_files(video))]  # noqa: PTH110
    lost_ids = set(ids(lost))
    alive = {
        str(folder)
        for video in videos
        if video.video_id not in lost_ids
        for path in _own_files(video)
        for folder in path.absolute().parents
    }
    gone, away = list[Video](), list[Video]()
    for video in lost:
        (gone if all(str(_nearest(path)) in alive for path in _own_files(video)) else away).append(video)
    if away and not gone:
        folder = _nearest(_own_files(away[0])[0])
        raise BadInput(
            f"The sources of {a_few(ids(away))} are not there, nor is any other source in {folder}: mount their disk; "
            "if they were moved, run init with the new --source; or name the videos to remove them all the same."
        )
    return Found(tuple(gone), away=tuple(away))


def _own_files(video: Video) -> list[Path]:
    return [path_of(source) for source in (video.source, video.sound) if source is not None and not is_address(source)]


def _nearest(path: Path) -> Path:
    """The innermost folder of its path that is there."""
    return next(folder for folder in path.absolute().parents if folder.is_dir())


def remove(session: Session, wish: Wish, who: str, when: str, why: str = "") -> tuple[Found, StatusCounts]:
    """Take what a wish is about out of catalogue, shards, media, manifests and statistics, and remember it.

    Once it is noted it is carried out: by this command or, where that is killed, by the next `remove`, `run` or `init`.
    Raises BadInput as `find` does, with nothing noted.
    """
    with session.changing() as now:
        found, known = find(now, wish), now.removals
        require_sources_kept(now.workspace, now.declared, now.videos)
        addresses = {video.video_id: video.source for video in (*found.meant, *found.copies) if video.remote}
        new = [Removal(subject=subject, why=why, who=who, when=when) for subject in wish.subjects]
        new += [
            Removal(video_id=name, subject=subject, source=addresses.get(name), why=why, who=who, when=when)
            for name, subject in _with_subjects(found, wish).items()
        ]
        untold = [one for one in new if one.video_id not in known.videos and one.subject not in known.subjects]
        if untold:
            write_removals(session.workspace.removals, (*known.made, *untold))
        afresh = session.afresh()
        afresh.drop_removed()
        return found, afresh.finalize()


def _with_subjects(found: Found, wish: Wish) -> dict[str, str | None]:
    """Id of each video to remember -> the subject that it goes with; None where it, or its original, was named."""
    subjects: dict[str | None, str] = {video.video_id: video.subject for video in found.meant}
    subjects |= {copy.video_id: subjects[copy.repeats] for copy in found.copies}
    names: dict[str, str | None] = dict.fromkeys(found.named)
    for video in (*found.meant, *found.copies):
        subject = subjects[video.video_id]
        names.setdefault(video.video_id, subject if subject in wish.subjects else None)
    return names


def forget(session: Session, wish: Wish) -> str:
    """Let what was removed come in again when its corpus is added, and tell what that is.

    A subject's videos that went with it are let in, too. Raises BadInput for what was not removed, and for a video
    whose subject stays out.
    """
    with session.held():
        known = session.removals
        named = {name: matching(name, known.videos) for name in wish.videos}
        unknown = [name for name, found in named.items() if not found]
        for name in (*unknown, *(set(wish.subjects) - known.subjects)):
            raise BadInput(f"'{name}' was not removed from this workspace ({told(known)}).")
        chosen = {one for found in named.values() for one in found}
        kept_out = known.subjects.difference(wish.subjects)
        for one in known.made:
            if one.video_id in chosen and one.subject in kept_out:
                raise BadInput(
                    f"'{one.video_id}' is of {one.subject}, of whom nothing is taken in: forget the subject by "
                    "--forget --subject, and remove again what is to stay out."
                )
        left = known.without(chosen, wish.subjects)
        write_removals(session.workspace.removals, left.made)
        return _named(tuple(one for one in known.made if one not in left.made))


def told(removals: Removals) -> str:
    """What was removed, in a few words."""
    return f"removed before: {_named(removals.made)}" if removals.made else "nothing was removed before"


def _named(made: Sequence[Removal]) -> str:
    names = [one.video_id for one in made if one.video_id is not None]
    subjects = [one.subject for one in made if one.video_id is None]
    return " and ".join([*([a_few(names)] if names else []), *(f"all of {subject}" for subject in subjects)])

"""What differs between a corpus as it is now and the catalogue that was made of it before."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from portrait_prep.manifests.merging import ON_MERGE
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.removals import Removal, way_back
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import FEW, a_few, counted

SOURCE_AWAY = "where the file is gone, give the folder that it lies in now as --source, or put it back"
"""What to do about a source that is kept: an address is not taken for a file, which may only be away for a while."""
TO_CHANGE = {"split": "to re-split", "subject": "to change it", "fold": "to change it"}
"""Fields that a command gives anew, and how a sentence goes on about it."""
SHARED_IDS = "videos of another corpus have these ids here: make a workspace of its own for each of the two"


@dataclass(frozen=True)
class Changes:
    """Ids of videos that are new, that the corpus no longer has (their rows stay), and of those that changed, by field.

    `kept` names, by field, those that stay as they were although they would be given another value now; `left_out`
    those of the corpus that are not taken, since videos of other corpora have their ids; `kept_out` those that were
    removed from this workspace, by what removal. `sources_gone`: no file of those `removed` is there.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    sources_gone: bool = False
    left_out: tuple[str, ...] = ()
    kept_out: Mapping[str, Removal] = field(default_factory=dict)
    changed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def lines(self, remedies: Mapping[str, str]) -> Iterator[str]:
        """One line for each kind of change that there is. `remedies`: field -> a command by which it is changed."""
        if self.added:
            yield f"Added: {a_few(self.added)}."
        if self.left_out:
            yield f"Left out: {a_few(self.left_out)}; {SHARED_IDS}."
        if self.kept_out:
            removals = list(dict.fromkeys(self.kept_out.values()))
            why = "; ".join(dict.fromkeys(removal.why for removal in removals if removal.why))
            yield (
                f"Kept out, since removed before{f' ({why})' if why else ''}: {a_few(list(self.kept_out))}; "
                f"to take them all the same: {way_back(removals)}, then init."
            )
        if self.removed:
            # Nothing but this line names those whose file is there: `--missing` does not find them.
            is_short = self.sources_gone and len(self.removed) > FEW
            named = "ID…, or --missing" if is_short else " ".join(map(shell_word, self.removed))
            yield (
                f"No longer in the source: {a_few(self.removed)}; still in the workspace; "
                f"to take out: portrait-prep remove {named}"
            )
        if self.changed:
            yield f"Changed: {by_field(self.changed)}."
        for name, ids in self.kept.items():
            whose = counted(len(ids), "video", "keeps its", "keep their")
            way_out = f"{TO_CHANGE[name]}: {remedies[name]}" if name in TO_CHANGE else f"{SOURCE_AWAY}: {a_few(ids)}."
            yield f"{whose} old {name}; {way_out}"


def by_field(ids_by_field: Mapping[str, Sequence[str]]) -> str:
    """Which fields of how many videos; fields of the same videos stand together."""
    fields: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, ids in ids_by_field.items():
        fields[tuple(ids)].append(name)
    return "; ".join(f"{', '.join(names)} of {a_few(ids)}" for ids, names in fields.items())


def changes(
    known: Sequence[Video], listed: Sequence[Video], taken: Sequence[Video], merged: Sequence[Video], whole: bool
) -> Changes:
    """Compare the `known` rows with all that the corpus has now (`listed`), and with what became of those `taken`.

    `whole`: the corpus lists all its videos, so that a known one that is not listed was removed. Otherwise others may
    lie elsewhere, and only those are removed whose file is gone.
    """
    before = {video.video_id: video for video in known}
    after = {video.video_id: video for video in merged}
    now = {video.video_id: video for video in reversed(taken) if video.corpus == after[video.video_id].corpus}
    corpora, there = {video.corpus for video in listed}, {video.video_id for video in listed}
    missing = [video for video in known if video.corpus in corpora and video.video_id not in there]
    removed = [video for video in missing if whole or _gone(video)]
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(video.video_id for video in removed),
        sources_gone=all(map(_gone, removed)),
        left_out=tuple(dict.fromkeys(video.video_id for video in taken if video.video_id not in now)),
        changed=differing_fields((video, after[video.video_id]) for video in known),
        kept=_by_name(
            (name, video.video_id) for video in known for name in _kept(video, now.get(video.video_id, video))
        ),
    )


def differing_fields(pairs: Iterable[tuple[Video, Video]]) -> Mapping[str, Sequence[str]]:
    """Field -> ids of the videos of which two rows differ in it."""
    return _by_name((name, old.video_id) for old, new in pairs for name in _differing(old, new))


def _kept(old: Video, new: Video) -> Iterator[str]:
    """Fields that a known row keeps against the corpus. A file that is there goes unmentioned, and so does a side of
    which the corpus says nothing."""
    told = {
        "subject": True,
        "split": new.split is not None or new.split_by is not None,
        "fold": new.fold is not None,
        "source": new.remote and _gone(old),
    }
    return (name for name in _differing(old, new) if told.get(name))


def _differing(one: Video, other: Video) -> Iterator[str]:
    return (name for name in ON_MERGE if getattr(one, name) != getattr(other, name))


def _gone(video: Video) -> bool:
    return not video.remote and not os.path.exists(video.path)  # noqa: PTH110 (never raises)


def _by_name(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """The ids of each field."""
    ids: dict[str, list[str]] = defaultdict(list)
    for name, video_id in pairs:
        ids[name].append(video_id)
    return ids

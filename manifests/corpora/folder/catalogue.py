"""The videos of a folder as catalogue rows: ids, subjects, sound that lies in a file of its own, second copies."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.folder.duplicates import mark_duplicates
from portrait_prep.manifests.corpora.folder.files import PERHAPS, SUFFIXES, Search, search
from portrait_prep.manifests.corpora.folder.halves import Halves, join
from portrait_prep.manifests.corpora.folder.subjects import SubjectRule, subject_rule
from portrait_prep.manifests.ids import safe_id, with_digest
from portrait_prep.manifests.video import Video, source_of
from portrait_prep.media.probe import duration

CORPUS = "folder"


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, and what of it makes a video.

    `seconds` maps the files that are taken to the lengths that they declare (None: unreadable), in order; `nameless`
    are videos of which the rule for subjects says nothing, and `left_out` files that are no videos by their names.
    """

    found: Search
    rule: SubjectRule
    seconds: Mapping[Path, float | None]
    halves: Halves
    nameless: Sequence[Path]
    left_out: Sequence[Path]

    def rows(self, known: Sequence[Video] = ()) -> list[Video]:
        """The catalogue rows, in the order of their paths.

        An id is the path below the folder without suffix, folders joined by `_`; where that is not a safe id or two
        files would share it (even if only upper and lower case tell them apart), a digest of that path is added.
        Videos among the `known` rows, also those whose folder has moved since, keep their ids.
        """
        root = self.found.root
        ids = _ids(root, list(self.seconds), known)
        rows = [
            Video(
                video_id=ids[file],
                corpus=CORPUS,
                subject=self.rule.subject(root, file, ids[file]) or ids[file],
                source=source_of(root / file),
                sound=source_of(root / self.halves.sounds[file]) if file in self.halves.sounds else None,
                duration=seconds,
            )
            for file, seconds in self.seconds.items()
        ]
        return mark_duplicates(rows, [video for video in known if video.corpus == CORPUS])


def listed(source: Path, subject_from: str = "stem-prefix") -> Listing:
    """Look through the folder `source`. Files that end like a video and cannot be read are listed without duration.

    Raises BadInput where there is nothing to list, or where the rule for subjects is none or fits no video.
    """
    rule = subject_rule(subject_from)
    found = search(source, SUFFIXES)
    perhaps = {file: duration(found.root / file) for file in found.others if file.suffix.lower() in PERHAPS}
    videos = {file: duration(found.root / file) for file in found.files}
    videos |= {file: seconds for file, seconds in perhaps.items() if seconds is not None}
    if not videos:
        raise BadInput(
            f"There are no videos in {found.root} or below: give a folder that has some (.mp4, .mov, .mkv, .webm …)."
        )
    others = [file for file in found.others if file not in videos]
    halves = join(found.root, videos, others)
    joined = set(halves.sounds.values())
    wanted = {file: videos[file] for file in sorted(videos, key=os.fsencode) if file not in joined}
    nameless = [file for file in wanted if rule.subject(found.root, file, file.stem) is None]
    if len(nameless) == len(wanted):
        raise BadInput(f"--subject-from {rule.text} fits none of {len(wanted)} videos, such as {nameless[0]}: mend it.")
    seconds = {file: length for file, length in wanted.items() if file not in set(nameless)}
    return Listing(found, rule, seconds, halves, nameless, [file for file in others if file not in joined])


def catalogue(source: Path, subject_from: str = "stem-prefix", known: Sequence[Video] = ()) -> list[Video]:
    """List the videos below the folder `source`; see `listed` and `Listing.rows`."""
    return listed(source, subject_from).rows(known)


def _ids(root: Path, files: Sequence[Path], known: Sequence[Video]) -> dict[Path, str]:
    """An id for each file; see `Listing.rows`."""
    by_source = {video.source: video.video_id for video in known}
    taken = {video.video_id.casefold(): video for video in known}
    names = {file: "_".join(file.with_suffix("").parts) for file in files}
    shared = Counter(safe_id(names[file], str(file)).casefold() for file in files)
    ids: dict[Path, str] = {}
    used = set(taken)
    for file in files:
        plain, own = safe_id(names[file], str(file)), with_digest(names[file], str(file))
        kept = by_source.get(source_of(root / file)) or _moved(file, (plain, own), taken)
        choices = ([plain] if shared[plain.casefold()] == 1 else []) + [own, with_digest(names[file], str(root / file))]
        ids[file] = kept or next(choice for choice in choices if choice.casefold() not in used)
        used.add(ids[file].casefold())
    return ids


def _moved(file: Path, choices: Sequence[str], taken: Mapping[str, Video]) -> str | None:
    """The id of the known video that this file was before its folder moved, if any."""
    for choice in choices:
        video = taken.get(choice.casefold())
        if video and video.path.parts[-len(file.parts) :] == file.parts and not os.path.exists(video.path):  # noqa: PTH110 (never raises)
            return video.video_id
    return None

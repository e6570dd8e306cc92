"""What there is to say of a folder's videos: whose they are, which are one in two files, and what was left out."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from portrait_prep.manifests.corpora.folder.catalogue import Listing
from portrait_prep.manifests.corpora.folder.naming import warnings
from portrait_prep.manifests.video import DUPLICATE_OF, Video, path_of
from portrait_prep.manifests.wording import FEW, a_few, largest


def summary(listing: Listing, rows: Sequence[Video]) -> list[str]:
    """What there is to say of these `rows` of the catalogue and of what was left out, one line each."""
    by_subject: dict[str, list[Path]] = defaultdict(list)
    for row in rows:
        by_subject[row.subject].append(_below(listing, row.source))
    if not rows:  # all were removed before
        return list(left_out(listing))
    return [
        f"By subject ({listing.rule.text}): {largest({subject: len(paths) for subject, paths in by_subject.items()})}.",
        *(f"  {path} -> {subject}" for path, subject in _examples(by_subject)),
        *warnings(listing.rule.text, by_subject),
        *_joined(listing, rows),
        *left_out(listing),
    ]


def _below(listing: Listing, source: str) -> Path:
    path, root = path_of(source), listing.found.root
    return path.relative_to(root) if path.is_relative_to(root) else path


def _examples(by_subject: Mapping[str, Sequence[Path]]) -> list[tuple[Path, str]]:
    """Three videos: of the first, the middle and the last subject; further ones of these where there are fewer."""
    pairs = [
        (paths[turn], subject) for turn in range(FEW) for subject, paths in by_subject.items() if turn < len(paths)
    ][: max(len(by_subject), FEW)]
    return [pairs[index] for index in sorted({0, len(pairs) // 2, len(pairs) - 1})]


def _joined(listing: Listing, rows: Sequence[Video]) -> Iterator[str]:
    joined = [f"{_below(listing, row.source)} with {_below(listing, row.sound)}" for row in rows if row.sound]
    if joined:
        yield f"Picture and sound in two files, joined: {a_few(joined)}."
    yield from listing.halves.unclear
    copies = [f"{row.video_id} of {(row.defect or '').removeprefix(DUPLICATE_OF)}" for row in rows if not row.worked_on]
    if copies:
        yield f"Duplicates, byte for byte: {a_few(copies)}: kept in the catalogue, never worked on."
    subjects = {row.video_id: row.subject for row in rows}
    claimed = [
        f"{row.video_id} of {row.subject}, {row.repeats} of {subjects[row.repeats]}"
        for row in rows
        if row.repeats in subjects and subjects[row.repeats] != row.subject
    ]
    if claimed:
        yield f"Warning: the same file under two subjects, one of which is wrong: {a_few(claimed)}."


def left_out(listing: Listing) -> Iterator[str]:
    """What was found and not taken, and why; one line each."""
    if listing.nameless:
        names = a_few([str(path) for path in listing.nameless])
        yield f"Left out: {names}: --subject-from {listing.rule.text} says nothing of them; mend it, or move them."
    endings: dict[str, list[str]] = defaultdict(list)
    for path in listing.left_out:
        endings[path.suffix.lower() or "no ending"].append(str(path))
    if endings:
        named = ", ".join(f"{ending}: {a_few(names)}" for ending, names in sorted(endings.items()))
        yield f"Left out by ending, as no videos: {named}."
    if listing.found.closed:
        yield f"Left out: folders that may not be read: {a_few([str(path) for path in listing.found.closed])}."

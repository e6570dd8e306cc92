"""The same file under several names: all but one of them are not worked on."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from pathlib import Path

from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.video import DUPLICATE_OF, Video, path_of

GLIMPSE = 1 << 16
"""Bytes read at the beginning, the middle and the end of files of equal size, before they are read whole."""

Fact = Callable[[Path], Hashable]


def mark_duplicates(rows: Sequence[Video], known: Sequence[Video]) -> list[Video]:
    """The rows of a folder, with the defect `duplicate of …` where a file repeats another one, byte for byte.

    Only files of equal size are looked into. A video that is `known` and worked on stays so and is the one that others
    repeat; else it is the first by name. What cannot be read as a video is left alone: it fails by its own name.
    """
    listed = {row.video_id for row in rows}
    settled = {video.video_id: video for video in known if video.worked_on}
    defects: dict[str, str] = {}
    for group in _repeated([*rows, *(video for video in settled.values() if video.video_id not in listed)]):
        kept = [row for row in group if row.video_id in settled] or group
        first = min(kept, key=lambda row: (str(row.path.with_suffix("")), row.video_id))
        for row in group:
            if row is not first and row.video_id not in settled:
                defects[row.video_id] = DUPLICATE_OF + first.video_id
    return [row.model_copy(update={"defect": defects.get(row.video_id)}) for row in rows]


def _repeated(rows: Iterable[Video]) -> Iterator[list[Video]]:
    """Groups of at least two rows whose files of picture and of sound hold the same bytes."""
    groups = [[row for row in rows if row.duration is not None]]
    for fact in (_size, _glimpse, sha256_of):
        groups = [part for group in groups for part in _parted(group, fact)]
    yield from groups


def _parted(rows: Sequence[Video], fact: Fact) -> Iterator[list[Video]]:
    """The rows by what is a fact of their files, where at least two have it in common; unreadable ones are left out."""
    parts: dict[Hashable, list[Video]] = defaultdict(list)
    for row in rows:
        try:
            key = fact(row.path), None if row.sound is None else fact(path_of(row.sound))
        except OSError:
            continue
        parts[key].append(row)
    return (part for part in parts.values() if len(part) > 1)


def _size(path: Path) -> int:
    return path.stat().st_size


def _glimpse(path: Path) -> str:
    """Digest of a little of the file."""
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as file:
        for position in (0, size // 2, max(size - GLIMPSE, 0)):
            file.seek(position)
            digest.update(file.read(GLIMPSE))
    return digest.hexdigest()

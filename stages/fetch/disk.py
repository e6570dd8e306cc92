"""Transfers on disk: a lock for each file, enough free space, and the partial file.

A partial file and the note of its origin have stable names beside the target, unlike temporary files: after a process
was killed the next one goes on where it stopped.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock
from pydantic import ValidationError

from portrait_prep.errors import TransferFailed
from portrait_prep.manifests.files import flush_and_rename, replacing
from portrait_prep.manifests.plain_files import is_plain
from portrait_prep.manifests.record import Model
from portrait_prep.media.file import MOST_TEXT, regular

GB = 1_000_000_000


@contextmanager
def exclusive_lock(file: Path) -> Iterator[None]:
    """Let no other process make `file` meanwhile; a process that dies lets go. The folder of `file` is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")):
        yield


def require_space(folder: Path, needed: int, reserve: float) -> None:
    """Raise TransferFailed when `needed` more bytes in `folder` would leave less than `reserve` GB of its disk."""
    free = shutil.disk_usage(folder).free
    if free - needed < reserve * GB:
        raise TransferFailed(
            f"The disk of {folder} has {free / GB:.3g} GB free, too little for the {needed / GB:.3g} GB still to come "
            f"and the {reserve:g} GB that must stay free: make room on it, or set a smaller 'reserve'."
        )


class Origin(Model):
    """Which file the bytes are of: `validator` is what the server calls this state of it, `total` its size in bytes."""

    address: str
    validator: str | None = None
    total: int | None = None

    def differs(self, other: "Origin") -> bool:
        """Whether the two cannot be the same state of a file; what one of them does not say counts for neither."""
        pairs = ((self.validator, other.validator), (self.total, other.total))
        return any(a is not None and b is not None and a != b for a, b in pairs)


class Partial:
    """The part of `target` that is here: `path` (`.<name>.part`), with its origin in `<path>.json`."""

    def __init__(self, target: Path, path: Path | None = None) -> None:
        self.target = target
        self.path = path or target.with_name(f".{target.name}.part")
        self._note = self.path.with_name(f"{self.path.name}.json")

    @property
    def bytes(self) -> int:
        """How many bytes are here; 0 where the path is a link."""
        return self.path.stat().st_size if is_plain(self.path) else 0

    @property
    def noted(self) -> bool:
        """Whether there is a note of its origin."""
        return self._note.is_file()

    def origin(self, address: str) -> Origin | None:
        """Where the bytes come from; None when that was not noted, or is not `address`."""
        try:
            origin = Origin.model_validate_json(regular(self._note, MOST_TEXT).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return origin if origin.address == address else None

    def begin(self, origin: Origin) -> None:
        """Start from nothing. The old bytes go before the note changes: never do bytes lie beside another's note."""
        self.discard()
        with replacing(self._note) as temporary:
            temporary.write_text(origin.model_dump_json())

    def append(self) -> BinaryIO:
        """Open the file to append to it; a link or special file of that name is removed."""
        if not is_plain(self.path):
            self.path.unlink(missing_ok=True)
        return self.path.open("ab")

    def discard(self) -> None:
        """Throw the bytes away."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def reopen(self) -> None:
        """Take the target, where it is there, for bytes that are still to be proved."""
        if self.target.is_file():
            self.target.replace(self.path)

    def commit(self) -> None:
        """Give the bytes the name of the target, flushed to disk."""
        flush_and_rename(self.path, self.target)
        self._note.unlink(missing_ok=True)

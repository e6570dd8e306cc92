"""A file under its final name is whole (write aside in the same folder, flush, rename), and is known by its bytes."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait_prep.media.file import regular

TEMPORARY = ".tmp-"
"""Every temporary file's name starts with this; a run sweeps away what a killed one left."""


def temporary_beside(path: Path) -> Path:
    """A fresh temporary name in the folder of `path`, keeping its suffix."""
    return path.parent / f"{TEMPORARY}{uuid.uuid4().hex[:12]}-{path.name}"


def flush_and_rename(temporary: Path, path: Path) -> None:
    """Flush `temporary` to disk and give it its final name."""
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it replaces `path`, on any error it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        flush_and_rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a regular file, read in blocks. Raises OSError."""
    with regular(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there with just these bytes."""
    return path.is_file() and sha256_of(path) == sha256

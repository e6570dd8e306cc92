"""A file under its final name is whole (write aside in the same folder, flush, rename), and is known by its bytes."""

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp-"
"""Every temporary file's name starts with this; a run sweeps away what a killed process left."""


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
    claim = _claimed(temporary)
    try:
        yield temporary
        flush_and_rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(claim)


def _claimed(temporary: Path) -> int:
    """Create a file that counts as not `abandoned` while the returned descriptor is open: till its process ends."""
    while True:
        claim = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with suppress(OSError):  # a disk without locks, to which an export may well be written
            fcntl.flock(claim, fcntl.LOCK_EX)
        if temporary.exists():
            return claim
        os.close(claim)  # it was swept away before it was claimed


@contextmanager
def abandoned(temporary: Path) -> Iterator[bool]:
    """Tell whether no process writes this file by `replacing`; to the end of the block none can begin to.

    A file of somebody else's that may not even be looked at is left to them.
    """
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        yield not isinstance(error, PermissionError)
        return
    try:
        # Shared: network disks give an exclusive lock only to those who may write.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        free = True
    except OSError as error:
        free = not isinstance(error, BlockingIOError)
    try:
        yield free
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there with just these bytes."""
    return path.is_file() and sha256_of(path) == sha256

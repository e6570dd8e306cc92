"""A file under its final name is whole (write aside in the same folder, flush, rename), and is known by its bytes.

What is written to under the name that it has (locks, logs, parts of transfers) is a plain file: no link is followed.
"""

import fcntl
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portrait_prep.errors import BadInput
from portrait_prep.media.file import regular

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
    """Hexadecimal sha256 of a regular file, read in blocks. Raises OSError."""
    with regular(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file is there with just these bytes."""
    return path.is_file() and sha256_of(path) == sha256


def is_plain(path: Path) -> bool:
    """Whether a regular file lies there that has no other name: no link leads on, and nobody else's file is written."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


@contextmanager
def opened_plain(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of a regular file, as `os.open` gives it. Raises BadInput where a link or anything else lies."""
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if path.is_symlink():
            raise BadInput(f"{path} is a link, and is not written through: remove it and run again.") from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadInput(f"{path} is no regular file: remove it and run again.")
        yield handle
    finally:
        os.close(handle)


def real(path: Path) -> Path:
    """Where a path leads once its links are followed, as far as there is something and they lead in no circle."""
    return Path(os.path.realpath(path))


def lies_inside(path: Path, root: Path) -> bool:
    """Whether the folder that holds `path` is, in truth, within `root`."""
    return real(path.parent).is_relative_to(real(root))

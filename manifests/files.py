"""Whole files: written under a temporary name in the same folder, flushed and renamed; compared by their sha256."""

import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portrait_prep.media.file import regular

TEMPORARY = ".tmp-"
TEMPORARY_NAME = re.compile(rf"{re.escape(TEMPORARY)}([0-9a-f]+)-(.+)", re.DOTALL)
"""Prefix of the names of temporary files; a run removes those that a killed process left."""


BLOCK = 1 << 18
"""Bytes that are read at a time."""


def fresh_token() -> str:
    """What makes a temporary name unique; files that belong together share one."""
    return uuid.uuid4().hex[:12]


def temporary_beside(path: Path, token: str = "") -> Path:
    """A temporary name in the folder of `path`, keeping its suffix: with this token, or else with a fresh one."""
    return path.parent / f"{TEMPORARY}{token or fresh_token()}-{path.name}"


def parts_of_temporary(name: str) -> tuple[str, str]:
    """Token and final name, of a name that `temporary_beside` gave. Raises ValueError for any other."""
    found = TEMPORARY_NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name} is no temporary name")
    return found[1], found[2]


def is_temporary(name: str) -> bool:
    """Whether `temporary_beside` gave a file or folder its name: other hidden ones may be the user's."""
    return TEMPORARY_NAME.fullmatch(name) is not None


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
    lock = _create_locked(temporary)
    try:
        yield temporary
        flush_and_rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(lock)


def _create_locked(temporary: Path) -> int:
    """Create a file and lock it, which `writer_is_gone` notices. The lock ends with the descriptor or the process."""
    while True:
        lock = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with suppress(OSError):  # a disk without locks; exports may be written to one
            fcntl.flock(lock, fcntl.LOCK_EX)
        if temporary.exists():
            return lock
        os.close(lock)  # a run removed it before it was locked


@contextmanager
def writer_is_gone(temporary: Path) -> Iterator[bool]:
    """Yield whether no process is writing this file by `replacing`; until the end of the block none can start to.

    False, too, for a file that this user may not read. Anything that is no file has no writer.
    """
    try:
        handle = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        yield not isinstance(error, PermissionError)
        return
    try:
        # A shared lock is enough, and network disks grant an exclusive one only on files opened for writing.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        gone = True
    except OSError as error:
        gone = not isinstance(error, BlockingIOError)
    try:
        yield gone
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a regular file, read in blocks. Raises OSError."""
    with regular(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_start(path: Path, size: int) -> str:
    """The same of its first bytes, at most `size` of them."""
    digest = hashlib.sha256()
    with regular(path).open("rb") as handle:
        while size > 0 and (block := handle.read(min(size, BLOCK))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


def is_intact(path: Path, sha256: str) -> bool:
    """Whether the file exists and has this sha256 (hexadecimal)."""
    return path.is_file() and sha256_of(path) == sha256


def holds(path: Path, content: bytes) -> bool:
    """Whether a regular file has just these bytes; one of another size is not read. False where there is none."""
    try:
        return regular(path).stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False

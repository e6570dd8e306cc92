"""Reading files safely: only regular ones of bounded size, and at any offset by several processes at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Any

from portrait_prep.errors import Damaged

if TYPE_CHECKING:  # whoever only asks whether a file is regular, as the doctor, must do without
    from numpy.typing import NDArray

MOST_TEXT = 1 << 26
"""Most bytes of a text file that is read (settings, manifest, list): a hundred times the largest ones."""


def regular(path: Path, most: int | None = None) -> Path:
    """Return `path` if it is a regular file, or a link to one, of at most `most` bytes. Raises OSError otherwise.

    Call it before opening a file that somebody else may have put there: a pipe or a device may block for ever.
    """
    status = path.stat()
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    if most is not None and status.st_size > most:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return path


class File:
    """A file read at given places only: there is no position, so that forked processes may share it."""

    def __init__(self, path: Path) -> None:
        """Raise FileNotFoundError, or another OSError where it is no regular file."""
        self.path = path
        self._handle: int | None = os.open(regular(path), os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            os.close(handle)

    @property
    def status(self) -> os.stat_result:
        """Size, time and inode of the open file, whatever has its name by now."""
        return os.fstat(self._open())

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from `offset` on. Raises Damaged when the file ends before."""
        content = os.pread(self._open(), size, offset)
        if len(content) != size:
            raise self._too_short()
        return content

    def read_into(self, target: NDArray[Any], offset: int) -> None:
        """Fill a contiguous array with the bytes from `offset` on. Raises Damaged when the file ends before."""
        if os.preadv(self._open(), [target.reshape(-1).view("u1").data], offset) != target.nbytes:
            raise self._too_short()

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError(f"{self.path} has been closed.")
        return self._handle

    def _too_short(self) -> Damaged:
        return Damaged(f"{self.path} ends too early: delete it and run again.")

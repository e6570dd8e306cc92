"""Plain files: regular files reached through no link, so that writing to one changes nothing outside the workspace.

Locks, logs and parts of transfers, which are written under their own names, are opened here.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait_prep.errors import BadInput


def is_plain(path: Path) -> bool:
    """Whether `path` is a regular file, no symbolic link, with no second hard link: writing to it changes no other."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


@contextmanager
def opened_plain(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file as `os.open` does, without following a link, and yield its descriptor; closed at the end.

    Raises BadInput where a link, a folder, a pipe or a device has that name; OSError as `os.open` does.
    """
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


def real_path(path: Path) -> Path:
    """The absolute path with its links resolved. Missing parts and circular links are kept as they are."""
    return Path(os.path.realpath(path))


def lies_inside(path: Path, root: Path) -> bool:
    """Whether the folder that holds `path` lies within `root` once links are resolved; `path` itself may be a link."""
    return real_path(path.parent).is_relative_to(real_path(root))

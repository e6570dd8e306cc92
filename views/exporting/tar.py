"""Tar files written member by member: memory does not grow with them, and same members give same bytes.

Format: POSIX.1-2001 (pax), which is plain ustar but for names and sizes that do not fit there.
"""

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MODE = 0o644
"""Of every member; its time is 0, and it is of nobody."""


@dataclass(frozen=True)
class Member:
    """A file of a tar: its name, its size, and its content piece by piece."""

    name: str
    size: int
    pieces: Iterable[bytes | memoryview]


def write_tar(path: Path, members: Iterable[Member]) -> None:
    """Write them all. Raises ValueError unless each has just as many bytes as were announced."""
    with path.open("wb") as file:
        for member in members:
            file.write(_header(member))
            start = file.tell()
            file.writelines(member.pieces)
            if file.tell() - start != member.size:
                raise ValueError(f"{member.name} has {file.tell() - start} bytes, not {member.size}")
            file.write(bytes(-member.size % tarfile.BLOCKSIZE))
        end = file.tell() + 2 * tarfile.BLOCKSIZE
        file.write(bytes(end + -end % tarfile.RECORDSIZE - file.tell()))


def _header(member: Member) -> bytes:
    info = tarfile.TarInfo(member.name)
    info.size, info.mode = member.size, MODE
    return info.tobuf(tarfile.PAX_FORMAT)

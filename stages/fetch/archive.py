"""Extracting one member of a foreign zip archive, which decides neither where is written nor how much."""

import copy
import errno
import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from portrait_prep.manifests.files import replacing
from portrait_prep.media.file import regular
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import disk

BLOCK = 1 << 20
MOST_BYTES = 4 << 30
"""Largest member that is taken out."""
HIGHEST_RATIO = 100
"""Highest ratio of compression of a member larger than ANY_RATIO; sound and video shrink to a half at best."""
ANY_RATIO = 1 << 24
"""Bytes up to which a member may have any ratio."""
MOST_DIRECTORY = 1 << 21
"""Most bytes of an archive's directory; one of 7000 files has a third. In memory it takes 30 times as much."""
METHODS = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
ENCRYPTED = 0x1
"""Bit of the general purpose flags (PKWARE APPNOTE 4.4.4)."""
DRIVE = re.compile(r"[A-Za-z]:")
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)
"""What reading a damaged archive raises."""


class BrokenArchive(OSError):
    """The archive is damaged: fetched again, it may be whole."""


class _Bounded(io.BufferedReader):
    """An archive file whose directory, which zipfile reads in one piece, is limited to MOST_DIRECTORY."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(regular(path)))
        self._path = path

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most `size` bytes. Raises BadVideo for a longer piece than any directory."""
        if size is not None and size > MOST_DIRECTORY:
            raise BadVideo(f"{self._path} is not to be trusted: its directory would have {size} bytes")
        return super().read(size)


def extract(archive: Path, member: str, target: Path, reserve: float = 0.0) -> None:
    """Take one member of a zip into `target`, whole or not at all, checked against its size and CRC-32.

    `member` is its path in the archive; when it is not there, the one with the same base name is taken, since copies
    of a release nest its folders deeper. What macOS adds (`__MACOSX`, `._*`) is passed over. Memory does not grow with
    the size of the member. `reserve` GB of the disk stay free.

    Raises BadVideo when there is no such member, when it is a link, encrypted, packed in a way that is not read here or
    larger than plausible, or when any entry of the archive leads out of its folder; BrokenArchive when it is damaged;
    TransferFailed when the disk has too little space.
    """
    with _damage_reported(archive), _Bounded(archive) as file, zipfile.ZipFile(file) as opened:
        entries = opened.infolist()
        _require_safe(archive, entries)
        entry = _find(archive, entries, member)
        _require_plain(archive, entry)
        target.parent.mkdir(parents=True, exist_ok=True)
        disk.require_space(target.parent, entry.file_size, reserve)
        # zipfile silently cuts a member at its declared size; declared one byte longer, a longer one is noticed.
        one_more = copy.copy(entry)
        one_more.file_size += 1
        with opened.open(one_more) as source, replacing(target) as temporary, temporary.open("wb") as output:
            _copy(source, output, entry)


@contextmanager
def _damage_reported(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*BROKEN, OSError) as error:
        # EINVAL: the archive has an offset beyond what the file system can have.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise BrokenArchive(f"{archive} is a damaged archive ({error})") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The whole name; `filename` of zipfile ends at the first NUL."""
    return entry.orig_filename.replace("\\", "/")


def _require_safe(archive: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raise BadVideo for an archive with any entry that leads out of its folder: then none is trusted."""
    for entry in entries:
        name = _name(entry)
        if name.startswith("/") or DRIVE.match(name) or "\0" in name or ".." in name.split("/"):
            raise BadVideo(f"{archive} is not to be trusted: its entry {entry.orig_filename!r} leads out of its folder")


def _find(archive: Path, entries: Sequence[zipfile.ZipInfo], member: str) -> zipfile.ZipInfo:
    """The entry of that path, else of that base name; copies of one file count as one, the shallowest."""
    wanted = PurePosixPath(member.replace("\\", "/"))
    paths = [(PurePosixPath(_name(entry)), entry) for entry in entries if not _is_extra(entry)]
    found = [(path, entry) for path, entry in paths if path == wanted] or [
        (path, entry) for path, entry in paths if path.name == wanted.name
    ]
    if not found:
        raise BadVideo(f"{archive} has no member {member}")
    if len({(entry.file_size, entry.CRC) for _, entry in found}) > 1:
        raise BadVideo(f"{archive} has several members {wanted.name} that are not the same")
    return min(found, key=lambda item: (len(item[0].parts), str(item[0])))[1]


def _is_extra(entry: zipfile.ZipInfo) -> bool:
    """Whether this is a folder, or what macOS adds beside each file."""
    parts = PurePosixPath(_name(entry)).parts
    return not parts or _name(entry).endswith("/") or "__MACOSX" in parts or parts[-1].startswith("._")


def _require_plain(archive: Path, entry: zipfile.ZipInfo) -> None:
    """Raise BadVideo unless the entry is a regular file of plausible size that can be read here."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    swollen = entry.file_size > max(ANY_RATIO, HIGHEST_RATIO * entry.compress_size)
    refusals = (
        (kind not in (0, stat.S_IFREG), "is a link or a device, not a file"),
        (entry.flag_bits & ENCRYPTED, "is encrypted"),
        (entry.compress_type not in METHODS, "is packed in a way that is not read here: unpack and zip it anew"),
        (entry.file_size > MOST_BYTES, f"would have {entry.file_size} bytes, more than the {MOST_BYTES} allowed"),
        (swollen, f"would have {entry.file_size} bytes out of {entry.compress_size}: more than is plausible"),
    )
    for refused, reason in refusals:
        if refused:
            raise BadVideo(f"{entry.orig_filename} of {archive} {reason}")


def _copy(source: IO[bytes], file: IO[bytes], entry: zipfile.ZipInfo) -> None:
    """Copy a member to its end, where the library compares its CRC-32, and hold it to its declared size."""
    shutil.copyfileobj(source, file, BLOCK)
    if file.tell() != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.orig_filename} does not have the {entry.file_size} bytes that it declares")

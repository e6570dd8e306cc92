"""The one door to video and sound files of the world: only of this machine, whole by what they say of themselves.

Whatever a library raises while one is read, of any type, is that file's own failure.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

import av
from av.container import InputContainer
from av.stream import Stream

from portrait_prep.errors import PortraitPrepError

MOST_PARTS = 4096
"""Parts looked at; the longest films have some hundred."""

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
RIFF = b"RIFF"
OPEN = 0xFFFFFFFF
"""A RIFF size that nobody went back to fill in."""


def declared_size(path: Path) -> int:
    """Bytes that a Matroska, WebM, AVI or WAV file says it has; 0 where it does not say, or is of another kind.

    Matroska: EBML elements of known size (RFC 8794, 6; RFC 9559). AVI, WAV: the chunks within each RIFF (Microsoft,
    Multimedia Programming Interface 1.0), not the RIFF itself, whose size some writers count from its beginning.
    Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        kind = file.read(4)
        ends = {EBML: _ebml_ends, RIFF: _riff_ends}.get(kind)
        return 0 if ends is None else max(ends(file, path.stat().st_size), default=0)


def _ebml_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Ends of the top-level elements, up to the first of unknown size or unknown kind."""
    position = 0
    for _ in range(MOST_PARTS):
        file.seek(position)
        header = file.read(12)
        if position >= size or len(header) < 12 or header[:4] not in (EBML, SEGMENT):
            return
        width = 9 - header[4].bit_length()
        length = int.from_bytes(header[4 : 4 + width], "big") & ((1 << 7 * width) - 1)
        if width > 8 or length == (1 << 7 * width) - 1:
            return
        position += 4 + width + length
        yield position


def _riff_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Ends of the chunks within each RIFF: an AVI longer than a gigabyte has several of these."""
    position = until = 0
    for _ in range(MOST_PARTS):
        file.seek(position)
        header = file.read(8)
        if position >= size or len(header) < 8:
            return
        length = int.from_bytes(header[4:], "little")
        if position >= until:
            if header[:4] != RIFF:
                return
            until = position + 8 + length
            position += 12
        else:
            if length == OPEN:
                return
            position += 8 + length
            yield position
            position += length % 2


ONLY_LOCAL = {"protocol_whitelist": "file"}
"""A playlist that poses as a video must not reach beyond this machine."""

SHORTFALL = 1.0
"""Seconds by which packets may end before the declared duration: players hold a last frame, writers round up."""

BLOCK = 1 << 20
"""Bytes read at a time where a file is searched."""

MOST_BOXES = 64
"""Top-level boxes looked at; a video of one piece has a handful."""

MOST_WORDS = 200
"""Characters of a library's own words that are passed on."""


OF_THE_SYSTEM = frozenset(
    {
        *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO),
    }
)
"""What no file is at fault of: network disks that went away, and too many open files."""


class NotAVideo(Exception):
    """The file holds no usable video (or sound, where that is asked for); the message reads on after its name."""


@contextmanager
def opened(path: Path, kind: str = "video") -> Iterator[InputContainer]:
    """Open for reading; what libraries raise until it is closed becomes NotAVideo, the system's stays OSError."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise NotAVideo("is not a regular file")
    if status.st_size == 0:
        raise NotAVideo("is empty (0 bytes)")
    path.open("rb").close()
    with guarded(path, kind), _open(path) as container:
        yield container


def _open(path: Path) -> InputContainer:
    """Tags are of any bytes. PyAV decodes them strictly unless it is told otherwise, in releases that can be told."""
    try:
        return av.open(str(path), "r", options=ONLY_LOCAL, metadata_errors="replace")
    except TypeError:
        return av.open(str(path), "r", options=ONLY_LOCAL)


@contextmanager
def guarded(path: Path, kind: str = "video") -> Iterator[None]:
    """Turn what libraries raise about the content of a file into NotAVideo, whose sentence names what it was.

    Our own errors, those of the system and a full memory pass.
    """
    try:
        yield
    except av.FFmpegError as error:
        _raise_if_of_the_system(path, error)
        raise NotAVideo(_why_unreadable(path, kind, error)) from error
    except (NotAVideo, PortraitPrepError, OSError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_WORDS]
        raise NotAVideo(f"is not a readable {kind} ({words})") from error


def _raise_if_of_the_system(path: Path, error: av.FFmpegError) -> None:
    """Raise OSError where FFmpeg passed on what the system said; EIO, which it also says of files, where it is so."""
    if error.errno in OF_THE_SYSTEM:
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    if error.errno == errno.EIO:
        with path.open("rb") as file:
            while file.read(BLOCK):
                pass


def has_decoder(stream: Stream) -> bool:
    """Whether FFmpeg knows a decoder for a track; one without has no attributes of a codec either."""
    return getattr(stream, "codec_context", None) is not None


def _why_unreadable(path: Path, kind: str, error: av.FFmpegError) -> str:
    """An MP4 without its index is the usual leftover of an interrupted recording or download; name it."""
    boxes = _whole_boxes(path)
    if boxes[:1] == ["ftyp"] and "moov" not in boxes:
        return "is cut short: its index (moov) is missing"
    return f"is not a readable {kind} ({error.strerror})"


def _whole_boxes(path: Path) -> list[str]:
    """Names of the top-level boxes of an ISO base media file (ISO/IEC 14496-12, 4.2) that are there to their end."""
    names: list[str] = []
    size, position = path.stat().st_size, 0
    with path.open("rb") as handle:
        while position + 8 <= size and len(names) < MOST_BOXES:
            handle.seek(position)
            header = handle.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:], "big")
            position += length if length >= 8 else size
            if position <= size or length == 0:
                names.append(header[4:8].decode("latin-1"))
    return names


def check_extent(path: Path, container: InputContainer, streams: Iterable[Stream]) -> None:
    """An index or a declared size that points beyond the end of the file proves that the file was cut."""
    needed = declared_size(path)
    if container.format.name.startswith("mov"):
        entries = chain.from_iterable(stream.index_entries for stream in streams)
        needed = max((entry.pos + entry.size for entry in entries), default=0)
    if needed > (size := path.stat().st_size):
        raise NotAVideo(f"is cut short: {size} of at least {needed} bytes are there")


HEADS = re.compile(
    rb"\x00\x00\x00.ftyp[ -~]{4}|FLV\x01[\x01\x04\x05]\x00\x00\x00\x09|RIFF....AVI LIST"
    rb"|\x1a\x45\xdf\xa3.{1,48}(?:matroska|webm)",
    re.DOTALL,
)
"""How MP4, FLV, AVI and Matroska files begin."""

LONGEST_HEAD = 64
"""Bytes that one of these is long at most."""


def second_head(path: Path, after: int) -> int | None:
    """Where, behind this byte, another file begins; None where none does. Raises OSError."""
    with path.open("rb") as file:
        file.seek(after)
        tail = b""
        while block := file.read(BLOCK):
            if found := HEADS.search(tail + block):
                return after - len(tail) + found.start()
            tail, after = block[-LONGEST_HEAD:], after + len(block)
    return None

"""Opening video and sound files: only of this machine, and whole by what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from stat import S_ISREG

import av
from av.container import InputContainer
from av.stream import Stream

from manifests.extent import declared_size

ONLY_LOCAL = {"protocol_whitelist": "file"}
"""A playlist that poses as a video must not reach beyond this machine."""

SHORTFALL = 1.0
"""Seconds by which packets may end before the declared duration: players hold a last frame, writers round up."""

MOST_BOXES = 64
"""Top-level boxes looked at; a video of one piece has a handful."""


class NotAVideo(Exception):
    """The file holds no usable video (or sound, where that is asked for); the message reads on after its name."""


@contextmanager
def opened(path: Path, kind: str = "video") -> Iterator[InputContainer]:
    """Open for reading; FFmpeg's complaints become NotAVideo, the system's stay OSError."""
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise NotAVideo("is not a regular file")
    if status.st_size == 0:
        raise NotAVideo("is empty (0 bytes)")
    path.open("rb").close()
    try:
        with av.open(str(path), options=ONLY_LOCAL) as container:
            yield container
    except av.FFmpegError as error:
        raise NotAVideo(_why_unreadable(path, kind, error)) from error


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

"""Whether a file of video or sound is as long as it declares to be, and is one file and not several joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from av.container import InputContainer
from av.stream import Stream

from portrait_prep.media.container import BLOCK, NotAVideo

SHORTFALL = 1.0
"""Seconds by which packets may end before the declared duration: players hold a last frame, writers round up."""

MOST_PARTS = 4096
"""Elements or chunks read of one file; the longest films have some hundred."""

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
RIFF = b"RIFF"
UNKNOWN_SIZE = 0xFFFFFFFF
"""Size of a RIFF chunk whose writer never filled it in."""


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
            if length == UNKNOWN_SIZE:
                return
            position += 8 + length
            yield position
            position += length % 2


def check_extent(path: Path, container: InputContainer, streams: Iterable[Stream]) -> None:
    """Raise NotAVideo where an index or a declared size points beyond the end of the file: it was cut."""
    needed = declared_size(path)
    if container.format.name.startswith("mov"):
        entries = chain.from_iterable(stream.index_entries for stream in streams)
        needed = max((entry.pos + entry.size for entry in entries), default=0)
    if needed > (size := path.stat().st_size):
        raise NotAVideo(f"is cut short: {size} of at least {needed} bytes are there")


HEADERS = re.compile(
    rb"\x00\x00\x00.ftyp[ -~]{4}|FLV\x01[\x01\x04\x05]\x00\x00\x00\x09|RIFF....AVI LIST"
    rb"|\x1a\x45\xdf\xa3.{1,48}(?:matroska|webm)",
    re.DOTALL,
)
"""How MP4, FLV, AVI and Matroska files begin."""

LONGEST_HEADER = 64
"""Bytes of the longest match of HEADERS."""


def second_header(path: Path, after: int) -> int | None:
    """Offset, from `after` on, at which another file begins; None where none does. Raises OSError."""
    with path.open("rb") as file:
        file.seek(after)
        tail = b""
        while block := file.read(BLOCK):
            if found := HEADERS.search(tail + block):
                return after - len(tail) + found.start()
            tail, after = block[-LONGEST_HEADER:], after + len(block)
    return None

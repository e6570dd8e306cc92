"""The boxes of an ISO base media file or a QuickTime movie, and how many samples they declare.

ISO/IEC 14496-12, 4.2 (boxes), 8.7.3 (stsz, stz2), 8.8.8 (trun); QuickTime File Format (cmov: a movie compressed).
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

MOST_BOXES = 1 << 16
"""Boxes looked at; a recording of an hour in fragments of two seconds has a third of these."""

MOST_INDEX = 1 << 26
"""Bytes of a compressed index that are looked at."""

UNPACKED_TO = 8
"""Bytes that a compressed index may become, for each byte of the file: beside the media it is small."""

DEEPEST = 8
"""Boxes around a table of samples: moov, trak, mdia, minf, stbl, and three more where these are compressed."""

HOLDERS = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"cmov"))
"""Boxes that hold boxes, of those on the way to a table of samples."""

COUNT_AT = {b"stsz": 8, b"stz2": 8, b"trun": 4}
"""Where in the content of a table of samples their number stands, 32 bits."""

SOUND_A_BYTE = 64
"""Samples of sound, at most, that old codecs of QuickTime keep in a byte: there a sample is one of the wave."""


class Box(NamedTuple):
    """Name and content, from `start` to before `end`."""

    name: bytes
    start: int
    end: int


def boxes(file: BinaryIO, position: int, until: int) -> Iterator[Box]:
    """The boxes between two places, in order; the last one may end behind `until`."""
    while position + 8 <= until:
        file.seek(position)
        header = file.read(16)
        length, start = int.from_bytes(header[:4], "big"), position + 8
        if length == 1:
            length, start = int.from_bytes(header[8:], "big"), position + 16
        end = until if length == 0 else position + length
        if end < start:
            return
        yield Box(header[4:8], start, end)
        position = end


def is_without_index(path: Path) -> bool:
    """Whether this is an MP4 whose index (moov) never came to be: what an interrupted recording or download leaves."""
    size = path.stat().st_size
    with path.open("rb") as file:
        names = [box.name for box in islice(boxes(file, 0, size), MOST_BOXES) if box.end <= size]
    return names[:1] == [b"ftyp"] and b"moov" not in names


def declares_too_many(path: Path) -> bool:
    """Whether the tables of samples declare more of them than the file has bytes to hold: each has one at least.

    A reader makes an entry for each before it looks for the first. Raises OSError when the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return any(total > size for total in accumulate(islice(_samples(file, 0, size), MOST_BOXES)))


def _samples(file: BinaryIO, position: int, until: int, a_byte: int = 1, depth: int = 0) -> Iterator[int]:
    """Of each box in turn, the bytes that its samples need at least, where `a_byte` of them lie in one."""
    for name, start, end in boxes(file, position, until):
        if name == b"smhd":
            a_byte = SOUND_A_BYTE
        yield _count(file, start, COUNT_AT[name]) // a_byte if name in COUNT_AT else 0
        if name in HOLDERS and depth < DEEPEST:
            yield from _samples(file, start, min(end, until), a_byte, depth + 1)
        if name == b"cmvd" and depth < DEEPEST:
            index = _unpacked(file, start, min(end, until))
            yield len(index) // UNPACKED_TO
            yield from _samples(io.BytesIO(index), 0, len(index), a_byte, depth + 1)


def _count(file: BinaryIO, start: int, offset: int) -> int:
    file.seek(start + offset)
    return int.from_bytes(file.read(4), "big")


def _unpacked(file: BinaryIO, start: int, end: int) -> bytes:
    """The movie box of a compressed one, whose content begins with its length; as much of it as can be had."""
    file.seek(start + 4)
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(file.read(min(end - start, MOST_INDEX)), MOST_INDEX)
    return b""

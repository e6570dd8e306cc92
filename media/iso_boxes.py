"""Boxes of MP4 and QuickTime files: whether the index is there, and whether it declares more samples than can be.

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
"""Boxes read of one file; an hour in fragments of two seconds has a third as many."""

MOST_INDEX = 1 << 26
"""Bytes of a compressed index (cmov) that are read."""

INDEX_BYTES_PER_BYTE = 8
"""Bytes that a compressed index may unpack to, for each byte of the whole file."""

MOST_NESTED = 8
"""Boxes around a sample table: moov, trak, mdia, minf, stbl, and three more where these are compressed."""

CONTAINER_BOXES = frozenset((b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf", b"cmov"))
"""Boxes that contain boxes, on the way to a sample table."""

COUNT_OFFSETS = {b"stsz": 8, b"stz2": 8, b"trun": 4}
"""Sample table -> offset in its content of the number of samples, a 32-bit integer."""

SOUND_SAMPLES_PER_BYTE = 64
"""Most samples of sound in a byte: old QuickTime codecs count values of the wave as samples."""


class IsoBox(NamedTuple):
    """A box: its four-letter name, and the offsets of its content, `end` excluded."""

    name: bytes
    start: int
    end: int


def iso_boxes(file: BinaryIO, position: int, until: int) -> Iterator[IsoBox]:
    """The boxes between two offsets, in order; the last one may claim to end behind `until`."""
    while position + 8 <= until:
        file.seek(position)
        header = file.read(16)
        length, start = int.from_bytes(header[:4], "big"), position + 8
        if length == 1:
            length, start = int.from_bytes(header[8:], "big"), position + 16
        end = until if length == 0 else position + length
        if end < start:
            return
        yield IsoBox(header[4:8], start, end)
        position = end


def is_without_index(path: Path) -> bool:
    """Whether this is an MP4 without an index (moov), as an interrupted recording or download leaves it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        names = [box.name for box in islice(iso_boxes(file, 0, size), MOST_BOXES) if box.end <= size]
    return names[:1] == [b"ftyp"] and b"moov" not in names


def declares_too_many(path: Path) -> bool:
    """Whether the sample tables declare more samples than the file has bytes.

    A demuxer allocates an entry for each before it reads the first. Raises OSError when the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return any(total > size for total in accumulate(islice(_samples(file, 0, size), MOST_BOXES)))


def _samples(file: BinaryIO, position: int, until: int, per_byte: int = 1, depth: int = 0) -> Iterator[int]:
    """For each box in turn, the least bytes that its samples need; `per_byte` of them may lie in one byte."""
    for name, start, end in iso_boxes(file, position, until):
        if name == b"smhd":
            per_byte = SOUND_SAMPLES_PER_BYTE
        yield _count(file, start, COUNT_OFFSETS[name]) // per_byte if name in COUNT_OFFSETS else 0
        if name in CONTAINER_BOXES and depth < MOST_NESTED:
            yield from _samples(file, start, min(end, until), per_byte, depth + 1)
        if name == b"cmvd" and depth < MOST_NESTED:
            index = _unpacked(file, start, min(end, until))
            yield len(index) // INDEX_BYTES_PER_BYTE
            yield from _samples(io.BytesIO(index), 0, len(index), per_byte, depth + 1)


def _count(file: BinaryIO, start: int, offset: int) -> int:
    file.seek(start + offset)
    return int.from_bytes(file.read(4), "big")


def _unpacked(file: BinaryIO, start: int, end: int) -> bytes:
    """Unpack the content of a `cmvd` box, which begins with its unpacked length; b"" where it cannot be unpacked."""
    file.seek(start + 4)
    with suppress(zlib.error):
        return zlib.decompressobj().decompress(file.read(min(end - start, MOST_INDEX)), MOST_INDEX)
    return b""

"""How long a file must be by what its outermost structure says: one that is shorter was cut, however little is missing.

Only the headers of the outermost parts are read. Bytes behind them are legal, and so are sizes left open, as they are
by those who write a stream as it comes and never go back: neither says anything.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

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

"""Numbers of a Parquet column chunk, fetched without assembling lists, which for tensors costs ten times the rest.

A chunk that is one data page (version 1) without nulls holds its values in one piece behind the levels, whatever the
nesting. Uncompressed and plain, any row of it can be read where it lies; otherwise the page is decoded as a whole. What
is not of that kind (several pages, a dictionary, nulls, text) is left to PyArrow.
Format: https://parquet.apache.org/docs/file-format/ and Thrift's compact protocol.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portrait_prep.media.file import File

NUMBERS = {"FLOAT": "<f4", "DOUBLE": "<f8", "INT32": "<i4", "INT64": "<i8", "BOOLEAN": "?", "FLOAT16": "<f2"}
"""Parquet's physical types of numbers, as NumPy's; and a logical one, which is two bytes to Parquet."""
CODECS = {"UNCOMPRESSED": None, "ZSTD": "zstd", "SNAPPY": "snappy"}
"""How a page may be compressed -> PyArrow's name of the codec."""
HEAD = 64
"""Bytes that hold the start of any page header as far as it is read here: six numbers of at most five bytes."""
DATA_PAGE, PLAIN, BYTE_STREAM_SPLIT = 0, 0, 9
I32, STRUCT = 5, 12


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column in one row group, as the footer has it. `levels`: how many kinds of levels precede the values."""

    offset: int
    size: int
    values: int
    codec: str
    physical: str
    levels: int

    @classmethod
    def of(cls, column: Any, schema: Any) -> "Chunk":
        """From PyArrow's ColumnChunkMetaData and ColumnSchema."""
        levels = (schema.max_repetition_level > 0) + (schema.max_definition_level > 0)
        start = column.dictionary_page_offset or column.data_page_offset
        kind = "FLOAT16" if schema.logical_type.type == "FLOAT16" else column.physical_type
        return cls(start, column.total_compressed_size, column.num_values, column.compression, kind, levels)

    @property
    def dtype(self) -> np.dtype[Any]:
        """As stored: small integers are int32 in Parquet. Raises KeyError where it is no number."""
        return np.dtype(NUMBERS[self.physical])


@dataclass(frozen=True, slots=True)
class Page:
    """The one page of a chunk. `offset` in the file and `size` are its body's, `raw_size` that of the body unpacked."""

    offset: int
    size: int
    raw_size: int
    encoding: int


def plain_start(file: File, chunk: Chunk) -> int | None:
    """Where in the file the first value lies, when all lie there one after the other as they are in memory."""
    if chunk.codec != "UNCOMPRESSED" or NUMBERS.get(chunk.physical, "?") == "?":
        return None
    page = _page(file.read(chunk.offset, min(HEAD, chunk.size)), chunk)
    if page is None or page.encoding != PLAIN:
        return None
    at = page.offset
    for _ in range(chunk.levels):
        at += 4 + int(struct.unpack("<I", file.read(at, 4))[0])
    return at if page.offset + page.size - at == chunk.values * chunk.dtype.itemsize else None


def decode(file: File, chunk: Chunk) -> "Values | None":
    """All values of a chunk; None when it is not of the kind that can be read here."""
    if chunk.codec not in CODECS or chunk.physical not in NUMBERS:
        return None
    # Memory of PyArrow's pool is used again; each new piece of the system's would have to be cleared first.
    content = memoryview(pa.allocate_buffer(chunk.size)).cast("B")
    file.read_into(np.frombuffer(content, np.uint8), chunk.offset)
    page = _page(bytes(content[:HEAD]), chunk)
    if page is None:
        return None
    body = content[page.offset - chunk.offset :]
    if codec := _codec(chunk.codec):
        body = memoryview(codec.decompress(body, page.raw_size))
    for _ in range(chunk.levels):
        body = body[4 + int(struct.unpack_from("<I", body)[0]) :]
    return _values(body, page.encoding, chunk)


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a chunk: flat, or uint8 [4, n] where byte k of every value stands in row k, as `dtype` reads them.

    The latter takes no time to unpack that copying would not take anyway.
    """

    numbers: NDArray[Any]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.numbers.nbytes

    def fill(self, target: NDArray[Any], first: int) -> None:
        """Copy values, from number `first` on, into a contiguous array."""
        part = self.numbers[..., first : first + target.size]
        flat = target.reshape(-1)
        if part.ndim == 1:
            flat[:] = part
            return
        whole = flat if flat.dtype == self.dtype else np.empty(flat.size, self.dtype)
        interleaved = whole.view(np.uint8).reshape(-1, len(part))
        for place, row in enumerate(part):  # faster than a transposed copy
            interleaved[:, place] = row
        if whole is not flat:
            flat[:] = whole


@lru_cache
def _codec(name: str) -> pa.Codec | None:
    return pa.Codec(CODECS[name]) if CODECS[name] else None


def _values(body: memoryview, encoding: int, chunk: Chunk) -> Values | None:
    """None where the encoding is another, or the bytes are not those of so many values, since some are null."""
    dtype = chunk.dtype
    if dtype == np.bool_:
        if encoding != PLAIN or len(body) != -(-chunk.values // 8):
            return None
        bits = np.unpackbits(np.frombuffer(body, np.uint8), count=chunk.values, bitorder="little")
        return Values(bits.view(np.bool_), dtype)
    if len(body) != chunk.values * dtype.itemsize:
        return None
    if encoding == PLAIN:
        return Values(np.frombuffer(body, dtype), dtype)
    if encoding == BYTE_STREAM_SPLIT and dtype.itemsize == 4:
        return Values(np.frombuffer(body, np.uint8).reshape(4, chunk.values), dtype)
    return None


def _page(head: bytes, chunk: Chunk) -> Page | None:
    """Read the start of a page header; None unless this data page holds all values of the chunk."""
    numbers = _numbers(head)
    if numbers is None or numbers[0] != DATA_PAGE or numbers[3] != chunk.values:
        return None
    # The chunk ends where its only page ends, so the rest of the header need not be understood.
    return Page(chunk.offset + chunk.size - numbers[2], numbers[2], numbers[1], numbers[4])


def _numbers(head: bytes) -> tuple[int, ...] | None:
    """Type, raw size, size, number of values and encoding, in Thrift's compact protocol; None for other pages.

    They are fields 1, 2 and 3 of PageHeader, and fields 1 and 2 of DataPageHeader, which is its field 5.
    """
    found: dict[int, int] = {}
    at = field = base = 0
    try:
        while base + field < 52:
            step, kind = head[at] >> 4, head[at] & 15
            field, at = field + step, at + 1
            if kind == STRUCT and not base and field == 5:
                base, field = 50, 0
            elif kind == I32 and step:
                found[base + field], at = _zigzag(head, at)
            else:
                return None
        return tuple(found[number] for number in (1, 2, 3, 51, 52))
    except (IndexError, KeyError):
        return None


def _zigzag(head: bytes, at: int) -> tuple[int, int]:
    """A whole number in base 128, least digits first, and where it ends."""
    value = shift = 0
    while True:
        byte = head[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at

"""Arrays as files of NumPy's, written block by block: memory does not grow with them, and same values give same bytes.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, version 1.0; an npz is a zip of npy.
"""

import io
import math
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every member of a zip: none."""


@dataclass(frozen=True)
class Stream:
    """An array [rows, *shape] to be written, whose rows come in blocks of any type that casts to `dtype`."""

    rows: int
    shape: tuple[int, ...]
    dtype: str
    blocks: Iterable[NDArray[Any]]

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Stream":
        """One that is there as a whole."""
        return cls(len(values), values.shape[1:], values.dtype.str, (values,))

    @property
    def nbytes(self) -> int:
        """The size of all of its values."""
        return math.prod((self.rows, *self.shape)) * np.dtype(self.dtype).itemsize

    @property
    def header(self) -> bytes:
        """What stands before the values in a npy file."""
        file, shape = io.BytesIO(), (self.rows, *self.shape)
        np.lib.format.write_array_header_1_0(file, {"descr": self.dtype, "fortran_order": False, "shape": shape})
        return file.getvalue()

    def content(self) -> Iterator[memoryview]:
        """The values, row by row, a block at a time. Raises ValueError unless just the announced rows come."""
        rows = 0
        for block in self.blocks:
            if block.shape[1:] != self.shape:
                raise ValueError(f"a block has rows of {block.shape[1:]}, not of {self.shape}")
            rows += len(block)
            yield np.ascontiguousarray(block, self.dtype).data
        if rows != self.rows:
            raise ValueError(f"{rows} rows came, not {self.rows}")


def write_npy(path: Path, stream: Stream) -> None:
    """Write one array. Raises ValueError unless the blocks have just the rows that were announced."""
    with path.open("wb") as file:
        _write(file, stream)


def write_npz(path: Path, streams: Iterable[tuple[str, Stream]]) -> None:
    """Write named arrays, uncompressed as `numpy.savez` does. Raises ValueError as `write_npy` does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, stream in streams:
            with archive.open(zipfile.ZipInfo(f"{name}.npy", LONG_AGO), "w", force_zip64=True) as member:
                _write(member, stream)


def _write(file: IO[bytes], stream: Stream) -> None:
    file.write(stream.header)
    file.writelines(stream.content())

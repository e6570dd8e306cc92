"""A bound on the memory that a library allocates because a file declares to need it, or unpacks to it."""

import resource
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

BASE_ALLOWANCE = 1 << 30
"""Bytes that opening any file may take: pictures of 8192 x 4320 take half, an index of ten hours a quarter."""

ALLOWANCE_PER_BYTE = 16
"""Further bytes for each byte of the file: an index entry takes a few bytes in the file and some 40 in memory."""

TABLE_ALLOWANCE = 1 << 28
"""Bytes that reading a part of any table (Parquet) may take."""

TABLE_ALLOWANCE_PER_BYTE = 64
"""Further bytes for each byte of its file: a row of the catalogue takes 20 there at least, and 300 in memory."""

ALLOWANCE_PER_VALUE = 16
"""Further bytes for each number that is read: lists in lists have two levels of 2 bytes, kept twice while they grow,
beside the numbers; and however many are alike, they take next to nothing in the file."""

LOCK = threading.RLock()
"""Held while the bound, which is of the whole process, is set: else a second thread would restore that of the first."""

STATM = Path("/proc/self/statm")
"""Sizes of this process in pages, its address space first (Linux; other systems do not enforce RLIMIT_AS)."""


@contextmanager
def bounded_memory(size: int, allowance: int = BASE_ALLOWANCE, per_byte: int = ALLOWANCE_PER_BYTE) -> Iterator[None]:
    """Limit the address space of the process, native code included, to what opening a file of `size` bytes may need.

    Allocations beyond it fail inside the block. Does nothing where there is no /proc.
    """
    if not STATM.exists():
        yield
        return
    with LOCK:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = int(STATM.read_text().split()[0]) * resource.getpagesize() + allowance + per_byte * size
        limits = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def bounded_table(size: int, values: int = 0) -> AbstractContextManager[None]:
    """The same for reading a part of a table whose file has `size` bytes: a few of them may unpack to gigabytes.

    `values`: how many numbers the part may have at most, where that is known and many.
    """
    return bounded_memory(size, TABLE_ALLOWANCE + ALLOWANCE_PER_VALUE * values, TABLE_ALLOWANCE_PER_BYTE)

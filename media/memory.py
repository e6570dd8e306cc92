"""A bound on the memory that a library takes on the word of a file."""

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEAST = 1 << 30
"""Bytes that opening any file may take: pictures of 8192 x 4320 take half, an index of ten hours a quarter."""

A_BYTE = 16
"""Bytes of memory besides for each byte of the file: an entry of an index takes a few there, and some 40 when read."""

ONE_AT_A_TIME = threading.RLock()
"""The bound is one of the whole process: of two threads, the second would take that of the first for its own."""

PAGES = Path("/proc/self/statm")
"""What Linux tells of this process, in pages: its address space first. Other systems keep no such bound anyway."""


@contextmanager
def bounded_memory(size: int) -> Iterator[None]:
    """What is done meanwhile, in C too, finds no memory beyond what a file of `size` bytes may need to be opened."""
    if not PAGES.exists():
        yield
        return
    with ONE_AT_A_TIME:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = int(PAGES.read_text().split()[0]) * resource.getpagesize() + LEAST + A_BYTE * size
        limits = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

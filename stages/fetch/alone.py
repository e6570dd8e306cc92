"""One process of a workspace at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Let no other process make `file` meanwhile; a process that dies lets go. The folder of `file` is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")):
        yield

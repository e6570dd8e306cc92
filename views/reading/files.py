"""Files open for reading at any place, by many processes, and a bounded store of what is costly to fetch again."""

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged

V = TypeVar("V")


class File:
    """A file read at given places only: there is no position, so that forked processes may share it."""

    def __init__(self, path: Path) -> None:
        """Raise FileNotFoundError."""
        self.path = path
        self._handle: int | None = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle is not None:
            os.close(handle)

    @property
    def status(self) -> os.stat_result:
        """Size, time and inode of the open file, whatever has its name by now."""
        return os.fstat(self._open())

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from `offset` on. Raises Damaged when the file ends before."""
        content = os.pread(self._open(), size, offset)
        if len(content) != size:
            raise self._too_short()
        return content

    def read_into(self, target: NDArray[Any], offset: int) -> None:
        """Fill a contiguous array with the bytes from `offset` on. Raises Damaged when the file ends before."""
        if os.preadv(self._open(), [target.reshape(-1).view(np.uint8).data], offset) != target.nbytes:
            raise self._too_short()

    def _open(self) -> int:
        if self._handle is None:
            raise ValueError(f"{self.path} has been closed.")
        return self._handle

    def _too_short(self) -> Damaged:
        return Damaged(f"{self.path} ends too early: delete it and run again.")


def one(_: Any) -> int:
    """Every value weighs the same."""
    return 1


def size(values: NDArray[Any]) -> int:
    """An array weighs as many bytes as it holds."""
    return values.nbytes


class Store(Generic[V]):
    """The values used last, up to a total weight; the one used longest ago goes first. For one thread.

    Its pickle holds no value: each process finds its own.
    """

    def __init__(self, capacity: int, weight: Callable[[V], int] = one) -> None:
        self._capacity, self._weight = capacity, weight
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._held = 0

    def __reduce__(self) -> tuple[type["Store[V]"], tuple[Any, ...]]:
        return type(self), (self._capacity, self._weight)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`, made now if it is not here. One that is heavier than the capacity is not kept."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = make()
        self._values[key] = value
        self._held += self._weight(value)
        while self._held > self._capacity:
            _, oldest = self._values.popitem(last=False)
            self._held -= self._weight(oldest)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()
        self._held = 0

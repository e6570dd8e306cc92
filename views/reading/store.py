"""A bounded store of what is costly to fetch again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

V = TypeVar("V")


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

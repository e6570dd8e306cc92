"""The order in which items are seen: shuffled anew each epoch, shared among ranks, and continued where it broke off."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class Sampler:
    """Numbers of items in the order of an epoch, this rank's share of them.

    Every item is seen once an epoch, by one rank; ranks may differ by one item. `equal`: they do not, and up to
    `ranks - 1` items, others in each epoch, are left out (what distributed training in step needs). Iterating goes
    from where the epoch stands to its end, and on to the start of the next; `len()` is what iterating now would give.
    The same seed and epoch give the same order everywhere.
    """

    def __init__(
        self, items: int, *, seed: int = 0, shuffle: bool = True, rank: int = 0, ranks: int = 1, equal: bool = False
    ) -> None:
        """Raise ValueError when there is no such rank."""
        if not 0 <= rank < ranks:
            raise ValueError(f"rank must lie in 0 to {ranks - 1}, not {rank}")
        self.items, self.seed, self.shuffle = items, seed, shuffle
        self.rank, self.ranks, self.equal = rank, ranks, equal
        self.epoch = self.done = 0

    def __len__(self) -> int:
        share = max(self._usable() - self.done, 0)
        return (share - self.rank + self.ranks - 1) // self.ranks

    def __iter__(self) -> Iterator[int]:
        for number in map(int, self.rest()):
            self.advance(1)
            yield number
        self.set_epoch(self.epoch + 1)

    def rest(self) -> Numbers:
        """The items of this epoch that this rank has still to see, int64 [len(self)], in order."""
        return self._order()[self.done : self._usable()][self.rank :: self.ranks]

    def advance(self, items: int) -> None:
        """Note that each rank has seen so many more."""
        self.done = min(self.done + items * self.ranks, self.items)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; the one under way goes on where it stands."""
        if epoch != self.epoch:
            self.epoch, self.done = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch stands, for all ranks, provided that they go in step."""
        return {"items": self.items, "seed": self.seed, "shuffle": self.shuffle, "epoch": self.epoch, "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue there, with as many ranks as there are now. Raises ValueError when it is of other items."""
        if state["items"] != self.items:
            raise ValueError(f"the state is of {state['items']} items, and here are {self.items}")
        self.seed, self.shuffle = state["seed"], state["shuffle"]
        self.epoch, self.done = state["epoch"], state["done"]

    def _usable(self) -> int:
        if not self.equal:
            return self.items
        return self.items - (self.items - self.done) % self.ranks

    def _order(self) -> Numbers:
        if not self.shuffle:
            return np.arange(self.items)
        # NumPy promises the same raw numbers in all versions, but not the same permutations.
        raw = np.random.PCG64(np.random.SeedSequence((self.seed, self.epoch))).random_raw(self.items)
        return np.argsort(np.asarray(raw), kind="stable")

"""Samples as PyTorch takes them: a map-style data set, and a loader that continues exactly where it broke off."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from portrait_prep.views.reading.samples import Draw, Samples

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


Batch = dict[str, Any]


class TorchSamples(Dataset[dict[str, Any]]):
    """The same samples with tensors in place of arrays; they share memory."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int | Draw) -> dict[str, Any]:
        """Sample `number` (of epoch 0), or of a `Draw`."""
        return {name: _tensor(value) for name, value in self.samples[number].items()}


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return torch.from_numpy(value if value.flags.writeable else value.copy())


class Loader:
    """Batches of samples, made by worker processes; iterating goes to the end of the epoch, then on to the next.

    The items are shared among ranks by the sampler (default: one that shuffles, for the ranks of torch.distributed)
    and among workers by PyTorch, batch by batch, so that each is seen once. `state_dict` counts the batches that were
    handed out, not those that workers have made in advance: a loader that loads it hands out the very next one, even
    with other numbers of workers and ranks. `options` are DataLoader's own: `collate_fn`, `pin_memory`,
    `multiprocessing_context`, `prefetch_factor`, ….
    """

    def __init__(
        self,
        samples: Samples,
        batch_size: int,
        sampler: Sampler | None = None,
        *,
        workers: int = 0,
        drop_last: bool = False,
        **options: Any,
    ) -> None:
        self.sampler = sampler or _sampler(len(samples), samples.seed)
        self._batches = _Batches(self.sampler, batch_size, drop_last)
        self._loader: DataLoader[Batch] = DataLoader(
            TorchSamples(samples),
            batch_sampler=self._batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            **options,
        )

    def __len__(self) -> int:
        """Batches that iterating now would give."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        epoch, sizes = self.sampler.epoch, self._batches.sizes()
        for size, batch in zip(sizes, self._loader, strict=True):
            self.sampler.advance(size)
            yield batch
        self.sampler.set_epoch(epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; the one under way goes on where it stands."""
        self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch stands."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue there. Raises ValueError when the state is of other items."""
        self.sampler.load_state_dict(state)


def _sampler(items: int, seed: int) -> Sampler:
    """In step with the other ranks, where there are any."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Sampler(items, seed=seed)
    ranks = torch.distributed.get_world_size()
    return Sampler(items, seed=seed, rank=torch.distributed.get_rank(), ranks=ranks, equal=True)


class _Batches:
    """What is left of the epoch, cut into batches of draws, at the time of iterating."""

    def __init__(self, sampler: Sampler, batch_size: int, drop_last: bool) -> None:
        self._sampler, self._batch_size, self._drop_last = sampler, batch_size, drop_last

    def __len__(self) -> int:
        return len(self.sizes())

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, rest = self._sampler.epoch, self._sampler.rest()
        for number, size in enumerate(self.sizes()):
            first = number * self._batch_size
            yield [Draw(item, epoch) for item in rest[first : first + size].tolist()]

    def sizes(self) -> list[int]:
        whole, last = divmod(len(self._sampler), self._batch_size)
        return [self._batch_size] * whole + [last] * (last > 0 and not self._drop_last)

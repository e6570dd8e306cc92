"""Samples as PyTorch takes them: a map-style data set, and a loader that continues exactly where it broke off."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch.utils.data import DataLoader, Dataset

from portrait_prep.views.reading.sampler import Sampler
from portrait_prep.views.reading.samples import Draw, Samples

__all__ = ["Loader", "Sampler", "TorchSamples"]

TensorSample = dict[str, Any]
"""A sample, or a batch of them, with tensors in place of arrays."""


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
        self._loader: DataLoader[TensorSample] = DataLoader(
            TorchSamples(samples),
            batch_sampler=self._batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            **options,
        )

    def __len__(self) -> int:
        """Batches that iterating now would give."""
        return len(self._batches)

    def __iter__(self) -> Iterator[TensorSample]:
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


class TorchSamples(Dataset[TensorSample]):
    """The same samples with tensors in place of arrays; they share memory."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int | Draw) -> TensorSample:
        """Sample `number` (of epoch 0), or of a `Draw`."""
        return {name: _tensor(value) for name, value in self.samples[number].items()}


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    return torch.from_numpy(value if value.flags.writeable else value.copy())


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

"""Batches that fit: a network that runs out of memory gets half as much at a time, and goes on."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Array = NDArray[Any]

WORDS = ("out of memory", "failed to allocate", "can't allocate", "not enough memory", "alloc_failed", "bad_alloc")
"""How CUDA, cuDNN, cuBLAS, ONNX Runtime and PyTorch say it: not all of them have an error class of its own for it."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of PyTorch, of ONNX Runtime or of Python itself says that memory ran out."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in WORDS)


class Batched:
    """A network that takes any number of rows, and looks at no more of them at once than fit into memory.

    `network` takes an array [n, ...] and returns one [n, ...], row by row the same for any n.
    """

    def __init__(self, network: Callable[[Array], Array]) -> None:
        self._network = network
        self._most: int | None = None

    def __call__(self, rows: Array) -> Array:
        """Run the network on at least one row. Raises its own error when not even a single row fits."""
        most = min(self._most or len(rows), len(rows))
        parts: list[Array] = []
        start = 0
        while start < len(rows):
            part = self._tried(rows[start : start + most])
            if part is None:
                most = self._most = most // 2
            else:
                parts.append(part)
                start += len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _tried(self, rows: Array) -> Array | None:
        """The result, or None when memory ran out and fewer rows can be tried.

        The error is gone on return: it would keep alive what the network held.
        """
        try:
            return self._network(rows)
        except Exception as error:  # ONNX Runtime's own errors have no base but this one
            if len(rows) == 1 or not is_out_of_memory(error):
                raise
            log.warning("memory does not suffice for %d frames at once: going on with half as many", len(rows))
        return None

"""Where a network runs: in ONNX Runtime, on one thread or on a GPU; on a GPU that only PyTorch can use, in PyTorch.

A GPU that cannot be used after all (a driver too old, a library missing, its memory taken), or that fails later, costs
speed and nothing else: the network runs on the CPU, and a line in the log says why. What they give differs in the last
bits. A batch for which memory does not suffice is halved.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.stages.models.onnx import CPU, IMAGE, Provider, altered_exports, exported, session

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Array = NDArray[Any]

CUDA: Provider = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
"""With all bits of float32, and with algorithms that are chosen by rule and not by the stopwatch, so that runs repeat:
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html"""
PYTORCH = "PyTorch on CUDA"

NO_MEMORY = (
    *("out of memory", "failed to allocate", "can't allocate", "not enough memory"),
    *("alloc_failed", "allocation_failed", "bad_alloc"),
)
"""How CUDA, cuDNN, cuBLAS, ONNX Runtime and PyTorch say it: not all of them have an error class of its own for it."""


@dataclass(frozen=True)
class NetworkSource:
    """What a network is made from; see `stages.models.onnx.exported`, to whose arguments the fields are given."""

    name: str
    sha256: str
    build: Callable[[], torch.nn.Module]
    shape: tuple[int, ...]
    folder: Path | None = None

    @property
    def export(self) -> Path:
        """Its ONNX file."""
        return exported(self.name, self.sha256, self.build, self.shape, self.folder)

    def altered_exports(self, folder: Path) -> list[Path]:
        """Its ONNX files in `folder` that are not what it comes to."""
        return altered_exports(self.name, self.sha256, self.build, self.shape, folder)


class Network:
    """A network ready to run, on the first GPU that CUDA sees where one is wanted and can be used, else on the CPU.

    Raises MissingPrerequisite where it cannot be made or loaded.
    """

    def __init__(self, source: NetworkSource, gpu: bool = False) -> None:
        self._source = source
        self._engine = (_on_gpu(source) if gpu else None) or _opened(source, CPU)
        self._may_fall_back = self.provider != CPU[0]

    @property
    def provider(self) -> str:
        """What it runs on now."""
        return self._engine.provider

    def __call__(self, rows: Array) -> Array:
        """Run it on float32 [n, …]. What fails on a GPU is done by the CPU, which goes on from there."""
        try:
            return self._engine.run(rows)
        except Exception as error:  # ONNX Runtime's own errors have no base but this one
            if not self._may_fall_back:
                raise
            log.warning("%s goes on on the CPU: %s fails (%s)", self._source.name, self.provider, _first_line(error))
        self._engine, self._may_fall_back = _opened(self._source, CPU), False
        return self._engine.run(rows)


@dataclass(frozen=True)
class Engine:
    """A network as one program runs it: `run` takes float32 [n, …] and looks at as many of them as fit into memory."""

    run: Callable[[Array], Array]
    provider: str


class Unusable(Exception):
    """Why an engine cannot use the GPU."""


def _on_gpu(source: NetworkSource) -> Engine | None:
    """What runs it on a GPU; None, and a line in the log, where nothing does."""
    refusals = []
    for engine, program in ((in_onnxruntime, "ONNX Runtime"), (in_torch, "PyTorch")):
        try:
            return _proved(engine(source), source)
        except Unusable as refusal:
            refusals.append(str(refusal))
        except Exception as error:  # as it is started, too: its memory may be taken, its driver too old
            refusals.append(f"{program} cannot start CUDA ({_first_line(error.__cause__ or error)})")
    log.warning("%s runs on the CPU: %s", source.name, "; ".join(refusals))
    return None


def in_onnxruntime(source: NetworkSource) -> Engine:
    """The network in ONNX Runtime's CUDA provider. Raises Unusable."""
    name = CUDA[0]
    import onnxruntime  # noqa: PLC0415 (slow to load, and not needed to look)

    if name not in onnxruntime.get_available_providers():
        raise Unusable("ONNX Runtime is here without CUDA (that is in onnxruntime-gpu)")
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
        onnxruntime.preload_dlls()
    engine = _opened(source, (CUDA, *CPU))
    if engine.provider != name:
        raise Unusable("ONNX Runtime cannot start CUDA")
    return engine


def in_torch(source: NetworkSource, device: str = "cuda") -> Engine:
    """The network in PyTorch, on one of its devices. Raises Unusable."""
    try:
        import torch  # noqa: PLC0415  takes seconds and is rarely needed
    except ImportError as error:
        raise Unusable("PyTorch is not installed") from error
    if device == "cuda" and not torch.cuda.is_available():
        raise Unusable("PyTorch sees no GPU")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    network = source.build().eval().to(device)

    def run(rows: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(rows).to(device)).cpu().numpy())

    return Engine(Batched(run), PYTORCH if device == "cuda" else f"PyTorch on {device}")


def _opened(source: NetworkSource, providers: tuple[Provider, ...]) -> Engine:
    opened = session(source.export, providers)
    return Engine(Batched(lambda rows: np.asarray(opened.run(None, {IMAGE: rows})[0])), opened.get_providers()[0])


def _proved(engine: Engine, source: NetworkSource) -> Engine:
    """The engine, once it has looked at something: much of CUDA is only loaded then. Raises Unusable."""
    try:
        engine.run(np.zeros((1, *source.shape), np.float32))
    except Exception as error:  # ONNX Runtime's own errors have no base but this one
        raise Unusable(f"{engine.provider} fails ({_first_line(error)})") from error
    return engine


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).split("\n")), "")


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


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of PyTorch, of ONNX Runtime or of Python itself says that memory ran out."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in NO_MEMORY)

"""Where a network runs: in ONNX Runtime, on one thread or on a GPU; on a GPU that only PyTorch can use, in PyTorch.

A GPU that cannot be used after all (a driver too old, a library missing, its memory taken) costs speed and nothing
else: the network runs on the CPU, and a line in the log says why. What the engines give differs in the last bits.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from stages.models.batching import Array, Batched
from stages.models.onnx import CPU, IMAGE, Provider, exported, session

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

CUDA: Provider = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
"""With all bits of float32, and with algorithms that are chosen by rule and not by the stopwatch, so that runs repeat:
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html"""
PYTORCH = "PyTorch on CUDA"


class Unusable(Exception):
    """Why an engine cannot use the GPU."""


@dataclass(frozen=True)
class Network:
    """A network ready to run on what `provider` names: `run` takes float32 [n, …], of which it looks at what fits."""

    run: Callable[[Array], Array]
    provider: str


@dataclass(frozen=True)
class Source:
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


def open_network(source: Source, gpu: bool = False) -> Network:
    """The network, on the first GPU that CUDA sees where one is wanted and can be used, else on the CPU.

    Raises MissingPrerequisite where it cannot be made or loaded.
    """
    refusals = []
    for engine in (in_onnxruntime, in_torch) if gpu else ():
        try:
            return _proved(engine(source), source)
        except Unusable as refusal:
            refusals.append(str(refusal))
    if refusals:
        log.warning("%s runs on the CPU: %s", source.name, "; ".join(refusals))
    return _opened(source, CPU)


def in_onnxruntime(source: Source) -> Network:
    """The network in ONNX Runtime's CUDA provider. Raises Unusable."""
    name = CUDA[0]
    if name not in onnxruntime.get_available_providers():
        raise Unusable("ONNX Runtime is here without CUDA (that is in onnxruntime-gpu)")
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
        onnxruntime.preload_dlls()
    network = _opened(source, (CUDA, *CPU))
    if network.provider != name:
        raise Unusable("ONNX Runtime cannot start CUDA")
    return network


def in_torch(source: Source, device: str = "cuda") -> Network:
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

    return Network(Batched(run), PYTORCH if device == "cuda" else f"PyTorch on {device}")


def _opened(source: Source, providers: tuple[Provider, ...]) -> Network:
    opened = session(source.export, providers)
    return Network(Batched(lambda rows: np.asarray(opened.run(None, {IMAGE: rows})[0])), opened.get_providers()[0])


def _proved(network: Network, source: Source) -> Network:
    """The network, once it has looked at something: much of CUDA is only loaded then. Raises Unusable."""
    try:
        network.run(np.zeros((1, *source.shape), np.float32))
    except Exception as error:  # ONNX Runtime's own errors have no base but this one
        raise Unusable(f"{network.provider} fails ({str(error).strip().partition(chr(10))[0]})") from error
    return network

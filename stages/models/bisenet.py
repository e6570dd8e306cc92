"""Face parsing with BiSeNet: each pixel of a picture gets one of the 19 classes of CelebAMask-HQ.

Runs in ONNX Runtime, on the CPU or through its CUDA provider; where a GPU is wanted and only PyTorch can use it, in
PyTorch. The labels of a frame do not depend on the batch that it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stages.frames import SIZE, Image
from stages.models.batching import Batched
from stages.models.onnx import CPU, IMAGE, exported, require_torch, session
from stages.models.registry import verified
from stages.models.weights import load_weights

if TYPE_CHECKING:
    from stages.models.bisenet_network import Parser

NAME = "bisenet"
"""Its name in the registry and, in `pipeline.toml`, as a backend."""

CUDA = "CUDAExecutionProvider"

Labels = NDArray[np.uint8]


def providers(gpu: bool) -> tuple[str, ...]:
    """ONNX Runtime's execution providers, in order of preference: CUDA where wanted and built in, then the CPU."""
    return (CUDA, *CPU) if gpu and CUDA in onnxruntime.get_available_providers() else CPU


def parse(frames: Sequence[Image], gpu: bool = False) -> Labels:
    """The class of each pixel of RGB frames of 512 x 512: uint8 [n, 512, 512].

    Raises MissingPrerequisite when the weights are missing, are not the published ones or cannot be read, or when
    PyTorch is missing and needed.
    """
    pixels = np.stack(frames).transpose(0, 3, 1, 2).astype(np.float32, order="C")
    return _network(gpu)(pixels)


def _network(gpu: bool) -> Batched:
    found = verified(NAME)
    return _opened(found.path, found.model.sha256, gpu)


@lru_cache(maxsize=1)
def _opened(path: Path, sha256: str, gpu: bool) -> Batched:
    """This process's network, made once."""
    chosen = providers(gpu)
    if gpu and CUDA not in chosen and _torch_sees_cuda():
        return Batched(in_torch(build(path), "cuda"))
    opened = session(exported(NAME, sha256, partial(build, path), (3, SIZE, SIZE)), chosen)
    return Batched(lambda pixels: opened.run(None, {IMAGE: pixels})[0])


def build(path: Path) -> Parser:
    """The network with the published weights in `path`; needs PyTorch."""
    from stages.models.bisenet_network import BiSeNet, Parser  # noqa: PLC0415  PyTorch takes seconds and is rarely needed

    network = BiSeNet()
    load_weights(network, path)
    return Parser(network).eval()


def in_torch(network: Parser, device: str) -> Callable[[NDArray[np.float32]], Labels]:
    """The network as a function of arrays, run by PyTorch on a device."""
    import torch  # noqa: PLC0415

    network.to(device)

    def run(pixels: NDArray[np.float32]) -> Labels:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(pixels).to(device)).cpu().numpy())

    return run


def _torch_sees_cuda() -> bool:
    require_torch(NAME)
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()

"""Face parsing with BiSeNet: each pixel of a picture gets one of the 19 classes of CelebAMask-HQ.

The labels of a frame do not depend on the batch that it is in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE, Image
from portrait_prep.stages.models.engines import Network, NetworkSource
from portrait_prep.stages.models.registry import verified
from portrait_prep.stages.models.weights import load_weights

if TYPE_CHECKING:
    from portrait_prep.stages.models.bisenet_network import Parser

NAME = "bisenet"
"""Its name in the registry and, in `pipeline.toml`, as a backend."""

Labels = NDArray[np.uint8]


def parse(frames: Sequence[Image], gpu: bool = False) -> Labels:
    """The class of each pixel of RGB frames of 512 x 512: uint8 [n, 512, 512].

    Raises MissingPrerequisite when the weights are missing, are not the published ones or cannot be read, or when
    PyTorch is missing and needed.
    """
    pixels = np.stack(frames).transpose(0, 3, 1, 2).astype(np.float32, order="C")
    return _network(gpu)(pixels)


def provider(gpu: bool = False) -> str:
    """What `parse` runs on. Raises as it does."""
    return _network(gpu).provider


def altered_exports(folder: Path) -> list[Path]:
    """The exports in `folder` that differ from what the published weights give. Raises as `parse` does."""
    found = verified(NAME)
    return _source(found.path, found.model.sha256).altered_exports(folder)


def _network(gpu: bool) -> Network:
    found = verified(NAME)
    return _opened(found.path, found.model.sha256, gpu)


def _source(path: Path, sha256: str) -> NetworkSource:
    return NetworkSource(NAME, sha256, partial(build, path), (3, SIZE, SIZE))


@lru_cache(maxsize=1)
def _opened(path: Path, sha256: str, gpu: bool) -> Network:
    """This process's network, made once."""
    return Network(_source(path, sha256), gpu)


def build(path: Path) -> Parser:
    """The network with the published weights in `path`; needs PyTorch."""
    from portrait_prep.stages.models.bisenet_network import BiSeNet, Parser  # noqa: PLC0415  PyTorch takes seconds and is rarely needed

    network = BiSeNet()
    load_weights(network, path)
    return Parser(network).eval()

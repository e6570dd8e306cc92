"""Weights in the safetensors format, read with PyTorch alone.

Eight bytes tell the length of a header in JSON, which names each tensor's type, shape and place in what follows.
Format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from manifests.errors import MissingPrerequisite

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Name in the file -> in PyTorch."""
LONGEST_HEADER = 100_000_000


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a file. Raises MissingPrerequisite where it is truncated, or no such file."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= LONGEST_HEADER:
                raise ValueError("it has no header")
            header: dict[str, Any] = json.loads(file.read(length))
            start = 8 + length
            room = path.stat().st_size - start
            told = {name: each for name, each in header.items() if name != "__metadata__"}
            return {name: _tensor(file, start, room, each) for name, each in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise MissingPrerequisite(
            f"{path} is damaged or no file of weights ({error}): get the published file again."
        ) from error


def _tensor(file: BinaryIO, start: int, room: int, told: dict[str, Any]) -> torch.Tensor:
    import torch  # noqa: PLC0415  takes seconds and is rarely needed

    first, stop = told["data_offsets"]
    dtype = getattr(torch, TYPES[told["dtype"]])
    if not 0 <= first < stop <= room:
        raise ValueError("it ends too early")
    file.seek(start + first)
    content = bytearray(file.read(stop - first))
    return torch.frombuffer(content, dtype=dtype).reshape(told["shape"])

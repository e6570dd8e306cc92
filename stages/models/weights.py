"""Reading published PyTorch weights, as a state dict or as safetensors, without running what a pickle may hold."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic_core import from_json

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.file import regular
from portrait_prep.media.memory import bounded_memory

if TYPE_CHECKING:
    import torch

PARALLEL = "module."
"""What `torch.nn.DataParallel` puts before the name of each parameter."""

SAFETENSORS = ".safetensors"
"""Files of https://github.com/huggingface/safetensors: 8 bytes with the header's length, the header, the tensors."""
TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""Name in such a file -> in PyTorch."""
LONGEST_HEADER = 1 << 22
"""Bytes: that of a large network has some 60 kB; what is read of it takes ten times as much."""


def load_weights(network: torch.nn.Module, path: Path, part: str = "", unused: Collection[str] = ()) -> None:
    """Load the state dict in `path` into a network: every parameter, each of its shape, and nothing besides.

    The file is a state dict, or a checkpoint with one under `state_dict`; the prefix of parallel training is dropped.
    Where the network may be a `part` of a larger one, what lies beside it in the file is passed over; so is what is
    `unused`, in any file. Raises MissingPrerequisite where the file is truncated, holds anything but plain data, is
    of another network, or gives it values that are no numbers.
    """
    state = {name.removeprefix(PARALLEL): value for name, value in _read(path).items()}
    if part and any(name.startswith(f"{part}.") for name in state):
        state = {name.partition(".")[2]: value for name, value in state.items() if name.startswith(f"{part}.")}
    state = {name: value for name, value in state.items() if name not in unused}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise MissingPrerequisite(
            f"{path} holds the weights of another network ({_briefly(error)}): get the right file."
        ) from error
    # Of the network and not of the file, whose tensors may repeat a few bytes without end.
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise MissingPrerequisite(f"{path} holds values that are no numbers: get the published file again.")


def _briefly(error: Exception) -> str:
    """What it says, in one line: a file's own words may be as long as the file."""
    return " ".join(str(error)[:1000].split())[:200]


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    return _read_safetensors(path) if path.suffix == SAFETENSORS else _read_state_dict(path)


def _read_state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    import torch  # noqa: PLC0415  takes seconds and is rarely needed

    try:
        with bounded_memory(regular(path).stat().st_size):  # a few bytes may unpack to gigabytes
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise MissingPrerequisite(
            f"{path} is no file of plain weights, and not read since a pickle could run code: get the published file."
        ) from error
    except Exception as error:  # whatever a damaged file leads the unpickler to
        raise MissingPrerequisite(f"{path} is damaged or no file of weights: get the published file again.") from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(map(_is_plain, state.values())):
        raise MissingPrerequisite(f"{path} holds no state dict: get the published file again.")
    return {str(name): value for name, value in state.items()}


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that lie in memory: not sparse, quantized, complex or without values."""
    import torch  # noqa: PLC0415  takes seconds and is rarely needed

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    return value.dtype.is_floating_point or value.dtype == torch.int64


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a file. Raises MissingPrerequisite where it is truncated, or no such file."""
    try:
        with regular(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= LONGEST_HEADER:
                raise ValueError("it has no header")
            header: dict[str, Any] = from_json(file.read(length))
            start = 8 + length
            size = path.stat().st_size - start
            entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
            places = [(first, stop) for first, stop in (entry["data_offsets"] for entry in entries.values())]
            if not all(0 <= first < stop <= size for first, stop in places):
                raise ValueError("it ends too early")
            if sum(stop - first for first, stop in places) > size:
                raise ValueError("its tensors overlap")
            return {name: _tensor(file, start, entry) for name, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise MissingPrerequisite(
            f"{path} is damaged or no file of weights ({_briefly(error)}): get the published file again."
        ) from error


def _tensor(file: BinaryIO, start: int, entry: dict[str, Any]) -> torch.Tensor:
    """The tensor of one entry of the header; the tensors begin at `start`."""
    import torch  # noqa: PLC0415  takes seconds and is rarely needed

    first, stop = entry["data_offsets"]
    dtype = getattr(torch, TYPES[entry["dtype"]])
    file.seek(start + first)
    content = bytearray(file.read(stop - first))
    return torch.frombuffer(content, dtype=dtype).reshape(entry["shape"])

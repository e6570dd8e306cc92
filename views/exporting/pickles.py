"""Pickles written piece by piece: memory does not grow with them, and the same values give the same bytes.

They are for programs that read nothing else; none is ever read here. An array is rebuilt as
`numpy.ndarray(shape, dtype, bytearray)`, a tensor by `torch.from_numpy` of one: every version of NumPy and PyTorch has
these, while what a library pickles by itself names its own inner parts, or the memory that it lay in. No PyTorch is
needed to write a tensor. Read by Python 3.8 or later, since they are of protocol 5.

Format: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

import pickle
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.views.exporting.arrays import Stream

PROTOCOL = 5
CHUNK = 1 << 20
"""Bytes that are copied at a time."""


@dataclass(frozen=True)
class Tensor:
    """A stream that is read as a tensor of PyTorch's."""

    stream: Stream


@dataclass(frozen=True)
class Attributes:
    """What is read as a plain object with these attributes."""

    values: Mapping[str, object]


@dataclass(frozen=True)
class Written:
    """A value that lies in files already, as `write_value` wrote it; they are read one after another."""

    path: Path


@dataclass(frozen=True)
class _Content:
    """A stream's values without its shape, read as a bytearray: what is made of one may be written to."""

    stream: Stream


def write_pickle(path: Path, value: object) -> None:
    """Write what `pickle.load` reads as `value`.

    That is text, a number or None; a Stream, read as an array; a Tensor; Attributes; what is Written; and of such a
    mapping, read as a dict, a tuple, or anything else to be gone through, read as a list. Raises ValueError as
    `arrays.write_npy` does.
    """
    with path.open("wb") as file:
        file.write(pickle.PROTO + bytes([PROTOCOL]))
        file.writelines(_opcodes(value))
        file.write(pickle.STOP)


def write_value(path: Path, value: object) -> None:
    """Write what is to become a part of a pickle. Raises as `write_pickle` does."""
    with path.open("wb") as file:
        file.writelines(_opcodes(value))


def _opcodes(value: object) -> Iterator[bytes | memoryview]:
    """What leaves the value on top of the reader's stack."""
    match value:
        case None | int() | float() | str():
            yield pickle.dumps(value, 2)[2:-1]  # without the protocol in front, and the end
        case Stream():
            yield from _call("numpy", "ndarray", (value.rows, *value.shape), value.dtype, _Content(value))
        case _Content(stream):
            yield pickle.BYTEARRAY8 + struct.pack("<Q", stream.nbytes)
            yield from stream.content()
        case Tensor(stream):
            yield from _call("torch", "from_numpy", stream)
        case Attributes(values):
            yield from _call("types", "SimpleNamespace")
            yield from _opcodes(values)
            yield pickle.BUILD
        case Written(path):
            with path.open("rb") as file:
                yield from iter(lambda: file.read(CHUNK), b"")
        case Mapping():
            yield pickle.EMPTY_DICT
            yield from _marked((each for pair in value.items() for each in pair), pickle.SETITEMS)
        case tuple():
            yield from _marked(value, pickle.TUPLE)
        case Iterable():
            yield pickle.EMPTY_LIST
            yield from _marked(value, pickle.APPENDS)
        case _:
            raise TypeError(f"{type(value).__name__} is not written")


def _marked(values: Iterable[object], end: bytes) -> Iterator[bytes | memoryview]:
    yield pickle.MARK
    for value in values:
        yield from _opcodes(value)
    yield end


def _call(module: str, function: str, *arguments: object) -> Iterator[bytes | memoryview]:
    yield pickle.GLOBAL + f"{module}\n{function}\n".encode()
    yield from _opcodes(arguments)
    yield pickle.REDUCE

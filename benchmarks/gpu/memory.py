"""What becomes of a network when memory really runs out: the batch is halved; where nothing is left, the CPU does it.

Each trial is a process of its own, so that it finds the device as it is at first. What is in the way on a device is a
block of its memory, taken by NVIDIA's driver; on a CPU it is the limit of the address space (RLIMIT_AS).
"""

import ctypes
import logging
import re
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.agreement import difference
from benchmarks.gpu.verdict import Verdict
from benchmarks.gpu.weights import RANDOM
from benchmarks.networks import Subject
from portrait_prep.pipeline.run.process import quietly
from portrait_prep.stages.models.engines import Network, NetworkSource

BATCH = 64
STEP = 2**25
"""Bytes by which a block is made smaller until the driver has so much."""
MOST = 1e-3
"""Most of the pixels that may have another class, as in `agreement`."""


class Device:
    """The memory of the first device that CUDA sees, through NVIDIA's driver:
    https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__MEM.html"""

    def __init__(self) -> None:
        self._cuda = ctypes.CDLL("libcuda.so.1")
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._require(self._cuda.cuInit(0))
        self._require(self._cuda.cuDeviceGet(ctypes.byref(device), 0))
        self._require(self._cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
        self._require(self._cuda.cuCtxSetCurrent(context))

    @staticmethod
    def _require(status: int) -> None:
        if status:
            raise OSError(f"NVIDIA's driver fails with status {status}.")

    def used(self) -> int:
        """Bytes in use, by whomever."""
        free, total = self._info()
        return total - free

    def _info(self) -> tuple[int, int]:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._require(self._cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        return free.value, total.value

    def leave(self, room: int) -> None:
        """Take all but about `room` bytes, until the process ends."""
        while (size := self._info()[0] - room) >= STEP:
            while size >= STEP and self._cuda.cuMemAlloc_v2(ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(size)):
                size -= STEP
            if size < STEP:
                return


class AddressSpace:
    """The address space of this process."""

    def used(self) -> int:
        """Bytes."""
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmSize:\s*(\d+) kB", status)[0]) * 1024

    def leave(self, room: int) -> None:
        """Let it grow by so much and no more."""
        limit = self.used() + room
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@dataclass(frozen=True)
class Trial:
    """One network in one process: `room` is the bytes left to it once it is ready (None: all), `early`: before that."""

    source: NetworkSource
    device: str
    batch: int
    room: int | None = None
    early: bool = False

    def carried_out(self) -> "Outcome":
        """What came of it; call in a process of its own."""
        said: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger("portrait_prep").addHandler(handler)
        with quietly(Path(str(self.source.folder)) / "stderr"):  # ONNX Runtime prints its errors
            return self._run_out(said)

    def _run_out(self, said: list[str]) -> "Outcome":
        memory = Device() if self.device == "cuda" else AddressSpace()
        rows = np.random.default_rng(2).uniform(0, 255, (self.batch, *self.source.shape)).astype(np.float32)
        if self.early and self.room is not None and self.device == "cuda":
            memory.leave(self.room)
        network = Network(self.source, gpu=self.device == "cuda" or self.early)
        network(rows[:1])
        before = memory.used()
        if self.room is not None and not self.early:
            memory.leave(self.room)
        shown = network(rows[:1] if self.early else rows)
        return Outcome(shown, network.provider, memory.used() - before, tuple(said))


@dataclass(frozen=True)
class Outcome:
    """What the network gave, where it ran at the end, bytes that the batch took and kept, what was logged."""

    shown: NDArray[Any]
    provider: str
    taken: int
    said: tuple[str, ...]


def alone(call: Callable[[], Any]) -> Any:
    """The outcome of a call in a new process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(call).result()


def run_out(folder: Path, device: str, subject: Subject = RANDOM["bisenet"], batch: int = BATCH) -> list[Verdict]:
    """Have memory run out once the network is ready, and before."""
    source = NetworkSource("bisenet", "0" * 64, subject.build, subject.shape, folder)
    free = alone(Trial(source, device, batch).carried_out)
    tight = alone(Trial(source, device, batch, free.taken // 3).carried_out)
    halvings = sum("going on with half as many" in line for line in tight.said)
    same = tight.shown.shape == free.shown.shape and difference(free.shown, tight.shown) <= MOST
    halved = Verdict(
        f"a batch that does not fit into the memory of {device} is halved and nothing is lost",
        bool(halvings) and same and tight.provider == free.provider,
        f"{batch} frames took {free.taken / 2**20:.0f} MiB; with a third of it there were {halvings} halvings "
        f"on {tight.provider}, and the result was {'the same' if same else 'another'}",
    )
    none = alone(Trial(source, device, batch, 0, early=True).carried_out)
    same = difference(free.shown[:1], none.shown) <= MOST
    return [
        halved,
        Verdict(
            "a GPU that cannot be used costs a line in the log and the CPU goes on",
            none.provider.startswith("CPU") and same and any("runs on the CPU" in line for line in none.said),
            next(iter(none.said), "nothing was logged"),
        ),
    ]

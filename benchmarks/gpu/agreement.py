"""Whether a network gives on a device what ONNX Runtime gives on a CPU: in each program that can use the device."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.verdict import Verdict
from benchmarks.gpu.weights import RANDOM, randomize
from benchmarks.networks import Subject
from portrait_prep.media.picture import SIZE
from portrait_prep.stages.models import bisenet
from portrait_prep.stages.models.engines import Engine, Network, NetworkSource, Unusable, in_onnxruntime, in_torch
from portrait_prep.stages.torso import TorsoParams

if TYPE_CHECKING:
    import torch

OF_SCORES = 1e-4
"""Most by which a number may differ, in standard deviations of the network's output. Float32 in another order of sums
stays below; TF32, which has 10 bits after the point, does not."""
OF_LABELS = 1e-3
"""Most of the pixels that may have another class: where two classes are alike, the last bits decide."""


def _scores() -> "torch.nn.Module":
    from portrait_prep.stages.models.bisenet_network import BiSeNet  # noqa: PLC0415  PyTorch takes seconds

    return randomize(BiSeNet())


COMPARED: Mapping[str, Subject] = {
    "bisenet's scores": Subject(_scores, (3, SIZE, SIZE), TorsoParams().batch_size),
    **RANDOM,
}


def programs(device: str) -> Iterator[Callable[[NetworkSource], Engine]]:
    """What may run a network on `device`: cuda, or cpu (PyTorch: ONNX Runtime is what it is held against)."""
    yield from (in_onnxruntime, in_torch) if device == "cuda" else (partial(in_torch, device=device),)


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Of classes, the share that differs; of numbers, the greatest difference in standard deviations of `one`."""
    if one.dtype == np.uint8:
        return float((one != other).mean())
    return float(np.abs(one - other).max() / one.std())


def agree(folder: Path, device: str, subjects: Mapping[str, Subject] = COMPARED) -> Verdict:
    """Compare all of them, two batches each, as many rows at a time as the stages take."""
    table, holds = ["| network | program | difference | at most |", "|---|---|---|---|"], list[bool]()
    for name, subject in subjects.items():
        source = NetworkSource(name, "0" * 64, subject.build, subject.shape, folder)
        low, high = (0, 255) if name == bisenet.NAME else (-2, 2)
        rows = np.random.default_rng(1).uniform(low, high, (2 * subject.batch, *subject.shape)).astype(np.float32)
        expected = _in_batches(Network(source), rows, subject.batch)
        most = OF_LABELS if expected.dtype == np.uint8 else OF_SCORES
        for program in programs(device):
            try:
                engine = program(source)
            except Unusable as refusal:
                table.append(f"| {name} | {refusal} | | |")
                continue
            found = difference(expected, _in_batches(engine.run, rows, subject.batch))
            holds.append(found <= most)
            table.append(f"| {name} | {engine.provider} | {found:.1e} | {most:.0e} |")
    seen = f"{sum(holds)} of {len(holds)} comparisons within the tolerance"
    return Verdict(
        f"the networks give on {device} what ONNX Runtime gives on a CPU", all(holds) and bool(holds), seen, table
    )


def _in_batches(run: Callable[[NDArray[Any]], NDArray[Any]], rows: NDArray[Any], batch: int) -> NDArray[Any]:
    return np.concatenate([run(rows[start : start + batch]) for start in range(0, len(rows), batch)])

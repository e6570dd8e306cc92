"""Frames a second of the networks that gain by a GPU: `python -m benchmarks.networks`, a table in Markdown.

On one core and, where there is a GPU that ONNX Runtime or PyTorch can use, on the first one. Weights are random, for
they do not matter to the speed; arrays of the right size stand in for pictures, so that it is the network alone that is
measured, with what it takes to bring frames to the GPU and results back. Needs PyTorch, to make the networks.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.picture import SIZE
from portrait_prep.pipeline.run.gpus import chosen, listing
from portrait_prep.pipeline.run.process import ONE_THREAD
from portrait_prep.stages.models import tddfa
from portrait_prep.stages.models.engines import Network, NetworkSource
from portrait_prep.stages.torso import TorsoParams

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Subject:
    """One network: what makes it, the shape of what it looks at, and how many of these it gets at a time."""

    build: Callable[[], "torch.nn.Module"]
    shape: tuple[int, ...]
    batch: int


def _bisenet() -> "torch.nn.Module":
    from portrait_prep.stages.models.bisenet_network import BiSeNet, Parser  # noqa: PLC0415  PyTorch takes seconds

    return Parser(BiSeNet())


def _tddfa(width: float) -> "torch.nn.Module":
    whole = tddfa.layers(width)
    del whole[-1]
    return whole


SUBJECTS: Mapping[str, Subject] = {
    "bisenet": Subject(_bisenet, (3, SIZE, SIZE), TorsoParams().batch_size),
    **{
        name: Subject(partial(_tddfa, width), (3, tddfa.SIZE, tddfa.SIZE), tddfa.BATCH)
        for name, width in tddfa.WIDTHS.items()
    },
}


def frames_per_second(network: Network, rows: NDArray[np.float32], seconds: float) -> float:
    """Over at least so long, once it is warm."""
    network(rows)
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        network(rows)
        done += len(rows)
    return done / (time.perf_counter() - start)


def measured(subject: Subject, name: str, folder: Path, gpu: bool, seconds: float) -> tuple[str, float]:
    """What the network runs on, and its frames a second there."""
    network = Network(NetworkSource(name, "0" * 64, subject.build, subject.shape, folder), gpu)
    rows = np.random.default_rng(0).uniform(-1, 1, (subject.batch, *subject.shape)).astype(np.float32)
    speed = frames_per_second(network, rows, seconds)
    return network.provider, speed


def table(seconds: float, batch: int | None) -> Iterator[str]:
    """What machine it is, and the lines of the table."""
    gpu = bool(chosen("auto"))
    yield platform.processor() or platform.machine()
    yield listing().strip() if gpu else "no GPU that can be used"
    yield ""
    yield "| network | at a time | one core, frames/s | GPU, frames/s | by |"
    yield "|---|---|---|---|---|"
    with TemporaryDirectory() as folder:
        for name, standard in SUBJECTS.items():
            subject = replace(standard, batch=batch or standard.batch)
            _, slow = measured(subject, name, Path(folder), False, seconds)
            provider, fast = measured(subject, name, Path(folder), True, seconds) if gpu else ("", 0.0)
            yield f"| {name} | {subject.batch} | {slow:.1f} | {f'{fast:.0f}' if gpu else ''} | {provider} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Frames a second of the networks, on one core and on a GPU.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is measured")
    parser.add_argument("--batch", type=int, help="how many frames at a time (default: as many as the stages take)")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    for line in table(arguments.seconds, arguments.batch):
        print(line, flush=True)


if __name__ == "__main__":
    main()

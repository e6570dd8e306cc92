"""Whether HuBERT gives on a device what it gives on a core, on a sound of many blocks, and how much faster it is."""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.agreement import OF_SCORES, difference
from benchmarks.gpu.verdict import Verdict
from benchmarks.speech import encoder, noise
from portrait_prep.stages.models.wav2vec2_size import Size, Sound


def compare(folder: Path, device: str, seconds: float, size: Size | None = None) -> list[Verdict]:
    """The last hidden state of one sound on both."""
    size = size or Size()
    core, core_seconds, _ = _heard(folder, size, noise(seconds), gpu=False)
    found, device_seconds, provider = _heard(folder, size, noise(seconds), gpu=device == "cuda")
    apart = difference(core, found)
    speeds = f"{seconds / core_seconds:.1f} seconds of sound a second on a core, {seconds / device_seconds:.1f} there"
    there = device == "cuda" and provider.endswith("CUDA")
    return [
        Verdict(
            f"HuBERT gives on {device} what it gives on a CPU",
            apart <= OF_SCORES and there if device == "cuda" else apart <= OF_SCORES,
            f"on {provider} rows differ by {apart:.1e} standard deviations at most, {OF_SCORES:.0e} may be",
        ),
        Verdict(
            "HuBERT is faster on the device than on a core",
            device_seconds < core_seconds if there else None,
            speeds,
        ),
    ]


def _heard(folder: Path, size: Size, sound: Sound, gpu: bool) -> tuple[NDArray[np.float32], float, str]:
    """The rows, the seconds that they took once the network was warm, and what it ran on."""
    network = encoder(folder, gpu, size)
    for _ in network.rows(noise(1)):
        pass
    start = time.perf_counter()
    rows = np.concatenate(list(network.rows(sound)))
    return rows, time.perf_counter() - start, network.provider

"""Frames a second of each network by the number of frames that it gets at a time, beside one core."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.verdict import Verdict
from benchmarks.gpu.weights import RANDOM
from benchmarks.networks import Subject, measured

BATCHES = (1, 4, 16, 32, 64)


def race(
    folder: Path,
    device: str,
    seconds: float,
    batches: Sequence[int] = BATCHES,
    subjects: Mapping[str, Subject] = RANDOM,
) -> Verdict:
    """Measure each for so many seconds a batch size."""
    heads = " | ".join(str(batch) for batch in batches)
    table = [
        f"| network, frames/s | one core, as the stage takes them | {heads} | on |",
        "|---" * (len(batches) + 3) + "|",
    ]
    gains = {}
    for name, subject in subjects.items():
        _, core = measured(subject, name, folder, False, seconds)
        speeds = {
            batch: measured(replace(subject, batch=batch), name, folder, device == "cuda", seconds) for batch in batches
        }
        gains[name] = max(speed for _, speed in speeds.values()) / core
        cells = " | ".join(f"{speed:.0f}" for _, speed in speeds.values())
        table.append(f"| {name} | {core:.1f} ({subject.batch}) | {cells} | {speeds[batches[0]][0]} |")
    seen = ", ".join(f"{name} {gain:.1f} times" for name, gain in gains.items())
    holds = all(gain > 1 for gain in gains.values()) if device == "cuda" else None
    return Verdict("each network is faster on the device than on a core", holds, f"best batch: {seen}", table)

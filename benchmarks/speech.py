"""HuBERT on long sounds: `python -m benchmarks.speech`, a table in Markdown of the time and memory that lengths take.

On one core and, where PyTorch sees one, on the first GPU. Weights are random and the sound is noise, which matter to
neither. Time on a core is that of the processor, in which others on the machine have no part. Needs PyTorch.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.wav import RATE
from portrait_prep.pipeline.run.process import ONE_THREAD
from portrait_prep.stages.models.wav2vec2_size import Size, Sound

if TYPE_CHECKING:
    from portrait_prep.stages.models.wav2vec2_encoder import Encoder

KIND = "hubert"


@dataclass(frozen=True)
class Heard:
    """What a sound took: seconds, MB of memory at most, and what the network ran on."""

    seconds: float
    megabytes: float
    provider: str


def encoder(folder: Path, gpu: bool, size: Size | None = None) -> "Encoder":
    """A network with the weights in `folder`, drawn on first use."""
    import torch  # noqa: PLC0415  takes seconds

    from portrait_prep.stages.models.wav2vec2_encoder import Encoder  # noqa: PLC0415
    from portrait_prep.stages.models.wav2vec2_network import Wav2Vec2  # noqa: PLC0415

    size, path = size or Size(), folder / "weights.bin"
    if not path.exists():
        torch.manual_seed(0)
        torch.save(Wav2Vec2(size).state_dict(), path)
    return Encoder(size, path, KIND, gpu)


def noise(seconds: float) -> Sound:
    """White noise that repeats itself after seven seconds: memory holds no more of it."""
    heard = np.random.default_rng(0).standard_normal(7 * RATE, np.float32)

    def read(first: int, samples: int) -> NDArray[np.float32]:
        return heard.take(np.arange(first, first + samples), mode="wrap")

    return Sound(round(seconds * RATE), read)


def hear(folder: Path, seconds: float, reach: float, gpu: bool) -> Heard:
    """One sound through a base network; call in a process of its own."""
    network = encoder(folder, gpu)
    clock = time.perf_counter if gpu else time.process_time
    for _ in network.rows(noise(5), folder=folder):
        pass
    start = clock()
    for _ in network.rows(noise(seconds), reach=round(50 * reach), folder=folder):
        pass
    took = clock() - start
    return Heard(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, network.provider)


def table(minutes: Sequence[float], reach: float) -> Iterator[str]:
    """What machine it is, and the lines of the table."""
    import torch  # noqa: PLC0415  takes seconds

    yield platform.processor() or platform.machine()
    yield ""
    yield "| sound | on | it takes | times as fast as it is spoken | memory |"
    yield "|---|---|---|---|---|"
    with TemporaryDirectory() as folder:
        for gpu in (False, True)[: 1 + torch.cuda.is_available()]:
            for length in minutes:
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    heard = pool.submit(hear, Path(folder), 60 * length, reach, gpu).result()
                speed = 60 * length / heard.seconds
                yield (
                    f"| {length:g} min | {heard.provider} | {heard.seconds:.0f} s | {speed:.1f} "
                    f"| {heard.megabytes:.0f} MB |"
                )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="How long a base HuBERT takes for sounds of some lengths.")
    parser.add_argument("minutes", nargs="*", type=float, default=[0.5, 2.0, 8.0], help="lengths of the sounds")
    parser.add_argument("--reach", type=float, default=0.0, help="[features] reach, seconds")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    for line in table(arguments.minutes, arguments.reach):
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""How many of MODA's windows a second the reader gives, beside the same arrays stored ready-made, in the same run.

- `shards`: `views.moda.windows` on the shards, in an order drawn by lot.
- `tar`: every window written beforehand as WebDataset has it (`<key>.<name>.npy` members of tar files), read in the
  order in which they lie, by the standard library's `tarfile` as a stream, which is what WebDataset reads with.
- `npy`: every video written beforehand as one uncompressed .npy an array, mapped into memory, windows copied out of it
  in the order of the first.

Windows overlap, so that `tar` holds each frame up to three times. One process and one thread. `cached`: what the files
hold is in the system's page cache, and windows are counted a second of the processor's time, so that others on the
machine count little. `not cached`: the system was told to forget it, and windows are counted a second on the clock. The
best of some rounds, each way in turn.
"""

import io
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from numpy.typing import NDArray

from benchmarks import long_videos
from portrait_prep.views.moda.windows import LENGTH, ModaWindow, moda
from portrait_prep.views.reading.samples import Samples
from portrait_prep.views.reading.windows import Window

Arrays = Mapping[str, NDArray[Any]]

SERIES = ("audio", "mesh", "headmotion", "torso", "torso_visible")
"""One row a frame."""
FIXED = ("reference", "headmotion_mean", "torso_mean")
"""One a video."""
A_SHARD = 32
"""Windows in a tar file: some 160 MB."""


def measure(folder: Path, videos: int = 10, frames: int = 2000, rounds: int = 9) -> Iterator[str]:
    """Make everything in `folder`, measure, and report line by line."""
    long_videos.make(folder / "w", videos, frames)
    samples = moda(folder / "w")
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    tars, maps = write_tars(samples, folder / "tar"), write_maps(samples, folder / "npy")
    windows = [samples.items[number] for number in order]
    ways: dict[str, Callable[[], Iterator[Arrays]]] = {
        "shards": lambda: (samples[number] for number in order),
        "tar": lambda: read_tars(tars),
        "npy": lambda: read_maps(maps, windows),
    }
    check(samples, ways)
    found = [{name: timed(way, folder, len(order)) for name, way in ways.items()} for _ in range(rounds)]
    stored = {name: sum(path.stat().st_size for path in _files(folder / name)) / 2**20 for name in ("tar", "npy")}
    yield f"{len(order)} windows of MODA, {LENGTH} frames each, from {videos} videos; one core"
    yield f"{'':<10}{'cached':>10}{'not cached':>12}   windows/s, the best of {rounds} rounds"
    for name in ways:
        warm, cold = (max(each[name][place] for each in found) for place in (0, 1))
        more = f"   {stored[name]:.0f} MB more on disk" if name in stored else ""
        yield f"{name:<10}{warm:>10.0f}{cold:>12.0f}{more}"


def timed(way: Callable[[], Iterator[Arrays]], folder: Path, windows: int) -> tuple[float, float]:
    """Windows a second: with the files in the page cache, and without."""
    exhaust(way)
    warm, _ = exhaust(way)
    forget(folder)
    _, cold = exhaust(way)
    return windows / warm, windows / cold


def exhaust(way: Callable[[], Iterator[Arrays]]) -> tuple[float, float]:
    """Seconds for all of them: of the processor's time, and on the clock."""
    worked, start = time.process_time(), time.perf_counter()
    for _ in way():
        pass
    return time.process_time() - worked, time.perf_counter() - start


def check(samples: Samples, ways: Mapping[str, Callable[[], Iterator[Arrays]]]) -> None:
    """Raise ValueError unless all three ways give the same arrays."""
    for shard, mapped in zip(ways["shards"](), ways["npy"](), strict=True):
        _same(shard, mapped)
    for number, stored in enumerate(ways["tar"]()):
        _same(samples[number], stored)


def _same(one: Arrays, other: Arrays) -> None:
    for name in (*SERIES, *FIXED):
        if not np.array_equal(one[name], other[name]):
            raise ValueError(f"{name} is not the same")


def write_tars(samples: Samples, folder: Path) -> list[Path]:
    """All windows, in order."""
    folder.mkdir()
    paths = []
    for first in range(0, len(samples), A_SHARD):
        paths.append(folder / f"{first // A_SHARD:06}.tar")
        with tarfile.open(paths[-1], "w", format=tarfile.USTAR_FORMAT) as archive:
            for number in range(first, min(first + A_SHARD, len(samples))):
                sample = samples[number]
                for name in (*SERIES, *FIXED):
                    _add(archive, f"{number:06}.{name}.npy", sample[name])
    return paths


def _add(archive: tarfile.TarFile, name: str, values: NDArray[Any]) -> None:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=False)
    member = tarfile.TarInfo(name)
    member.size = content.tell()
    content.seek(0)
    archive.addfile(member, content)


def read_tars(paths: Sequence[Path]) -> Iterator[Arrays]:
    """Sample by sample."""
    for path in paths:
        with tarfile.open(path, "r|") as archive:
            for _, members in groupby(_members(archive), key=lambda member: member[0]):
                yield {name: np.load(io.BytesIO(content), allow_pickle=False) for _, name, content in members}


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, str, bytes]]:
    for member in archive:
        key, name, _ = member.name.split(".")
        file = archive.extractfile(member)
        assert file is not None
        yield key, name, file.read()


def write_maps(samples: Samples, folder: Path) -> list[Path]:
    """A folder a video."""
    paths = []
    for number, footage in enumerate(samples.reader.videos):
        paths.append(folder / footage.video.video_id)
        paths[-1].mkdir(parents=True)
        whole = Window(number, 0, footage.frames)
        sample = ModaWindow(footage.frames)(samples.reader, whole, np.random.default_rng(0))
        for name in (*SERIES, *FIXED):
            np.save(paths[-1] / f"{name}.npy", sample[name], allow_pickle=False)
    return paths


def read_maps(folders: Sequence[Path], windows: Sequence[Window]) -> Iterator[Arrays]:
    """Window by window, each a copy of its own; the maps stay open."""
    known: dict[int, tuple[Arrays, Arrays]] = {}
    for number, first, frames in windows:
        if number not in known:
            mapped = {name: np.load(folders[number] / f"{name}.npy", mmap_mode="r") for name in SERIES}
            known[number] = mapped, {name: np.load(folders[number] / f"{name}.npy") for name in FIXED}
        series, fixed = known[number]
        yield {**{name: np.array(values[first : first + frames]) for name, values in series.items()}, **fixed}


def forget(folder: Path) -> None:
    """Have the system write all files to disk and drop them from its page cache."""
    for path in _files(folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def main(*, videos: int = 10, frames: int = 2000, rounds: int = 9) -> None:
    """Measure.

    Parameters
    ----------
    videos
        How many.
    frames
        Of each.
    rounds
        How often each way is measured, in turn.
    """
    with tempfile.TemporaryDirectory() as folder:
        for line in measure(Path(folder), videos, frames, rounds):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    cyclopts.run(main)

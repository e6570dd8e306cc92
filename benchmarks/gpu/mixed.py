"""A real run in which some work wants a GPU and most does not: the share of time that each device and core worked.

The demo corpus, each clip many times, through all stages, with `[torso] backend = "bisenet"` and `[headpose] backend =
"tddfa"`. Who worked when is what the records of the videos tell; how busy a device was, nvidia-smi.
"""

import struct
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import dask
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.gpu import weights
from benchmarks.gpu.verdict import Verdict
from portrait_prep.demo.corpus import make_clip
from portrait_prep.demo.plan import CLIPS
from portrait_prep.manifests.corpora.folder.catalogue import catalogue
from portrait_prep.manifests.record import Record
from portrait_prep.pipeline.add_videos import add_videos
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.gpus import chosen
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES

SETTINGS = """\
[run]
gpu = "{gpu}"
gpu_workers = {sharing}
[headpose]
backend = "tddfa"
[torso]
backend = "bisenet"
"""
TICK = 0.05
"""Seconds between the moments that are looked at."""
BUSY = 0.7
"""Least share of the time that whoever has most to do must have worked: networks on their workers, or all on all. What
is missing is the start, where there is nothing for a network yet, and the end, where there is nothing else."""
QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "500")


@dataclass(frozen=True)
class Mix:
    """How much there is to do: each clip of so many seconds (None: as planned), so many times."""

    copies: int
    seconds: float | None = None


@dataclass(frozen=True)
class Interval:
    """What one worker did: a video at a stage, in seconds since the epoch. `provider`: what its network ran on."""

    worker: str
    start: float
    stop: float
    provider: str | None

    @classmethod
    def of(cls, record: Record) -> "Interval":
        """What a record tells of it."""
        start = datetime.fromisoformat(record.started or "").timestamp()
        return cls(record.worker or "", start, start + record.seconds, record.metrics.get("provider"))


@dataclass(frozen=True)
class Work:
    """A finished run: what each worker did, and the share of time that each core and, sampled, the device worked."""

    intervals: Sequence[Interval]
    cores: NDArray[np.float64]
    devices: NDArray[np.float64]
    frames: int
    wall: float

    def owners(self, device: str) -> set[str]:
        """The workers that ran networks on the device; on a CPU, all that ran one."""
        return {
            one.worker
            for one in self.intervals
            if one.provider and (device == "cpu" or not one.provider.startswith("CPU"))
        }

    def share(self, workers: set[str]) -> float:
        """Mean share of time that these workers worked."""
        start, stop = min(one.start for one in self.intervals), max(one.stop for one in self.intervals)
        worked = sum(one.stop - one.start for one in self.intervals if one.worker in workers)
        return worked / (stop - start) / max(len(workers), 1)

    def busiest(self, device: str) -> float:
        """Share of the time that the work needs if it is spread evenly: networks over their workers, all over all."""
        owners = self.owners(device)
        networks = sum(one.stop - one.start for one in self.intervals if one.provider and one.worker in owners)
        start, stop = min(one.start for one in self.intervals), max(one.stop for one in self.intervals)
        return max(networks / len(owners) / (stop - start), self.share({one.worker for one in self.intervals}))

    def at_once(self) -> float:
        """Share of the time in which some worker ran a network and another did something else."""
        moments = np.arange(min(one.start for one in self.intervals), max(one.stop for one in self.intervals), TICK)
        running = [
            np.any([(one.start <= moments) & (moments < one.stop) for one in kind] or [moments < 0], axis=0)
            for kind in (
                [one for one in self.intervals if one.provider],
                [one for one in self.intervals if not one.provider],
            )
        ]
        return float((running[0] & running[1]).sum() / max(running[0].sum(), 1))


def make_videos(folder: Path, mix: Mix) -> Path:
    """The fit clips of the demo, multiplied. Files of the same bytes would be taken once only."""
    clips = folder / "clips"
    clips.mkdir()
    with np.errstate(invalid="ignore"):  # a very short voice is silence
        for clip in (clip for clip in CLIPS if clip.expected is None):
            make_clip(clips, replace(clip, seconds=mix.seconds or clip.seconds))
    videos = folder / "videos"
    videos.mkdir()
    for path in sorted(path for path in clips.iterdir() if path.suffix in {clip.form.suffix for clip in CLIPS}):
        for copy in range(mix.copies):
            box = struct.pack(">I4sI", 12, b"free", copy)  # of no meaning
            (videos / f"{path.stem}-{copy}{path.suffix}").write_bytes(path.read_bytes() + box)
    return videos


def run(folder: Path, videos: Path, device: str, sharing: int, workers: int) -> Work:
    """Run the pipeline on `videos`, in a new workspace in `folder`."""
    published = folder / "weights"
    if not published.is_dir():
        published.mkdir()
        weights.publish(published)
    session = Session(Workspace(folder / f"sharing-{sharing}"), STAGES)
    add_videos(session, lambda known: catalogue(videos, "each", known))
    gpu = "auto" if device == "cuda" else "off"
    session.workspace.settings.write_text(SETTINGS.format(gpu=gpu, sharing=sharing), encoding="utf-8")
    weights.accept(published)
    session = Session(session.workspace, STAGES)
    with (
        dask.config.set({"distributed.worker.preload": [weights.__name__]}),
        watched_devices(folder / "utilization", device) as samples,
    ):
        before, start = _times(), time.perf_counter()
        session.run(session.select((), (), retry_failed=False), workers)
        wall, after = time.perf_counter() - start, _times()
    spent = after - before
    records = [
        status.record
        for shard in session.video_statuses()
        for video_status in shard
        for status in video_status.statuses.values()
        if status.record
    ]
    frames = sum(record.frames for record in records if record.stage == "normalize")
    done = [Interval.of(record) for record in records if record.started]
    return Work(done, 1 - spent[:, 1] / spent.sum(axis=1).clip(1e-9), np.array(samples), frames, wall)


def _times() -> NDArray[np.float64]:
    """Seconds that each core worked and idled up to now: float64 [cores, 2]."""
    return np.array([[sum(core) - core.idle - core.iowait, core.idle + core.iowait] for core in psutil.cpu_times(True)])


@contextmanager
def watched_devices(path: Path, device: str) -> Iterator[list[float]]:
    """Have nvidia-smi sample how busy the first device is; the list is filled at the end: shares of half a second."""
    samples: list[float] = []
    if device != "cuda":
        yield samples
        return
    with path.open("wb") as file:
        watcher = subprocess.Popen(["nvidia-smi", "-i", chosen("auto")[0], *QUERY], stdout=file)  # noqa: S603, S607
        try:
            yield samples
        finally:
            watcher.terminate()
            watcher.wait()
    samples += [int(line) / 100 for line in path.read_text(encoding="ascii").split("\n") if line.strip().isdigit()]


def keep_busy(folder: Path, device: str, mix: Mix, sharings: Sequence[int], workers: int) -> Verdict:
    """Run once for each number of workers that share a device."""
    videos = make_videos(folder, mix)
    worked = {sharing: run(folder, videos, device, sharing, workers) for sharing in sharings}
    table = [
        "| workers a device | frames/s | device | workers with it | other workers | cores, mean | least | at once |",
        "|---" * 8 + "|",
        *(_line(sharing, work, device) for sharing, work in worked.items()),
    ]
    best = max(worked.values(), key=lambda work: work.frames / work.wall)
    if not best.owners(device):
        return Verdict(_CLAIM, False, "no network ran on the device: see logs/workers.log", table)
    busiest = best.busiest(device)
    holds = busiest >= BUSY and best.at_once() > 0
    seen = (
        f"whoever had most to do worked {busiest:.0%} of the time, at least {BUSY:.0%}; others worked in "
        f"{best.at_once():.0%} of the time in which networks ran"
    )
    return Verdict(_CLAIM, holds if device == "cuda" else None, seen, table)


_CLAIM = "a mixed run keeps devices and cores busy at once"


def _shares(work: Work, device: str) -> Mapping[str, float]:
    owners = work.owners(device)
    return {
        "owners": work.share(owners),
        "others": work.share({one.worker for one in work.intervals} - owners),
    }


def _line(sharing: int, work: Work, device: str) -> str:
    shares = _shares(work, device)
    gpu = f"{work.devices.mean():.0%}" if len(work.devices) else ""
    return (
        f"| {sharing} | {work.frames / work.wall:.0f} | {gpu} | {shares['owners']:.0%} | {shares['others']:.0%} | "
        f"{work.cores.mean():.0%} | {work.cores.min():.0%} | {work.at_once():.0%} |"
    )

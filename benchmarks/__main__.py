"""`make bench`: each stage's frames a second beside the bare cost of its kernel on the same frames, and end to end.

All in one run on one machine: the pipeline first, on a new workspace, with one worker a core; then each kernel alone,
with as many processes. What the kernels allow is the sum of the three that no stage can do without (encode, decode +
FaceMesh, decode + segmentation), spread evenly over the cores. Kernels as they were at a commit are timed beside them.
Then what reads the shards: see `read_windows`.
"""

import platform
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cyclopts
import pyarrow.parquet as pq

from benchmarks import read_windows
from benchmarks.kernels import KERNELS, Clip, executor, seconds_of, warm_up
from portrait_prep.demo import corpus
from portrait_prep.manifests.corpora.folder.catalogue import catalogue
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.add_videos import add_videos
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.opening import open_executor
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES

CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"
KERNEL_OF = {"normalize": "encode", "landmarks": "decode + FaceMesh", "torso": "decode + segmentation"}
PUBLISHED = "MODA's published steps without pose and parsing: 58 s for a clip of 8 s (2 cores)"


def bench(source: Path | None = None, *, workers: int = 0, copies: int = 3) -> None:
    """Measure.

    Parameters
    ----------
    source
        A folder of videos. Default: the real clips beside the project, else the demo corpus.
    workers
        Processes. Default: one a core.
    copies
        How often each video is taken, so that what is done once a run weighs as little as on a real corpus.
    """
    workers = workers or CORES
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Workspace(Path(folder) / "w"), STAGES)
        videos = _copies(source or _default_source(Path(folder)), copies, Path(folder) / "videos")
        add_videos(session, lambda known: catalogue(videos, "each", known))
        with open_executor(workers, None, session.workspace.root / "start.log"):
            pass  # the first import of the packages reads them from disk; that is not what is measured
        start = time.perf_counter()
        session.run(session.select((), (), retry_failed=False), workers)
        wall = time.perf_counter() - start
        clips = list(_clips(session))
        kernels = _kernel_seconds(clips, workers)
        for line in _report(session, clips, kernels, wall, workers):
            sys.stdout.write(line + "\n")
        (Path(folder) / "long").mkdir()
        for line in read_windows.measure(Path(folder) / "long"):
            sys.stdout.write(line + "\n")


def _default_source(folder: Path) -> Path:
    if CLIPS.is_dir():
        return CLIPS
    corpus.make(folder / "demo")
    return folder / "demo"


def _copies(source: Path, copies: int, folder: Path) -> Path:
    """A folder with the videos of `source`, each so many times. Files with the same bytes would be taken once only."""
    folder.mkdir()
    for video in catalogue(source, "each"):
        for copy in range(copies):
            with (folder / f"{video.video_id}-{copy}{video.path.suffix}").open("wb") as file:
                file.write(video.path.read_bytes() + struct.pack(">I4sI", 12, b"free", copy))  # a box of no meaning
    return folder


def _clips(session: Session) -> Iterator[Clip]:
    rows = {
        row["video_id"]: row
        for path in (session.workspace.root / "normalize").glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    }
    looked = _looked_frames(session)
    for video in session.videos:
        if row := rows.get(video.video_id):
            mp4 = session.workspace.media(video.video_id, "mp4")
            yield Clip(video.path, _crop(row), mp4, row["n_frames"], looked.get(video.video_id, 0))


def _looked_frames(session: Session) -> dict[str, int]:
    """Video -> frames that torso looked at."""
    found = [video_status for shard in session.video_statuses() for video_status in shard]
    records = {video_status.video.video_id: video_status.statuses["torso"].record for video_status in found}
    return {name: record.metrics["looked_frames"] for name, record in records.items() if record and record.done}


def _crop(row: dict[str, Any]) -> str:
    """ffmpeg's filter for the part of the square that lies in the picture; none where pixels are not square."""
    if row["sample_aspect"] != 1:
        return ""
    left, top = max(row["crop_x"], 0), max(row["crop_y"], 0)
    width = min(row["crop_x"] + row["crop_w"], row["display_width"]) - left
    height = min(row["crop_y"] + row["crop_h"], row["display_height"]) - top
    return f"crop={width}:{height}:{left}:{top},"


def _kernel_seconds(clips: Sequence[Clip], workers: int) -> dict[str, float]:
    """Kernel -> seconds over all clips, added up over the processes."""
    with executor(workers) as pool:
        list(pool.map(warm_up, [min(clips, key=lambda clip: clip.frames)] * workers))
        return {name: sum(pool.map(seconds_of, [name] * len(clips), clips)) for name in KERNELS}


def _stage_seconds(session: Session) -> dict[str, float]:
    """Stage -> seconds over all videos that it is done with, added up over the workers."""
    found = [video_status for shard in session.video_statuses() for video_status in shard]
    records = {
        stage.name: [video_status.statuses[stage.name].record for video_status in found] for stage in session.stages
    }
    return {name: sum(record.seconds for record in own if record and record.done) for name, own in records.items()}


def _report(
    session: Session, clips: Sequence[Clip], kernels: dict[str, float], wall: float, workers: int
) -> Iterator[str]:
    frames = sum(clip.frames for clip in clips)
    yield f"{platform.processor() or platform.machine()}, {workers} workers, {len(clips)} videos, {frames} frames"
    yield f"{'stage':<12}{'frames/s a core':>18}   {'kernel':<24}{'frames/s a core':>16}{'share':>8}"
    for stage, seconds in _stage_seconds(session).items():
        kernel = KERNEL_OF.get(stage, "")
        bare = f"{frames / kernels[kernel]:>16.0f}{kernels[kernel] / seconds:>8.0%}" if kernel else ""
        yield f"{stage:<12}{frames / seconds:>18.0f}   {kernel:<24}{bare}"
    for kernel in sorted(kernels.keys() - KERNEL_OF.values()):
        yield f"{'':<33}{kernel:<24}{frames / kernels[kernel]:>16.0f}"
    allowed = sum(kernels[kernel] for kernel in KERNEL_OF.values()) / workers
    yield f"end to end   {frames / wall:.0f} frames/s on {workers} cores; the kernels allow {frames / allowed:.0f}"
    yield f"             {allowed / wall:.0%} of what the kernels allow, starting the workers included"
    yield f"             a clip of 8 s every {wall / frames * FPS * 8:.1f} s; {PUBLISHED}"


if __name__ == "__main__":
    cyclopts.run(bench)

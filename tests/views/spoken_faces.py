"""A workspace in which scores and poses are made of the same script as the sound: hums whose loudness opens the jaw."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.models.blendshapes import COUNT, INDEX

FRAMES = {"ann-1": 260, "ann-2": 131, "bob-1": 40}
GAP = (70, 90)
"""Of ann-2: frames without a face."""


def opening(video_id: str) -> NDArray[np.float64]:
    """How far the jaw is open in each frame, 0..1: slow enough to be told from frames."""
    frames = FRAMES[video_id]
    drawn = np.random.default_rng(list(video_id.encode())).random(frames // 4 + 3)
    return np.interp(np.arange(frames) / 4, np.arange(len(drawn)), drawn)


def scores(video_id: str) -> NDArray[np.float32]:
    """All 52: each its own number of hundredths, but for the jaw."""
    found = np.empty((FRAMES[video_id], COUNT), np.float32)
    found[:] = np.arange(COUNT) / 100
    found[:, INDEX["jawOpen"]] = opening(video_id)
    return found


def euler(video_id: str) -> NDArray[np.float32]:
    """Yaw, pitch and roll that sway."""
    times = np.arange(FRAMES[video_id]) / 25
    return np.stack([30 * np.sin(times), 15 * np.cos(times), 20 * np.sin(2 * times)], axis=1).astype(np.float32)


def pcm(video_id: str) -> NDArray[np.int16]:
    """A hum of 200 Hz and its harmonics as loud as the jaw is open."""
    times = np.arange(FRAMES[video_id] * 640) / 16000
    loudness = np.interp(times * 25, np.arange(FRAMES[video_id]) + 0.5, opening(video_id))
    hum = sum(np.sin(2 * np.pi * 200 * harmonic * times) / harmonic for harmonic in range(1, 12))
    return np.rint(8000 * loudness * hum).astype(np.int16)


def normalize(job: Job[Params]) -> Iterator[Batch]:
    """The sound; nothing is to be seen."""
    video_id = job.video.video_id
    job.frames = FRAMES[video_id]
    job.output("mp4").write_bytes(b"nothing to see")
    assert write_wav(job.output("wav"), [pcm(video_id)]) == 640 * job.frames
    job.metrics["seconds"] = job.frames / 25
    yield {"n_frames": np.array([job.frames], np.int32)}


def landmarks(job: Job[Params]) -> Iterator[Batch]:
    """The scores."""
    gap = job.video.video_id == "ann-2"
    found = scores(job.video.video_id)
    if gap:
        found[slice(*GAP)] = np.nan
    job.metrics["gaps"] = [list(GAP)] if gap else []
    yield {"detected": np.isfinite(found[:, 0]), "blendshapes": found}


def without_scores(job: Job[Params]) -> Iterator[Batch]:
    """What a network gives that tells no scores."""
    for batch in landmarks(job):
        yield {"detected": batch["detected"]}


def headpose(job: Job[Params]) -> Iterator[Batch]:
    """The pose."""
    found = euler(job.video.video_id)
    if job.video.video_id == "ann-2":
        found[slice(*GAP)] = np.nan
    yield {"euler": found}


def stages(blendshapes: bool) -> tuple[Stage[Any], ...]:
    detected, told = Column("detected", "bool"), Column("blendshapes", "float32", (COUNT,))
    columns, process = ((detected, told), landmarks) if blendshapes else ((detected,), without_scores)
    n_frames = (Column("n_frames", "int32"),)
    return (
        Stage("normalize", 1, Params, n_frames, normalize, rows="video", media=("mp4", "wav")),
        Stage("landmarks", 1, Params, columns, process, reads=("normalize.mp4",)),
        Stage("headpose", 1, Params, (Column("euler", "float32", (3,)),), headpose, reads=("landmarks.detected",)),
    )


def make(root: Path, blendshapes: bool = True) -> Path:
    """Add and run everything, in this process."""
    workspace = Workspace(root)
    workspace.create()
    found = [
        Video(
            video_id=video_id,
            corpus="spoken",
            subject=video_id.partition("-")[0],
            source=f"sources/{video_id}",
            duration=frames / 25,
            split="test" if video_id == "bob-1" else "train",
        )
        for video_id, frames in FRAMES.items()
    ]
    write_catalogue(workspace.catalogue, merge([], found, 45.0))
    write_settings(workspace.settings, stages(blendshapes))
    session = Session(workspace, stages(blendshapes))
    session.run(session.select((), (), False), workers=0)
    return root

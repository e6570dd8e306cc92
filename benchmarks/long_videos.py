"""A workspace of long videos for readers to be measured on: columns and shards as the stages declare them, made values.

How fast they are read does not depend on the values: what the views of MODA read is stored plain.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.picture import FPS
from portrait_prep.media.wav import SAMPLES_PER_FRAME, write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages import headpose, stats, torso
from portrait_prep.stages.streaming.described import DESCRIBED
from portrait_prep.stages.streaming.moments import Moments

SUBJECTS = 4


def make(root: Path, videos: int, frames: int) -> None:
    """Add videos and run, in this process."""
    workspace = Workspace(root)
    workspace.create()
    rows = [
        Video(
            video_id=f"long_{number}",
            corpus="long",
            subject=f"subject_{number % SUBJECTS}",
            source=f"sources/{number}",
            duration=frames / FPS,
        )
        for number in range(videos)
    ]
    write_catalogue(workspace.catalogue, merge([], rows, frames / FPS))
    write_settings(workspace.settings, STAGES)
    session = Session(workspace, STAGES)
    session.run(session.select((), (), False), 0)


def _normalize(job: Job[Params]) -> Iterator[Batch]:
    job.frames = round((job.video.duration or 0) * FPS)
    samples = _random(job).normal(0, 3000, job.frames * SAMPLES_PER_FRAME).astype(np.int16)
    job.output("mp4").write_bytes(b"nothing to see")
    write_wav(job.output("wav"), [samples])
    yield {"n_frames": np.array([job.frames], np.int32)}


def _headpose(job: Job[Any]) -> Iterator[Batch]:
    yield from _values(job, headpose.STAGE)


def _torso(job: Job[Any]) -> Iterator[Batch]:
    yield from _values(job, torso.STAGE)


def _values(job: Job[Any], stage: Stage[Any]) -> Iterator[Batch]:
    """Lots around 100, for every column."""
    rng = _random(job)
    for first in range(0, job.frames, ROWS_PER_GROUP):
        rows = min(ROWS_PER_GROUP, job.frames - first)
        yield {
            column.name: rng.normal(100, 10, (rows, *column.shape)).astype(column.dtype)
            for column in stage.columns_under(stage.params())
        }


def _stats(job: Job[Any]) -> Iterator[Batch]:
    moments = {column.name: Moments.none(column.shape) for column in DESCRIBED}
    for batch in job.read(*(column.reads for column in DESCRIBED)):
        for column in DESCRIBED:
            moments[column.name] += Moments.of(batch[column.name].reshape(-1, *column.shape))
    row: Batch = {}
    for name, known in moments.items():
        row |= {f"{name}_count": np.array([known.count])}
        row |= {f"{name}_mean": known.mean[np.newaxis], f"{name}_m2": known.m2[np.newaxis]}
    yield row


def _random(job: Job[Any]) -> np.random.Generator:
    return np.random.default_rng(list(job.video.video_id.encode()))


N_FRAMES = (Column("n_frames", "int32"),)
READ = tuple(column.reads for column in DESCRIBED)
STAGES: tuple[Stage[Any], ...] = (
    Stage("normalize", 1, Params, N_FRAMES, _normalize, rows="video", media=("mp4", "wav")),
    replace(headpose.STAGE, process=_headpose, reads=("normalize.wav",), reads_when={}, models=None),
    replace(torso.STAGE, process=_torso, reads=("normalize.wav",), reads_when={}, models=None, gpu=None),
    replace(stats.STAGE, process=_stats, reads=READ, reads_when={}),
)

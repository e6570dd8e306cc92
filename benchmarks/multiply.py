"""A workspace of very many videos, in a minute: a few that went through all stages, each under very many names.

What comes out is a finished workspace like any other: every fingerprint is what the planner would compute, every digest
that of the rows, every media file there (as hard links, so that the disk holds each but once).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from portrait_prep.demo.corpus import make_clip
from portrait_prep.demo.plan import CLIPS
from portrait_prep.manifests.catalogue import by_shard, write_catalogue
from portrait_prep.manifests.corpora.folder.catalogue import catalogue
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.record import Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.add_videos import add_videos
from portrait_prep.pipeline.declare.stage import Batch, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter
from portrait_prep.stages.order import STAGES

SECONDS = (0.32, 0.40, 0.48, 0.56)
"""Lengths of the videos that are multiplied: short, since what is measured goes by videos and not by frames."""
TOLD_SECONDS = 4.0
"""Length that the catalogue tells of each, by which they are put into shards: that of a RAVDESS video."""
SUBJECTS = 100


@dataclass(frozen=True)
class Original:
    """One finished video of the workspace at `root`: its records and rows by stage."""

    root: Path
    video: Video
    records: Mapping[str, Record]
    rows: Mapping[str, Sequence[Batch]]


def finished(root: Path, workers: int = 0) -> Session:
    """A workspace with a few short videos, through all stages."""
    folder = root.with_name(f"{root.name}-clips")
    folder.mkdir()
    with np.errstate(invalid="ignore"):  # so short a voice is silence
        for seconds in SECONDS:
            make_clip(folder, replace(CLIPS[0], video_id=f"clip{seconds * 100:.0f}", seconds=seconds))
    session = Session(Workspace(root), STAGES)
    add_videos(session, lambda known: catalogue(folder, "each", known))
    session.run(session.select((), (), retry_failed=False), workers)
    return Session(session.workspace, session.stages)


def multiply(few: Session, root: Path, videos: int) -> Session:
    """A workspace at `root` with so many copies of the finished videos of `few`, under names of their own."""
    originals = list(_originals(few))
    many = Session(Workspace(root), few.stages)
    many.workspace.create()
    many.workspace.settings.write_bytes(few.workspace.settings.read_bytes())
    made_of = {f"v{number:06d}": originals[number % len(originals)] for number in range(videos)}
    rows = [_row(name, number, original.video) for number, (name, original) in enumerate(made_of.items())]
    write_catalogue(many.workspace.catalogue, merge((), rows, many.settings.run.shard_seconds))
    for shard, members in by_shard(many.videos).items():
        records: dict[str, dict[str, Record]] = {video.video_id: {} for video in members}
        for stage in many.stages:
            with replacing(many.workspace.shard(stage.name, shard)) as temporary:
                _write(temporary, stage, many, [(video, made_of[video.video_id]) for video in members], records)
    return many


def _originals(few: Session) -> Iterator[Original]:
    for video in few.videos:
        records, rows = {}, {}
        for stage in few.stages:
            with ShardReader(few.workspace.shard(stage.name, video.shard)) as reader:
                names = [column.name for column in reader.columns(stage)]
                records[stage.name] = reader.records[video.video_id]
                rows[stage.name] = list(reader.batches(video.video_id, names))
        yield Original(few.workspace.root, video, records, rows)


def _row(name: str, number: int, original: Video) -> Video:
    told = {"video_id": name, "subject": f"s{number % SUBJECTS:03d}", "duration": TOLD_SECONDS, "shard": ""}
    return original.model_copy(update=told)


def _write(
    path: Path,
    stage: Stage[Any],
    many: Session,
    members: Sequence[tuple[Video, Original]],
    records: dict[str, dict[str, Record]],
) -> None:
    """One shard file; what is recorded goes into `records`, for the stages after."""
    with ShardWriter(path, stage, many.settings.params[stage.name]) as writer:
        for video, original in members:
            known = original.records[stage.name]
            basis = many.planner.basis(stage, video, records[video.video_id], known)
            writer.rows(video.video_id, iter(original.rows[stage.name]))
            told = {"video_id": video.video_id, "basis": basis, "fingerprint": fingerprint(stage.name, basis)}
            record = known.model_copy(update={**told, "media": _linked(original, known, video, many)})
            records[video.video_id][stage.name] = record
            writer.record(record)


def _linked(original: Original, known: Record, video: Video, many: Session) -> tuple[Output, ...]:
    """The media files under the new name."""
    outputs = []
    for output in known.media:
        path = many.workspace.media(video.video_id, Path(output.path).suffix[1:])
        path.parent.mkdir(exist_ok=True)
        os.link(original.root / output.path, path)
        outputs.append(output.model_copy(update={"path": many.workspace.relative(path)}))
    return tuple(outputs)

"""Videos drawn at random are recomputed from their sources, in a scratch folder, and compared with the shards."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from manifests.catalogue import Video, write_catalogue
from manifests.record import Record
from pipeline.auditing.comparison import deviations
from pipeline.auditing.finding import Finding, found
from pipeline.auditing.scratch import scratch
from pipeline.process import CORES
from pipeline.session import Session
from pipeline.shards import ShardReader
from pipeline.stage import Stage
from pipeline.workspace import Workspace


@dataclass(frozen=True)
class Sample:
    """How many videos, drawn by which seed, and by how many worker processes they are recomputed (0: this one)."""

    size: int
    seed: int = 0
    workers: int = CORES

    def of(self, videos: Sequence[Video]) -> list[Video]:
        """The same ones for the same videos and seed, in whatever order these are given."""
        order = sorted(videos, key=lambda video: video.video_id)
        drawn = Random(self.seed).sample(order, min(self.size, len(order)))  # noqa: S311 (no secret: repeatable)
        return sorted(drawn, key=lambda video: video.video_id)


def examine_sample(session: Session, sample: Sample, videos: Sequence[Video]) -> Iterator[Finding]:
    """Recompute some of the `videos` through all stages; the same sources must give the same tables."""
    chosen = sample.of(videos)
    if not chosen:
        return
    with scratch(session.workspace) as folder:
        again = Session(Workspace(folder), session.stages)
        _furnish(again.workspace, session.workspace, chosen)
        again.run(again.select((), (), retry_failed=False), min(sample.workers, len(chosen)))
        session.workspace.announce()
        for video in chosen:
            yield from _compared(session, again, video)


def _furnish(new: Workspace, old: Workspace, videos: Sequence[Video]) -> None:
    """Settings, models and downloads as in the old workspace; files there are only linked to, and so not written."""
    shutil.copyfile(old.settings, new.settings)
    write_catalogue(new.catalogue, videos)
    for name in ("models", "cache"):
        if (old.root / name).is_dir():
            (new.root / name).symlink_to(old.root.absolute() / name)
    if any(video.remote for video in videos):
        _link_all(old.sources.absolute(), new.sources)


def _link_all(old: Path, new: Path) -> None:
    """Folders become folders of links: locks of transfers are made anew beside what was fetched; old ones stay out."""
    new.mkdir()
    for path in old.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            _link_all(path, new / path.name)
        elif path.is_file():
            (new / path.name).symlink_to(path.resolve())


def _compared(session: Session, again: Session, video: Video) -> Iterator[Finding]:
    for stage in session.stages:
        paths = [opened.workspace.shard(stage.name, video.shard) for opened in (session, again)]
        with ShardReader(paths[0]) as told, ShardReader(paths[1]) as new:
            recorded, recomputed = (reader.records.get(video.video_id) for reader in (told, new))
            name = session.workspace.relative(paths[0])
            if recorded is None or recomputed is None or not recomputed.done:
                why = recomputed.error.message if recomputed and recomputed.error else "it was not reached"
                yield found("not recomputed", name, video.video_id, stage=stage.name, detail=why)
                return
            if _had_the_same(recorded, recomputed):
                yield from _deviating(stage, told, new, name, video.video_id)


def _had_the_same(recorded: Record, recomputed: Record) -> bool:
    """Whether both were computed from the same; what follows from an input that deviates is no finding of its own."""
    return recorded.basis.inputs == recomputed.basis.inputs


def _deviating(stage: Stage[Any], told: ShardReader, new: ShardReader, name: str, video_id: str) -> Iterator[Finding]:
    for deviation in deviations(stage, told, new, video_id):
        yield found("deviation", name, video_id, detail=deviation)

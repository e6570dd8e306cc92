"""Videos drawn at random are recomputed from their sources, in a scratch folder, and compared with the shards."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import CACHE, Workspace
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shards import ShardReader


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
    with session.workspace.scratch() as folder:
        again = replace(session, workspace=Workspace(folder))
        _prepare(again.workspace, session.workspace, chosen)
        again.run(again.select((), (), retry_failed=False), min(sample.workers, len(chosen)))
        session.workspace.announce()
        for video in chosen:
            yield from _compared(session, again, video)


def _prepare(new: Workspace, old: Workspace, videos: Sequence[Video]) -> None:
    """Settings, models, what derives from them, and downloads as in the old workspace; none is written there."""
    shutil.copyfile(old.settings, new.settings)
    write_catalogue(new.catalogue, videos)
    if (old.home / "models").is_dir():
        (new.root / "models").symlink_to(old.home.absolute() / "models")
    for path in (old.home / CACHE).glob("*"):
        if path.is_file():
            shutil.copyfile(path, new.folder(CACHE) / path.name)
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
        with ShardReader(paths[0]) as old, ShardReader(paths[1]) as new:
            recorded, recomputed = (reader.records.get(video.video_id) for reader in (old, new))
            name = session.workspace.relative(paths[0])
            if recorded is None or recomputed is None or not recomputed.done:
                why = recomputed.error.message if recomputed and recomputed.error else "it was not reached"
                yield found("not recomputed", name, video.video_id, stage=stage.name, detail=why)
                return
            if _had_the_same(recorded, recomputed):
                yield from _deviating(stage, old, new, name, video.video_id)


def _had_the_same(recorded: Record, recomputed: Record) -> bool:
    """Whether both were computed from the same; what follows from an input that deviates is no finding of its own."""
    return recorded.basis.inputs == recomputed.basis.inputs


def _deviating(stage: Stage[Any], old: ShardReader, new: ShardReader, name: str, video_id: str) -> Iterator[Finding]:
    for deviation in deviations(stage, old, new, video_id):
        yield found("deviation", name, video_id, detail=deviation)


def deviations(stage: Stage[Any], old: ShardReader, new: ShardReader, video_id: str) -> Iterator[str]:
    """Say in which columns, media files and metrics the recomputed rows are not exactly those that were recorded."""
    recorded, recomputed = old.records[video_id], new.records[video_id]
    if (recorded.rows, recorded.frames) != (recomputed.rows, recomputed.frames):
        yield f"it has {recomputed.rows} rows for {recomputed.frames} frames, not {recorded.rows} for {recorded.frames}"
        return
    for name in sorted(recorded.digests.keys() | recomputed.digests.keys()):
        if recorded.digests.get(name) == recomputed.digests.get(name):
            continue
        if name in old.column_names and name in new.column_names:
            yield _of_column(old, new, video_id, name)
        else:
            yield f"{name} has other bytes" if name in stage.media else f"{name} is not there in both"
    for name in sorted(recorded.metrics.keys() | recomputed.metrics.keys()):
        before, after = (json.dumps(metrics.get(name)) for metrics in (recorded.metrics, recomputed.metrics))
        if before != after:
            yield f"the metric {name} is {after}, not {before}"


def _of_column(old: ShardReader, new: ShardReader, video_id: str, name: str) -> str:
    """By how much a column deviates, and from which row on; streams."""
    first: int | None = None
    farthest, start = 0.0, 0
    for left, right in zip_longest(old.batches(video_id, [name]), new.batches(video_id, [name])):
        before, after = left[name], right[name]
        other = ~_same(before, after)
        if other.any() and first is None:
            first = start + int(np.argmax(other))
        farthest = max(farthest, _distance(before, after))
        start += len(before)
    if first is None:
        return f"{name} has the same values, but its recorded digest is another"
    return f"{name} differs by up to {farthest:.3g}, first in frame {first}"


def _same(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Row by row whether all values are equal, NaN to NaN."""
    equal = before == after
    if before.dtype.kind == "f":
        equal |= np.isnan(before) & np.isnan(after)
    return np.asarray(equal.reshape(len(before), -1).all(axis=1))


def _distance(before: NDArray[Any], after: NDArray[Any]) -> float:
    """Largest absolute difference of numbers that both have; 0 where they are no numbers."""
    if before.dtype.kind not in "biuf":
        return 0.0
    difference = np.abs(before.astype(np.float64) - after.astype(np.float64))
    return float(np.nanmax(difference, initial=0.0))

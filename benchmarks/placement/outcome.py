"""A simulated run of the pipeline, and what came of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.placement.simulated import SimulatedExecutor
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.settings import read_settings, stages_on
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.scheduler import RunCounts, Scheduler
from portrait_prep.pipeline.status.plan import Planner, Selection
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings.order import SECTIONS

SETTINGS = """\
[headpose]
backend = "tddfa"
[parsing]
backend = "bisenet"
[torso]
backend = "bisenet"
[features]
backend = "hubert"
[identity]
backend = "sface"
"""
"""Everything is on, so that there are three stages that want a device, one of them early and two late."""
WITHOUT_MODELS: tuple[Stage[Any], ...] = tuple(replace(stage, models=None) for stage in STAGES)
"""Nothing is computed, so that no weights are needed."""


@dataclass(frozen=True)
class Outcome:
    """How long it took, the shares of time that devices, their workers, the others and all worked, and its cost.

    `bound`: the least time in which any placement could do it, as a share of the time it took. `cost`: CPU seconds of
    the scheduler.
    """

    devices: int
    cores: int
    sharing: int
    hours: float
    device: float
    owners: float
    others: float
    all_workers: float
    bound: float
    cost: float
    run_counts: RunCounts


def catalogue(videos: int, seconds: float, shard_seconds: float) -> list[Video]:
    """So many videos of that length, ten a subject."""
    made = (
        Video(video_id=f"v{k:07d}", corpus="made", subject=f"s{k // 10}", source=f"v{k}.mp4", duration=seconds)
        for k in range(videos)
    )
    return merge((), list(made), shard_seconds)


def simulate(folder: Path, videos: Sequence[Video], devices: int, cores: int, sharing: int) -> Outcome:
    """Run all stages in a new workspace at `folder`."""
    workspace = Workspace(folder)
    workspace.create()
    workspace.settings.write_text(SETTINGS, encoding="utf-8")
    settings = read_settings(workspace.settings, SECTIONS)
    stages = stages_on(WITHOUT_MODELS, settings)
    executor = SimulatedExecutor(cores, devices, sharing)
    selection = Selection(frozenset(stage.name for stage in stages), frozenset(), retry_failed=False)
    before = time.process_time()
    run_counts = Scheduler(workspace, Planner(workspace, stages, settings), videos, executor, selection).run()
    cost = time.process_time() - before - executor.making
    owners = [worker.worked for worker in executor.workers if worker.device is not None]
    others = [worker.worked for worker in executor.workers if worker.device is None]
    clock = executor.clock
    bound = max(executor.on_owners / len(owners), sum(owners + others) / cores, *executor.used)
    return Outcome(
        devices=devices,
        cores=cores,
        sharing=sharing,
        hours=clock / 3600,
        device=_mean(executor.used) / clock,
        owners=_mean(owners) / clock,
        others=_mean(others) / clock,
        all_workers=_mean(owners + others) / clock,
        bound=bound / clock,
        cost=cost,
        run_counts=run_counts,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(len(values), 1)

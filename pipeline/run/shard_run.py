"""A shard being worked on: which of its units can start, which are under way, and what of it was tried."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.run.gpus import GPU
from portrait_prep.pipeline.run.results import VideoResult
from portrait_prep.pipeline.run.task import Unit, VideoTask
from portrait_prep.pipeline.status.plan import Planner, Selection, State
from portrait_prep.pipeline.store.shard_state import ShardState


@dataclass
class OpenUnit:
    """A unit under way: the tasks still to hand out, how many tasks are out, and the results that came back."""

    shard_run: "ShardRun"
    stage: Stage[Any]
    unit: Unit
    waiting: deque[list[VideoTask]]
    out: int = 0
    results: list[VideoResult] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)

    @property
    def computed(self) -> bool:
        """Whether all results are there."""
        return not self.waiting and not self.out

    def drop_downloads(self) -> bool:
        """Let go of the tasks that wait for the network; whether there were any."""
        local = deque(tasks for tasks in self.waiting if not Submission(self, tasks).fetches)
        dropped, self.waiting = len(local) < len(self.waiting), local
        return dropped


@dataclass(frozen=True)
class Submission:
    """What a future stands for: some tasks of a unit, or (without tasks) its commit."""

    unit: OpenUnit
    tasks: Sequence[VideoTask] = ()

    @property
    def fetches(self) -> bool:
        """Whether it waits for the network."""
        return self.unit.stage.fetches is not None and any(task.video.fetched for task in self.tasks)

    @property
    def gpu(self) -> bool:
        """Whether it needs a GPU."""
        return self.unit.unit.gpu and bool(self.tasks)

    @cached_property
    def kind(self) -> str:
        """What it occupies: a GPU, the network at its stage, or nothing that is counted."""
        return GPU if self.gpu else self.unit.stage.name if self.fetches else ""


@dataclass(frozen=True)
class Ready:
    """A unit that can start: how deep its stage lies, and the videos that are to be computed."""

    depth: int
    stage: Stage[Any]
    videos: Sequence[Video]


class ShardRun:
    """A shard being worked on."""

    def __init__(self, planner: Planner, selection: Selection, state: ShardState, offline: bool = False) -> None:
        """`offline`: nothing is to be fetched."""
        self.state = state
        self._planner, self._selection, self._offline = planner, selection, offline
        self.attempted: set[tuple[str, str]] = set()
        self.open: dict[str, OpenUnit] = {}
        self.lost_commits: Counter[str] = Counter()
        self.repaired: set[str] = set()
        """Videos whose damaged inputs were computed again: once a run."""
        self.refresh()

    def refresh(self) -> None:
        """Plan anew after records changed."""
        self.statuses = self._planner.statuses(self.state.videos, self.state.records)
        self._ready: Sequence[Ready] | None = None

    def begin(self, unit: OpenUnit) -> None:
        """A unit is under way."""
        self.open[unit.stage.name] = unit
        self._ready = None

    def end(self, unit: OpenUnit) -> None:
        """It no longer is."""
        del self.open[unit.stage.name]
        self._ready = None

    def go_offline(self) -> None:
        """From now on nothing is to be fetched."""
        self._offline, self._ready = True, None

    def _todo(self, stage: Stage[Any]) -> list[Video]:
        """The videos to compute at a stage; each is tried once a run."""
        statuses, local = self.statuses[stage.name], self._offline and stage.fetches is not None
        return [
            video
            for video in self.state.videos
            if (stage.name, video.video_id) not in self.attempted
            and self._selection.wants(stage.name, video.video_id, statuses[video.video_id])
            and not (local and video.fetched)
        ]

    def reusable(self, stage: Stage[Any], video_id: str) -> tuple[str, ...]:
        """The columns that the stage can reuse of a video now."""
        above = ((ref, *ref.split(".")) for ref in stage.reuses_under(self._planner.settings.params[stage.name]))
        return tuple(ref for ref, name, column in above if self._is_there(name, video_id, column))

    def _is_there(self, stage: str, video_id: str, column: str) -> bool:
        status = self.statuses.get(stage, {}).get(video_id)
        return bool(status and status.state is State.DONE and status.record and column in status.record.digests)

    def _above(self, stage: Stage[Any]) -> frozenset[str]:
        return stage.reads_from(self._planner.settings.params[stage.name])

    @property
    def ready(self) -> Sequence["Ready"]:
        """The units that can start.

        A unit waits until nothing above it is left to do, and while a unit below reads what it would replace. They are
        kept until something changes: with many workers many shards are under way, and each is asked very often.
        """
        if self._ready is None:
            self._ready = tuple(self._found_ready())
        return self._ready

    def _found_ready(self) -> Iterator["Ready"]:
        unsettled: set[str] = set(self.open)
        for depth, stage in enumerate(self._planner.stages):
            above_unsettled = unsettled.intersection(self._above(stage))
            videos = [] if stage.name in self.open else self._todo(stage)
            read_now = any(stage.name in self._above(unit.stage) for unit in self.open.values())
            if videos and not above_unsettled and not read_now:
                yield Ready(depth, stage, videos)
            if videos or above_unsettled:
                unsettled.add(stage.name)

"""The foreman: brings stages up to date, shard by shard, with a sliding window over what is ready.

Deepest stage first, so that the first finished videos come out early; longest shards first, so that no long one is
left running alone. At most as many tasks are under way as the crew has hands, and only the shards being worked on are
held in memory.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from portrait_prep.errors import Damaged, MissingPrerequisite
from portrait_prep.manifests.catalogue import Video
from portrait_prep.manifests.record import Failure, Record
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.executor import Crew, WorkerDied
from portrait_prep.pipeline.run.task import Committed, Order, Part, Unit, commit, compute
from portrait_prep.pipeline.status.plan import Planner, Standing, State, fingerprint
from portrait_prep.pipeline.status.survey import by_shard, dossiers, write_manifests
from portrait_prep.pipeline.store.shard_state import Ledger

log = logging.getLogger(__name__)

DEATHS = 2
"""A video whose worker died this often while it was the only one in the task is set aside."""


@dataclass(frozen=True)
class Selection:
    """What a run is asked to do: which stages, which videos (empty: all), and whether failures are tried again."""

    stages: frozenset[str]
    only: frozenset[str] = frozenset()
    retry_failed: bool = False

    def covers(self, stage: str, video_id: str) -> bool:
        """Whether the run is about this video at this stage."""
        return stage in self.stages and (not self.only or video_id in self.only)

    def wants(self, stage: str, video_id: str, standing: Standing) -> bool:
        """Whether this video is to be computed at this stage now."""
        if not self.covers(stage, video_id):
            return False
        return standing.runnable or (self.retry_failed and standing.state is State.FAILED)


@dataclass
class OpenUnit:
    """A unit under way: the orders still to hand out, how many tasks are out, and the parts that came back."""

    site: "Site"
    stage: Stage[Any]
    unit: Unit
    waiting: deque[list[Order]]
    out: int = 0
    parts: list[Part] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)

    @property
    def computed(self) -> bool:
        """Whether all parts are there."""
        return not self.waiting and not self.out


@dataclass(frozen=True)
class Task:
    """What a future stands for: some orders of a unit, or (without orders) its commit."""

    unit: OpenUnit
    orders: Sequence[Order] = ()

    @property
    def fetches(self) -> bool:
        """Whether it waits for the network."""
        return self.unit.stage.fetches is not None and any(order.video.remote for order in self.orders)

    @property
    def gpu(self) -> bool:
        """Whether it needs a GPU."""
        return self.unit.unit.gpu and bool(self.orders)


class Site:
    """A shard being worked on."""

    def __init__(self, planner: Planner, ledger: Ledger) -> None:
        self.ledger = ledger
        self._planner = planner
        self.attempted: set[tuple[str, str]] = set()
        self.open: dict[str, OpenUnit] = {}
        self.lost_commits: Counter[str] = Counter()
        self.mended: set[str] = set()
        """Videos whose damaged inputs were computed again: once a run."""
        self.refresh()

    def refresh(self) -> None:
        """Plan anew after records changed."""
        self.standings = self._planner.standings(self.ledger.videos, self.ledger.records)

    def todo(self, stage: str, selection: Selection) -> list[Video]:
        """The videos to compute at a stage; each is tried once a run."""
        return [
            video
            for video in self.ledger.videos
            if (stage, video.video_id) not in self.attempted
            and selection.wants(stage, video.video_id, self.standings[stage][video.video_id])
        ]

    def ready(self, selection: Selection) -> Iterator[tuple[int, Stage[Any], list[Video]]]:
        """The units that can start: (depth, stage, videos).

        A unit waits until nothing above it is left to do, and while a unit below reads what it would replace.
        """
        unsettled: set[str] = set(self.open)
        for depth, stage in enumerate(self._planner.stages):
            above_unsettled = unsettled.intersection(stage.upstream)
            videos = [] if stage.name in self.open else self.todo(stage.name, selection)
            read_now = any(stage.name in unit.stage.upstream for unit in self.open.values())
            if videos and not above_unsettled and not read_now:
                yield depth, stage, videos
            if videos or above_unsettled:
                unsettled.add(stage.name)


@dataclass
class Tally:
    """What a run did: how many videos it computed and how many it found failed, by stage."""

    computed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


Progress = Callable[[Stage[Any], str, Sequence[Record]], None]
"""Called after each commit with stage, shard and the records of the videos that were computed."""


class Foreman:
    """Runs what is not current, and only that."""

    def __init__(
        self,
        workspace: Workspace,
        planner: Planner,
        videos: Sequence[Video],
        crew: Crew,
        selection: Selection,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._workspace, self._planner, self._crew = workspace, planner, crew
        self._selection, self._progress = selection, progress
        shards = by_shard(videos).items()
        self._closed = deque(sorted(shards, key=lambda item: (-_footage(item[1]), item[0])))
        self._sites: list[Site] = []
        self._under_way: dict[Any, Task] = {}
        self.tally = Tally()

    def run(self) -> Tally:
        """Work until nothing is left to do. Raises MissingPrerequisite when no video could succeed (disk full, …)."""
        while True:
            while len(self._under_way) < self._crew.size and (task := self._next_task()):
                self._submit(task)
            if not self._under_way:
                return self.tally
            for future in self._crew.wait(list(self._under_way)):
                self._finish(self._under_way.pop(future), future)

    # --- choosing -------------------------------------------------------------------------------------------------

    def _next_task(self) -> Task | None:
        """A part of a unit under way, or the deepest unit that is ready, or a unit of a shard opened now."""
        while True:
            held_back = 0
            for unit in self._units_under_way():
                if unit.waiting and self._may_start(Task(unit, unit.waiting[0])):
                    return Task(unit, unit.waiting.popleft())
                held_back += bool(unit.waiting)
            # Beyond these, opening shards would only lengthen the queue for the network or the GPUs.
            if held_back >= self._crew.size or (not self._start_unit() and not self._open_site()):
                return None

    def _may_start(self, task: Task) -> bool:
        """Whether there is room for one more: in the network, or on the GPUs."""
        if task.gpu:
            return sum(other.gpu for other in self._under_way.values()) < self._crew.gpus
        stage = task.unit.stage
        if stage.fetches is None or not task.fetches:
            return True
        fetching = sum(other.fetches and other.unit.stage is stage for other in self._under_way.values())
        return fetching < stage.fetches(self._planner.settings.params[stage.name])

    def _units_under_way(self) -> Iterator[OpenUnit]:
        units = [unit for site in self._sites for unit in site.open.values()]
        depth = {stage.name: number for number, stage in enumerate(self._planner.stages)}
        return iter(sorted(units, key=lambda unit: -depth[unit.stage.name]))

    def _start_unit(self) -> bool:
        ready = [
            (depth, -number, site, stage, videos)
            for number, site in enumerate(self._sites)
            for depth, stage, videos in site.ready(self._selection)
        ]
        if not ready:
            return False
        _, _, site, stage, videos = max(ready, key=lambda entry: entry[:2])
        unit = OpenUnit(site, stage, self._unit(stage, site.ledger.shard), self._cut(site, stage, videos))
        site.open[stage.name] = unit
        return True

    def _open_site(self) -> bool:
        """Open the next shard; False when none is left. Shards with nothing to do are passed over."""
        self._sites = [site for site in self._sites if site.open or any(site.ready(self._selection))]
        while self._closed:
            shard, members = self._closed.popleft()
            ledger = Ledger.load(self._workspace, shard, members, self._planner.stages)
            ledger.seal(self._planner.stages)
            site = Site(self._planner, ledger)
            if any(site.ready(self._selection)):
                self._sites.append(site)
                return True
        return False

    def _cut(self, site: Site, stage: Stage[Any], videos: Sequence[Video]) -> deque[list[Order]]:
        """The unit as one task while there are shards for everyone; else video by video, longest first."""
        orders = [self._order(site, stage, video) for video in videos]
        if len(self._closed) + len(self._sites) >= 2 * self._crew.size:
            return deque([orders])
        orders.sort(key=lambda order: (-_footage([order.video]), order.video.video_id))
        return deque([order] for order in orders)

    def _order(self, site: Site, stage: Stage[Any], video: Video) -> Order:
        standing = site.standings[stage.name][video.video_id]
        if standing.basis is None:
            raise RuntimeError(f"{stage.name} of {video.video_id} is not ready")
        settings = self._planner.settings.run
        unhurried = not self._crew.watched or (stage.fetches is not None and video.remote)
        deadline = settings.deadline_seconds + settings.deadline_per_second * _footage([video])
        known = standing.record
        retried = known is not None and known.fingerprint == fingerprint(stage.name, standing.basis)
        return Order(
            video=video,
            basis=standing.basis,
            attempts=known.attempts if known and retried else 0,
            retries=settings.retries,
            deadline=None if unhurried else deadline,
        )

    def _unit(self, stage: Stage[Any], shard: str) -> Unit:
        params = self._planner.settings.params[stage.name]
        gpu = stage.wants_gpu(params) and self._crew.gpus > 0
        return Unit(self._workspace, stage, params, shard, self._columns, gpu)

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        return {f"{stage.name}.{column.name}": column for stage in self._planner.stages for column in stage.columns}

    # --- doing ----------------------------------------------------------------------------------------------------

    def _submit(self, task: Task) -> None:
        if task.orders:
            task.unit.out += 1
            future = self._crew.submit(compute, task.unit.unit, list(task.orders), gpu=task.gpu)
        else:
            ids = [video.video_id for video in task.unit.site.ledger.videos]
            future = self._crew.submit(commit, task.unit.unit, ids, task.unit.parts)
        self._under_way[future] = task

    def _finish(self, task: Task, future: Any) -> None:
        unit = task.unit
        try:
            outcome = self._crew.result(future)
        except WorkerDied:
            self._bury(task)
        else:
            if not task.orders:
                self._committed(unit, outcome)
                return
            unit.out -= 1
            unit.parts.extend(outcome)
        if unit.computed and unit.stage.name in unit.site.open:
            self._submit(Task(unit))

    def _bury(self, task: Task) -> None:
        """A worker died. Its videos are tried one by one, so that the one that kills is found and set aside."""
        unit = task.unit
        if not task.orders:
            log.warning("a worker died while it committed %s: the unit is computed again", unit.unit.path)
            unit.site.lost_commits[unit.stage.name] += 1
            if unit.site.lost_commits[unit.stage.name] >= DEATHS:
                raise MissingPrerequisite(
                    f"Workers die while they write {unit.unit.path}: see logs/workers.log, and whether memory is short."
                )
            self._reopen(unit)
            return
        unit.out -= 1
        log.warning("a worker died at %s: %s", unit.unit.path, [order.video.video_id for order in task.orders])
        if len(task.orders) > 1:
            unit.waiting.extend([order] for order in task.orders)
            return
        order = task.orders[0]
        unit.deaths[order.video.video_id] += 1
        if unit.deaths[order.video.video_id] < DEATHS:
            unit.waiting.append([order])
        else:
            unit.parts.append(_set_aside(unit.stage.name, order))

    def _reopen(self, unit: OpenUnit) -> None:
        """Read again what lies on disk of a shard and plan anew."""
        site = unit.site
        fresh = Ledger.load(self._workspace, site.ledger.shard, site.ledger.videos, self._planner.stages)
        fresh.seal(self._planner.stages)
        site.ledger = fresh
        del site.open[unit.stage.name]
        site.refresh()

    def _committed(self, unit: OpenUnit, committed: Committed) -> None:
        site, stage = unit.site, unit.stage
        del site.open[stage.name]
        computed = [part.record for part in unit.parts]
        site.attempted |= {(stage.name, record.video_id) for record in computed}
        site.ledger.records[stage.name] = {record.video_id: record for record in committed.records}
        site.ledger.seals[stage.name] = committed.seal
        self._mend_inputs(site, stage, computed)
        site.refresh()
        write_manifests(self._workspace, dossiers(self._planner, site.ledger))
        self.tally.computed[stage.name] += len(computed)
        self.tally.failed[stage.name] += sum(not record.done for record in computed)
        self._progress(stage, site.ledger.shard, computed)

    def _mend_inputs(self, site: Site, stage: Stage[Any], computed: Sequence[Record]) -> None:
        """Where a video found its inputs damaged: have them computed again, and then try it once more."""
        hurt = {record.video_id for record in computed if record.error and record.error.type == Damaged.__name__}
        above = [other for other in self._planner.stages if other.name in stage.upstream]
        if hurt - site.mended and site.ledger.distrust(above, hurt):
            site.attempted -= {(name, video_id) for name in (stage.name, *stage.upstream) for video_id in hurt}
            site.mended |= hurt


def _footage(videos: Sequence[Video]) -> float:
    return sum(video.duration or 0.0 for video in videos)


def _set_aside(stage: str, order: Order) -> Part:
    message = (
        f"the worker died {DEATHS} times at this video (killed, out of memory, or past its deadline of "
        f"{order.deadline or 0:.0f} s): see logs/workers.log"
    )
    return Part(
        Record(
            video_id=order.video.video_id,
            stage=stage,
            outcome="failed",
            fingerprint=fingerprint(stage, order.basis),
            basis=order.basis,
            attempts=order.attempts + DEATHS,
            error=Failure(type="WorkerDied", message=message, permanent=False),
        )
    )

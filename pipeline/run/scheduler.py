"""The scheduler: brings stages up to date, shard by shard, with a sliding window over what is ready.

Deepest stage first, so that the first finished videos come out early; longest shards first, so that no long one is
left running alone. At most as many tasks are under way as the executor takes, and only the shards being worked on are
held in memory.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from portrait_prep.errors import Damaged, MissingPrerequisite
from portrait_prep.manifests.catalogue import by_shard
from portrait_prep.manifests.record import Failure, Record
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.commit import Committed, commit
from portrait_prep.pipeline.run.executor import Executor, WorkerDied
from portrait_prep.pipeline.run.results import LeftTables, VideoResult
from portrait_prep.pipeline.run.shard_run import OpenUnit, ShardRun, Submission
from portrait_prep.pipeline.run.task import Computed, Unit, VideoTask, compute
from portrait_prep.pipeline.status.plan import Planner, Selection, fingerprint
from portrait_prep.pipeline.status.survey import video_statuses, write_manifests
from portrait_prep.pipeline.store.shard_state import ShardState

log = logging.getLogger(__name__)

LONGEST_DEADLINE = 30 * 86_400.0
"""Seconds; bounds the deadline of a video whose catalogued duration is absurd, which the watchdog could not hold."""

DEATHS = 2
"""A video whose worker died this often while it was the only one in the task is set aside."""


@dataclass
class RunCounts:
    """How many videos a run computed, found failed, and took over from an interrupted run, by stage."""

    computed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    taken_over: Counter[str] = field(default_factory=Counter)
    offline: str = ""
    """Why nothing that lies at an address was fetched any more, as one sentence."""


Progress = Callable[[Stage[Any], str, Sequence[Record], int], None]
"""Called after each commit: stage, shard, records of the videos that were computed, number of those taken over."""


class Scheduler:
    """Runs what is not current, and only that."""

    def __init__(
        self,
        workspace: Workspace,
        planner: Planner,
        videos: Sequence[Video],
        executor: Executor,
        selection: Selection,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._workspace, self._planner, self._executor = workspace, planner, executor
        self._selection, self._progress = selection, progress
        self._shards = by_shard(videos)
        footage = {shard: _footage(members) for shard, members in self._shards.items()}
        self._closed = deque(sorted(footage, key=lambda shard: (-footage[shard], shard)))
        self._shard_runs: list[ShardRun] = []
        self._under_way: dict[Any, Submission] = {}
        self._occupied: Counter[str] = Counter()
        """How many tasks under way have a GPU, or wait for the network at a stage."""
        self._left = LeftTables(workspace, planner.stages)
        self.run_counts = RunCounts()

    def run(self) -> RunCounts:
        """Work until nothing is left to do. Raises MissingPrerequisite when no video could succeed (disk full, …)."""
        while True:
            while len(self._under_way) < self._executor.size and (submission := self._next_submission()):
                self._submit(submission)
            if not self._under_way:
                return self.run_counts
            for future in self._executor.wait(list(self._under_way)):
                submission = self._under_way.pop(future)
                self._occupied[submission.kind] -= 1
                self._finish(submission, future)

    # --- choosing -------------------------------------------------------------------------------------------------

    def _next_submission(self) -> Submission | None:
        """A part of a unit under way, or the deepest unit that is ready, or a unit of a shard opened now."""
        while True:
            held_back = 0
            for unit in self._units_under_way():
                if unit.waiting and self._may_start(Submission(unit, unit.waiting[0])):
                    return Submission(unit, unit.waiting.popleft())
                held_back += bool(unit.waiting)
            # Beyond these, opening shards would only lengthen the queue for the network or the GPUs.
            if held_back >= self._executor.size or (not self._start_unit() and not self._open_shard()):
                return None

    def _may_start(self, submission: Submission) -> bool:
        """Whether there is room for one more: in the network, or on the GPUs."""
        occupied, stage = self._occupied[submission.kind], submission.unit.stage
        if submission.gpu:
            return occupied < self._executor.gpus
        if stage.fetches is None or not submission.fetches:
            return True
        return occupied < stage.fetches(self._planner.settings.params[stage.name])

    def _units_under_way(self) -> Iterator[OpenUnit]:
        units = [unit for shard_run in self._shard_runs for unit in shard_run.open.values()]
        depth = {stage.name: number for number, stage in enumerate(self._planner.stages)}
        return iter(sorted(units, key=lambda unit: -depth[unit.stage.name]))

    def _start_unit(self) -> bool:
        ready = [(shard_run, each) for shard_run in self._shard_runs for each in shard_run.ready]
        if not ready:
            return False
        shard_run, first = max(ready, key=lambda pair: pair[1].depth)  # of equals the first: the shard opened first
        tasks = [self._task(shard_run, first.stage, video) for video in first.videos]
        unit = self._unit(first.stage, shard_run.state.shard, tasks)
        shard_run.begin(OpenUnit(shard_run, first.stage, unit, self._cut(tasks)))
        return True

    def _open_shard(self) -> bool:
        """Open the next shard; False when none is left. Shards with nothing to do are passed over."""
        self._shard_runs = [shard_run for shard_run in self._shard_runs if shard_run.open or shard_run.ready]
        while self._closed:
            shard = self._closed.popleft()
            state = ShardState.load(self._workspace, shard, self._shards[shard], self._planner.stages)
            state.verify(self._planner.stages)
            shard_run = ShardRun(self._planner, self._selection, state, offline=bool(self.run_counts.offline))
            if shard_run.ready:
                self._shard_runs.append(shard_run)
                return True
        return False

    def _cut(self, tasks: list[VideoTask]) -> deque[list[VideoTask]]:
        """The unit as one task while there are shards for everyone; else video by video, longest first."""
        if len(self._closed) + len(self._shard_runs) >= 2 * self._executor.size:
            return deque([tasks])
        longest_first = sorted(tasks, key=lambda task: (-_footage([task.video]), task.video.video_id))
        return deque([task] for task in longest_first)

    def _task(self, shard_run: ShardRun, stage: Stage[Any], video: Video) -> VideoTask:
        status = shard_run.statuses[stage.name][video.video_id]
        if status.basis is None:
            raise RuntimeError(f"{stage.name} of {video.video_id} is not ready")
        settings = self._planner.settings.run
        unhurried = not self._executor.watched or (stage.fetches is not None and video.fetched)
        deadline = settings.deadline_seconds + settings.deadline_per_second * _footage([video])
        known = status.record
        retried = known is not None and known.fingerprint == fingerprint(stage.name, status.basis)
        return VideoTask(
            video=video,
            basis=status.basis,
            attempts=known.attempts if known and retried else 0,
            retries=settings.retries,
            deadline=None if unhurried else min(deadline, LONGEST_DEADLINE),
            left=self._left.of(stage.name, video.video_id),
            reused=shard_run.reusable(stage, video.video_id),
        )

    def _unit(self, stage: Stage[Any], shard: str, tasks: Sequence[VideoTask]) -> Unit:
        params = self._planner.settings.params[stage.name]
        spared = all(task.reused for task in tasks)
        gpu = stage.wants_gpu(params) and self._executor.gpus > 0 and not spared
        return Unit(self._workspace, stage, params, shard, self._columns, gpu)

    @cached_property
    def _columns(self) -> Mapping[str, Any]:
        return {f"{stage.name}.{column.name}": column for stage in self._planner.stages for column in stage.columns}

    # --- doing ----------------------------------------------------------------------------------------------------

    def _submit(self, submission: Submission) -> None:
        if submission.tasks:
            submission.unit.out += 1
            future = self._executor.submit(compute, submission.unit.unit, list(submission.tasks), gpu=submission.gpu)
        else:
            ids = [video.video_id for video in submission.unit.shard_run.state.videos]
            future = self._executor.submit(commit, submission.unit.unit, ids, submission.unit.results)
        self._under_way[future] = submission
        self._occupied[submission.kind] += 1

    def _finish(self, submission: Submission, future: Any) -> None:
        unit = submission.unit
        try:
            outcome = self._executor.result(future)
        except WorkerDied:
            self._handle_dead_worker(submission)
        else:
            if not submission.tasks:
                self._committed(unit, outcome)
                return
            unit.out -= 1
            unit.results.extend(outcome.results)
            if outcome.offline:
                self._go_offline(submission, outcome)
        if unit.computed and unit.stage.name in unit.shard_run.open:
            self._close(unit)

    def _close(self, unit: OpenUnit) -> None:
        """Commit what came, if anything did."""
        if unit.results:
            self._submit(Submission(unit))
        else:
            unit.shard_run.end(unit)

    def _go_offline(self, submission: Submission, computed: Computed) -> None:
        """From now on nothing is fetched; what is here goes on."""
        self.run_counts.offline = computed.offline
        tried = {result.record.video_id for result in computed.results}
        submission.unit.waiting.extend([task] for task in submission.tasks if task.video.video_id not in tried)
        for shard_run in self._shard_runs:
            shard_run.go_offline()
            for unit in list(shard_run.open.values()):
                if unit.drop_downloads() and unit.computed and unit is not submission.unit:
                    self._close(unit)

    def _handle_dead_worker(self, submission: Submission) -> None:
        """A worker died. What it finished is taken over; its other videos are tried one by one.

        So the one that kills is found, and set aside.
        """
        unit = submission.unit
        self._left.look(unit.stage.name)
        if not submission.tasks:
            log.warning("a worker died while it committed %s: it is committed again", unit.unit.path)
            unit.shard_run.lost_commits[unit.stage.name] += 1
            if unit.shard_run.lost_commits[unit.stage.name] >= DEATHS:
                raise MissingPrerequisite(
                    f"Workers die while they write {unit.unit.path}: see logs/workers.log, and whether memory is short."
                )
            self._reopen(unit)
            return
        unit.out -= 1
        log.warning("a worker died at %s: %s", unit.unit.path, [task.video.video_id for task in submission.tasks])
        if len(submission.tasks) > 1:
            for task in submission.tasks:
                unit.waiting.append([replace(task, left=self._left.of(unit.stage.name, task.video.video_id))])
            return
        task = submission.tasks[0]
        unit.deaths[task.video.video_id] += 1
        if unit.deaths[task.video.video_id] < DEATHS:
            unit.waiting.append([replace(task, left=())])  # which may be what kills
        else:
            unit.results.append(_set_aside(unit.stage.name, task))

    def _reopen(self, unit: OpenUnit) -> None:
        """Read again what lies on disk of a shard and plan anew."""
        shard_run = unit.shard_run
        fresh = ShardState.load(self._workspace, shard_run.state.shard, shard_run.state.videos, self._planner.stages)
        fresh.verify(self._planner.stages)
        shard_run.state = fresh
        shard_run.end(unit)
        shard_run.refresh()

    def _committed(self, unit: OpenUnit, committed: Committed) -> None:
        shard_run, stage = unit.shard_run, unit.stage
        shard_run.end(unit)
        records = [result.record for result in unit.results]
        computed = [result.record for result in unit.results if result.table not in self._left.at_start]
        shard_run.attempted |= {(stage.name, record.video_id) for record in records}
        shard_run.state.records[stage.name] = {record.video_id: record for record in committed.records}
        shard_run.state.checksums[stage.name] = committed.checksum
        self._repair_inputs(shard_run, stage, records)
        shard_run.refresh()
        write_manifests(self._workspace, video_statuses(self._planner, shard_run.state))
        self.run_counts.computed[stage.name] += len(computed)
        self.run_counts.failed[stage.name] += sum(not record.done for record in computed)
        self.run_counts.taken_over[stage.name] += len(records) - len(computed)
        self._progress(stage, shard_run.state.shard, computed, len(records) - len(computed))

    def _repair_inputs(self, shard_run: ShardRun, stage: Stage[Any], records: Sequence[Record]) -> None:
        """Where a video found its inputs damaged: have them computed again, and then try it once more."""
        damaged = {record.video_id for record in records if record.error and record.error.type == Damaged.__name__}
        read = stage.reads_from(self._planner.settings.params[stage.name])
        above = [other for other in self._planner.stages if other.name in read]
        if damaged - shard_run.repaired and shard_run.state.reverify(above, damaged):
            shard_run.attempted -= {(name, video_id) for name in (stage.name, *read) for video_id in damaged}
            shard_run.repaired |= damaged


def _footage(videos: Sequence[Video]) -> float:
    return sum(video.duration or 0.0 for video in videos)


def _set_aside(stage: str, task: VideoTask) -> VideoResult:
    message = (
        f"the worker died {DEATHS} times at this video (killed, out of memory, or past its deadline of "
        f"{task.deadline or 0:.0f} s): see logs/workers.log"
    )
    return VideoResult(
        Record(
            video_id=task.video.video_id,
            stage=stage,
            outcome="failed",
            fingerprint=fingerprint(stage, task.basis),
            basis=task.basis,
            attempts=task.attempts + DEATHS,
            error=Failure(type=WorkerDied.__name__, message=message, permanent=False),
        )
    )

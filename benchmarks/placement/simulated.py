"""An executor in which no time passes: workers and devices are numbers, and a clock jumps to whatever ends next.

The scheduler over it is the real one, with the real stages, settings and plans; of their results there are only the
records. So what is measured is where it places work, and what it costs itself.
"""

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from benchmarks.placement.costs import COMMIT, seconds_of
from portrait_prep.manifests.record import Record
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.run.commit import Committed
from portrait_prep.pipeline.run.results import VideoResult
from portrait_prep.pipeline.run.task import Computed, Unit, VideoTask, compute
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.shard_state import Checksum

ANY = "0" * 64
"""Stands for a digest."""


@dataclass(eq=False)
class Worker:
    """A worker, and the device that it owns or shares."""

    device: int | None
    worked: float = 0.0
    busy: bool = False


@dataclass(eq=False)
class Task:
    """What was submitted: how long it takes a worker and, of that, a device; and what comes of it."""

    seconds: float
    on_device: float
    gpu: bool
    outcome: Any
    worker: Worker | None = None


@dataclass
class SimulatedExecutor:
    """`cores` workers, of which `sharing` each own one of the `devices`. A task goes to any idle worker that may do it.

    With several workers a device its time is shared: a task takes at least as long as the device needs for all of them.
    """

    cores: int
    devices: int
    sharing: int = 1
    watched: bool = True
    clock: float = 0.0
    making: float = 0.0
    """CPU seconds spent on making up results: no cost of the scheduler."""
    on_owners: float = 0.0
    """Seconds of tasks that only workers with a device may do."""
    used: list[float] = field(default_factory=list)
    """Of each device the seconds in which it worked."""

    def __post_init__(self) -> None:
        owned = [number for _ in range(self.sharing) for number in range(self.devices)][: self.cores]
        self.workers = [Worker(number) for number in owned]
        self.workers += [Worker(None) for _ in range(self.cores - len(owned))]
        self.gpus = len(owned)
        self.used = [0.0] * self.devices
        self._ending: list[tuple[float, int, Task]] = []
        self._waiting: dict[bool, deque[Task]] = {True: deque(), False: deque()}
        self._numbers, self._chance = count(), random.Random(0)  # noqa: S311 (a simulation)

    @property
    def size(self) -> int:
        """All workers."""
        return self.cores

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Task:
        """Begin it where a worker is idle that may do it; else it waits."""
        before = time.process_time()
        made = self._computed(gpu, *arguments) if task is compute else self._committed(*arguments)
        self.making += time.process_time() - before
        self._waiting[gpu].append(made)
        self._assign()
        return made

    def wait(self, futures: Sequence[Task]) -> list[Task]:
        """Jump to the end of the next one."""
        del futures
        self.clock, _, task = heapq.heappop(self._ending)
        assert task.worker is not None
        task.worker.busy = False
        self._assign()
        return [task]

    def result(self, future: Task) -> Any:
        """What came of it."""
        return future.outcome

    def _assign(self) -> None:
        for gpu in (True, False):
            while self._waiting[gpu] and (worker := self._idle(gpu)):
                self._begin(self._waiting[gpu].popleft(), worker)

    def _idle(self, gpu: bool) -> Worker | None:
        idle = [worker for worker in self.workers if not worker.busy and (worker.device is not None or not gpu)]
        return self._chance.choice(idle) if idle else None

    def _begin(self, task: Task, worker: Worker) -> None:
        others = sum(one.busy and one.device == worker.device for one in self.workers) if task.gpu else 0
        seconds = max(task.seconds, task.on_device * (1 + others))
        task.worker, worker.busy = worker, True
        worker.worked += seconds
        if task.gpu and worker.device is not None:
            self.used[worker.device] += task.on_device
            self.on_owners += task.seconds
        heapq.heappush(self._ending, (self.clock + seconds, next(self._numbers), task))

    def _computed(self, gpu: bool, unit: Unit, tasks: Sequence[VideoTask]) -> Task:
        seconds, on_device = seconds_of(unit.stage.name, tasks, FPS, gpu)
        results = [VideoResult(_record(unit, task), None) for task in tasks]
        return Task(seconds, on_device, gpu, Computed(results))

    def _committed(self, unit: Unit, videos: Sequence[str], results: Sequence[VideoResult]) -> Task:
        del videos
        path = unit.workspace.relative(unit.path)
        checksum = Checksum(path=path, bytes=0, sha256=ANY, footer=ANY)
        return Task(COMMIT, 0.0, False, Committed(tuple(result.record for result in results), checksum))


def _record(unit: Unit, task: VideoTask) -> Record:
    """As if the video had been computed; of media files it does not tell, since there are none."""
    return Record(
        video_id=task.video.video_id,
        stage=unit.stage.name,
        outcome="done",
        fingerprint=fingerprint(unit.stage.name, task.basis),
        basis=task.basis,
        digest=ANY,
        digests=dict.fromkeys(_names(unit), ANY),
        rows=1,
        frames=round((task.video.duration or 0.0) * FPS),
    )


def _names(unit: Unit) -> Iterator[str]:
    """The columns and media files of a unit."""
    yield from (column.name for column in unit.stage.columns if column.when is None or column.when(unit.params))
    yield from unit.stage.media_under(unit.params)

"""Which workers of a cluster get tasks: those with the code and packages of this process that share its workspace.

A worker is examined when it is first seen, at whatever moment it joins. A process that took over the address of an
examined worker is not seen here: it refuses its first task (`examiner.perform`), and all are examined again.
"""

import asyncio
import inspect
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import temporary_beside
from portrait_prep.pipeline.run import examiner
from portrait_prep.pipeline.run.connection import ANSWER_SECONDS, scheduler_loss_reported
from portrait_prep.pipeline.run.demands import Demands
from portrait_prep.pipeline.run.gpus import GPU

log = logging.getLogger(__name__)

ADVICE = {
    "Python": "start it with this one",
    "encoding of file names": "set PYTHONUTF8=1 and start it again",
    "ffmpeg": "name the same in IMAGEIO_FFMPEG_EXE, or none, and start it again",
}
INSTALL = "install there what runs here and start it again"
"""What to do about a difference in anything that ADVICE does not name."""

ONE_THREAD = "'dask worker --nthreads 1'"

MAX_CONCURRENT = 32
"""Workers examined at the same time."""
UNREACHABLE_SECONDS = 10.0
"""A new worker that cannot be reached for longer gets no tasks."""


@dataclass
class Workers:
    """The workers of a cluster, examined. Call `look` before reading `fit`, `unfit` or `present`."""

    client: Client
    demands: Demands = field(default_factory=Demands)
    fit: dict[str, bool] = field(default_factory=dict)
    """Address of each worker that passed -> whether it owns a GPU."""

    def __post_init__(self) -> None:
        self.run = uuid.uuid4().hex
        """Id of this run; a process that passed keeps it, and carries out tasks of no other run."""
        self.unfit: dict[str, str] = {}
        """Address of each worker that did not pass -> what is wrong."""
        self.present: frozenset[str] = frozenset()
        """Addresses of all workers that are there, examined or not."""
        self._logged: set[str] = set()
        """Addresses of those whose fault is in the log."""
        self._processes: dict[str, str] = {}
        """Address -> id of the process that answered."""
        self._unreachable_since: dict[str, float] = {}
        """Address -> monotonic time of the first attempt to reach it, of those not reached yet."""
        names = dict.fromkeys([*examiner.FACTS, *self.demands.packages])
        self._expected = {name: examiner.fact(name) for name in names}

    def look(self) -> None:
        """Examine new workers and forget those that are gone. Raises MissingPrerequisite when the scheduler is gone."""
        with scheduler_loss_reported():
            threads = self.client.nthreads(callback_timeout=ANSWER_SECONDS)
        self.present = frozenset(threads)
        for known in (self.fit, self.unfit, self._processes, self._unreachable_since):
            for address in known.keys() - threads.keys():
                del known[address]
        new = threads.keys() - self.fit.keys() - self.unfit.keys()
        if new:
            self._admit({address: threads[address] for address in sorted(new)})

    def log_unfit(self) -> None:
        """Log once of each unfit worker why it gets no tasks."""
        for address, reason in self.unfit.items():
            if address not in self._logged:
                log.warning("The worker %s gets no work: %s.", address, reason)
                self._logged.add(address)

    def require_one(self, scheduler: str) -> None:
        """Raise BadInput unless at least one worker is fit."""
        while self.present and not self.fit and not self.unfit:  # not reached yet
            time.sleep(0.1)
            self.look()
        if not self.fit:
            address, reason = next(iter(self.unfit.items()), ("all of them", "they are gone: start them again"))
            others = f" (and so on: none of {len(self.unfit)} fits)" if len(self.unfit) > 1 else ""
            raise BadInput(f"No worker of {scheduler} can be used: {address}: {reason}{others}.")

    def reexamine_all(self) -> None:
        """Have the next `look` examine all workers again, since an address changed hands."""
        self.fit.clear()
        self.unfit.clear()
        self._processes.clear()

    def _admit(self, threads: Mapping[str, int]) -> None:
        """Examine new workers, given as address -> number of threads, and sort them into `fit` and `unfit`."""
        with scheduler_loss_reported():
            known = self.client.scheduler_info(n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"]
        single = [address for address, number in threads.items() if number == 1]
        troubles = dict.fromkeys(threads.keys() - single, "it has several threads: start it with " + ONE_THREAD)
        with _probe_files(self.demands.folders) as probes, ThreadPoolExecutor(MAX_CONCURRENT) as pool:
            for address, answer in zip(single, pool.map(lambda one: self._ask(one, probes), single), strict=True):
                if not isinstance(answer, BaseException):
                    self._unreachable_since.pop(address, None)
                    troubles[address] = self._fault(address, probes, *answer)
                elif not isinstance(answer, OSError) or self._is_unreachable(address):
                    troubles[address] = f"it cannot be examined ({type(answer).__name__}): see its log"
        for address, trouble in troubles.items():
            if trouble:
                self.unfit[address] = trouble
            elif address in known:
                self.fit[address] = known[address]["resources"].get(GPU, 0) >= 1

    def _is_unreachable(self, address: str) -> bool:
        """Whether a worker could not be reached for long: one that died leaves the scheduler's list sooner."""
        now = time.monotonic()
        return now - self._unreachable_since.setdefault(address, now) > UNREACHABLE_SECONDS

    def _fault(
        self, address: str, probes: Sequence[tuple[str, str]], process: str, facts: Mapping[str, str], trouble: str
    ) -> str:
        """What is wrong with a worker, given what `examiner.examine` returned there; "" if nothing."""
        twin = next((other for other, known in self._processes.items() if known == process), None)
        self._processes[address] = process
        if twin is not None:
            return f"it shares its process with {twin}: start it with {ONE_THREAD}"
        return _difference(facts, self._expected) or trouble or _answer_fault(probes, process)

    def _ask(self, address: str, probes: Sequence[tuple[str, str]]) -> Any:
        """The outcome of `examiner.examine` there, or the exception that it ended in."""
        arguments = {"text": inspect.getsource(examiner), "asked": (self._expected, list(probes), self.run)}
        try:
            answers = self.client.run(
                eval,
                "exec(text) or examine(*asked)",
                {"__name__": examiner.MODULE, **arguments},
                workers=[address],
                on_error="return",
                callback_timeout=ANSWER_SECONDS,
            )
            return answers[address]
        except (Exception, asyncio.CancelledError) as error:
            return error


def _difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """The first fact that differs, and what to do about it; "" if none does."""
    for name, value in here.items():
        if there.get(name) != value:
            return f"its {name} is {there.get(name)}, not {value}: {ADVICE.get(name, INSTALL)}"
    return ""


@contextmanager
def _probe_files(folders: Iterable[Path]) -> Iterator[list[tuple[str, str]]]:
    """Path and content of a new file in each folder that this process can write to; workers write answers beside it.

    At the end the files and the answers are removed.
    """
    probes: list[tuple[str, str]] = []
    try:
        for folder in folders:
            path, content = temporary_beside(folder / "note"), uuid.uuid4().hex
            with suppress(OSError):
                path.write_text(content)
                probes.append((str(path), content))
        yield probes
    finally:
        for name, _ in probes:
            for path in (Path(name), *Path(name).parent.glob(f"{Path(name).name}.*")):
                with suppress(OSError):
                    path.unlink()


def _answer_fault(probes: Iterable[tuple[str, str]], process: str) -> str:
    """What is wrong with the answers that a worker wrote; "" if nothing."""
    for name, content in probes:
        answer = examiner.answer_to(name, process)
        try:
            if answer.read_text() == content:
                answer.unlink()
                continue
            reason = "other content"
        except OSError as error:
            reason = str(error.strerror)
        return f"what it writes to {answer.parent} cannot be taken up here ({reason}): start it as the same user"
    return ""

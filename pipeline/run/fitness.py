"""Which workers of a cluster may work: those that are as this process is, and share the workspace with it.

Each is examined when it is first seen, at whatever moment it joins; one that took another's address was never examined
itself, and finds that out when a task comes (`examiner.perform`).
"""

import inspect
import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from distributed import Client
from packaging.requirements import Requirement

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import temporary_beside
from portrait_prep.pipeline.run import examiner
from portrait_prep.pipeline.run.connection import ANSWER_SECONDS, said_if_lost

log = logging.getLogger(__name__)

GPU = "GPU"
"""Name of dask's resource, as dask-cuda's users have it."""

VALUELESS = frozenset(
    {
        *("cyclopts", "dask", "distributed", "filelock", "jinja2", "packaging"),
        *("requests", "tomlkit", "tqdm", "urllib3", "yt-dlp"),
    }
)
"""Packages whose version decides no value in a table: workers may have others."""

ADVICE = {
    "Python": "start it with this one",
    "encoding of file names": "set PYTHONUTF8=1 and start it again",
    "ffmpeg": "name the same in IMAGEIO_FFMPEG_EXE, or none, and start it again",
}
INSTALL = "install there what runs here and start it again"

ONE_THREAD = "'dask worker --nthreads 1'"

AT_ONCE = 32
"""Workers examined at the same time."""
SILENT_SECONDS = 10.0
"""One that was out of reach for so long gets no work."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a worker: versions of `packages`, and to read and write in `folders` what this process does."""

    packages: Sequence[str] = ()
    folders: Sequence[Path] = ()


def packages_of_values() -> list[str]:
    """The packages that portrait-prep depends on, and that decide values."""
    try:
        needed = [Requirement(line) for line in requires("portrait-prep") or ()]
    except PackageNotFoundError:
        return []
    return [
        one.name
        for one in needed
        if one.name not in VALUELESS and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]


@dataclass
class Workers:
    """The workers of a cluster that passed; `look` before they are asked for."""

    client: Client
    demands: Demands = field(default_factory=Demands)
    fit: dict[str, bool] = field(default_factory=dict)
    """Address of each, and whether it owns a GPU."""

    def __post_init__(self) -> None:
        self.run = uuid.uuid4().hex
        """Known to those that passed."""
        self.unfit: dict[str, str] = {}
        """Address -> what is wrong."""
        self.present: frozenset[str] = frozenset()
        """Addresses of all that are there, examined or not."""
        self._told: set[str] = set()
        self._processes: dict[str, str] = {}
        self._silent: dict[str, float] = {}
        """Address -> when it was out of reach first."""
        names = dict.fromkeys([*examiner.FACTS, *self.demands.packages])
        self._expected = {name: examiner.fact(name) for name in names}

    def look(self) -> None:
        """Examine who is new and forget who is gone. Raises MissingPrerequisite when the scheduler is gone."""
        with said_if_lost():
            threads = self.client.nthreads(callback_timeout=ANSWER_SECONDS)
        self.present = frozenset(threads)
        for known in (self.fit, self.unfit, self._processes):
            for address in known.keys() - threads.keys():
                del known[address]
        new = threads.keys() - self.fit.keys() - self.unfit.keys()
        if new:
            self._admit({address: threads[address] for address in sorted(new)})

    def tell(self) -> None:
        """Say once of each that does not fit why it gets no work."""
        for address, reason in self.unfit.items():
            if address not in self._told:
                log.warning("The worker %s gets no work: %s.", address, reason)
                self._told.add(address)

    def require(self, scheduler: str) -> None:
        """Raise BadInput where none fits."""
        while self.present and not self.fit and not self.unfit:  # out of reach
            time.sleep(0.1)
            self.look()
        if not self.fit:
            address, reason = next(iter(self.unfit.items()), ("all of them", "they are gone: start them again"))
            others = f" (and so on: none of {len(self.unfit)} fits)" if len(self.unfit) > 1 else ""
            raise BadInput(f"No worker of {scheduler} can be used: {address}: {reason}{others}.")

    def distrust(self) -> None:
        """Have all examined anew: a process that never was has one of their addresses."""
        self.fit.clear()
        self.unfit.clear()
        self._processes.clear()

    def _admit(self, threads: Mapping[str, int]) -> None:
        """Sort the new ones, address -> number of threads, into those that fit and those that do not."""
        with said_if_lost():
            known = self.client.scheduler_info(n_workers=-1, callback_timeout=ANSWER_SECONDS)["workers"]
        single = [address for address, number in threads.items() if number == 1]
        troubles = dict.fromkeys(threads.keys() - single, "it has several threads: start it with " + ONE_THREAD)
        with _notes(self.demands.folders) as notes, ThreadPoolExecutor(AT_ONCE) as pool:
            for address, told in zip(single, pool.map(lambda one: self._ask(one, notes), single), strict=True):
                if not isinstance(told, Exception):
                    troubles[address] = self._judge(address, notes, *told)
                elif not isinstance(told, OSError) or self._is_silent(address):
                    troubles[address] = f"it cannot be examined ({type(told).__name__}): see its log"
        for address, trouble in troubles.items():
            if trouble:
                self.unfit[address] = trouble
            elif address in known:
                self.fit[address] = known[address]["resources"].get(GPU, 0) >= 1

    def _is_silent(self, address: str) -> bool:
        """Whether it has been out of reach for long: one that died is soon gone."""
        return time.monotonic() - self._silent.setdefault(address, time.monotonic()) > SILENT_SECONDS

    def _judge(
        self, address: str, notes: Sequence[tuple[str, str]], process: str, facts: Mapping[str, str], trouble: str
    ) -> str:
        """What is wrong with a worker by what `examiner.examine` told of it; "" if nothing."""
        twin = next((other for other, known in self._processes.items() if known == process), None)
        self._processes[address] = process
        if twin is not None:
            return f"it shares its process with {twin}: start it with {ONE_THREAD}"
        return _difference(facts, self._expected) or trouble or _unread(notes, process)

    def _ask(self, address: str, notes: Sequence[tuple[str, str]]) -> Any:
        """The outcome of `examiner.examine` there, or the exception that it ended in."""
        arguments = {"text": inspect.getsource(examiner), "asked": (self._expected, list(notes), self.run)}
        try:
            answers = self.client.run(
                eval,
                "exec(text) or examine(*asked)",
                {"__name__": examiner.KEPT, **arguments},
                workers=[address],
                on_error="return",
                callback_timeout=ANSWER_SECONDS,
            )
            return answers[address]
        except Exception as error:
            return error


def _difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """What differs first, and what to do about it; "" if nothing."""
    for name, value in here.items():
        if there.get(name) != value:
            return f"its {name} is {there.get(name)}, not {value}: {ADVICE.get(name, INSTALL)}"
    return ""


@contextmanager
def _notes(folders: Iterable[Path]) -> Iterator[list[tuple[str, str]]]:
    """A file in each folder to which this process may write, with what it says; at the end they are gone."""
    notes: list[tuple[str, str]] = []
    try:
        for folder in folders:
            note, content = temporary_beside(folder / "note"), uuid.uuid4().hex
            with suppress(OSError):
                note.write_text(content)
                notes.append((str(note), content))
        yield notes
    finally:
        for name, _ in notes:
            for path in (Path(name), *Path(name).parent.glob(f"{Path(name).name}.*")):
                with suppress(OSError):
                    path.unlink()


def _unread(notes: Iterable[tuple[str, str]], process: str) -> str:
    """What is wrong with the answers that a worker wrote; "" if nothing."""
    for name, content in notes:
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

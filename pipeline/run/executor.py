"""What carries out tasks: the interface, and the one that does them in the calling process."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol


class WorkerDied(Exception):
    """The process that did a task is gone: killed, out of memory, or past a deadline."""


class Executor(Protocol):
    """Takes tasks and hands back what is finished."""

    watched: bool
    """Whether a task may end its process (a watchdog can be set), because another would take its place."""

    @property
    def size(self) -> int:
        """How many tasks can be under way at once."""

    @property
    def gpus(self) -> int:
        """How many of them can have a GPU; in one run either always 0 or never."""

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        """Start a task, where there is a GPU for it alone if it is to have one; return its future."""

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        """Wait until at least one is finished; return the finished ones."""

    def result(self, future: Any) -> Any:
        """The outcome of a finished future. Raises what the task raised, or WorkerDied."""


class InProcessExecutor:
    """Does each task at once, in the calling process: for tests and debuggers."""

    size = 1
    watched = False

    def __init__(self, gpus: int = 0) -> None:
        self.gpus = gpus

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Future[Any]:
        """Run the task; this process uses the first GPU that it sees."""
        del gpu
        future: Future[Any] = Future()
        try:
            future.set_result(task(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Sequence[Future[Any]]) -> list[Future[Any]]:
        """All are finished."""
        return list(futures)

    def result(self, future: Future[Any]) -> Any:
        """The outcome."""
        return future.result()

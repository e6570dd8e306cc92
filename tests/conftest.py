"""Fixtures shared by all rooms' tests."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from portrait_prep.demo.corpus import make

settings.register_profile("suite", deadline=None)  # a machine that is busy is no failure
settings.load_profile("suite")


@pytest.fixture(scope="session")
def demo_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in demo corpus, made once: videos with a truth file beside each. Not to be written to.

    The processes that share the tests share it, too: the base of each lies in a folder of all.
    """
    own = tmp_path_factory.getbasetemp()
    base = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = base / "demo-sources"
    with FileLock(base / "demo-sources.lock"):
        if not folder.exists():
            make(own / "unfinished")
            (own / "unfinished").rename(folder)
    return folder


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Processes that the test starts take SIGINT, even where ours was told to ignore it (`… &` in a script, some CI).

    What is ignored is inherited, what has a handler is not: a new process has the default again.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel between processes: what a test printed or logged may quote names that are not UTF-8."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report

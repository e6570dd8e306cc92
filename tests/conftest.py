"""Fixtures shared by all rooms' tests."""

from collections.abc import Generator
from pathlib import Path

import pytest

from portrait_prep.demo.corpus import make


@pytest.fixture(scope="session")
def demo_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in demo corpus, made once: videos with a truth file beside each. Not to be written to."""
    folder = tmp_path_factory.mktemp("demo") / "sources"
    make(folder)
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel between processes: what a test printed or logged may quote names that are not UTF-8."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report

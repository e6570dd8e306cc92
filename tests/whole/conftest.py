import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portrait_prep.cli.main import main
from portrait_prep.pipeline.declare.workspace import WORKSPACE_VARIABLE
from tests.stages.fetch.server import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A web server; no proxy of this machine stands between it and the commands that the test runs."""
    with pytest.MonkeyPatch.context() as patch, Server() as running:
        patch.setenv("NO_PROXY", "*")
        yield running


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`portrait-prep …`: exit code, and what it printed on stdout and stderr."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # of the process that runs the tests
    monkeypatch.setenv(WORKSPACE_VARIABLE, "")

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["portrait-prep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call

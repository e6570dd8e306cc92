from collections.abc import Iterator

import pytest

from stages.fetch import retries
from tests.stages.fetch.server import Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server; no proxy of this machine stands before it, and nobody waits long before asking it again."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    with Server() as running:
        yield running

from collections.abc import Iterator

import pytest

from tests.stages.fetch.server import Server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A web server; no proxy of this machine stands between it and the commands that the test runs."""
    with pytest.MonkeyPatch.context() as patch, Server() as running:
        patch.setenv("NO_PROXY", "*")
        yield running

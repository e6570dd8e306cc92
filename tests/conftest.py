"""Fixtures shared by all rooms' tests."""

from pathlib import Path

import pytest

from demo.corpus import make


@pytest.fixture(scope="session")
def demo_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in demo corpus, made once: videos with a truth file beside each. Not to be written to."""
    folder = tmp_path_factory.mktemp("demo") / "sources"
    make(folder)
    return folder

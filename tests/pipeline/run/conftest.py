"""What the tests of runs share."""

import logging
from collections.abc import Iterator

import pytest


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What the pipeline logs; dask, told to be silent, sets the levels of pytest's own handlers."""
    kept, logger = Kept(), logging.getLogger("portrait_prep")
    logger.addHandler(kept)
    yield kept.records
    logger.removeHandler(kept)

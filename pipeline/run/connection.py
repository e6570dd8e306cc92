"""The connection to a dask scheduler, which may go away at any moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from portrait_prep.errors import MissingPrerequisite, PortraitPrepError

LOST = "The dask scheduler is gone: start it and run again; what is committed is kept."

ANSWER_SECONDS = 60.0
"""A scheduler or worker that does not answer for so long counts as gone."""


@contextmanager
def scheduler_loss_reported() -> Iterator[None]:
    """Turn any error of the calls in the block into MissingPrerequisite(LOST).

    For calls that only talk to the scheduler: dask reports its loss by errors of many types, and raises no others here.
    """
    try:
        yield
    except PortraitPrepError:
        raise
    except (Exception, asyncio.CancelledError) as error:
        raise MissingPrerequisite(LOST) from error

"""The connection to a dask scheduler, which may go away at any moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from portrait_prep.errors import MissingPrerequisite, PortraitPrepError

LOST = "The dask scheduler is gone: start it and run again; what is committed is kept."

ANSWER_SECONDS = 60.0
"""What does not answer for so long is gone."""


@contextmanager
def said_if_lost() -> Iterator[None]:
    """Around calls that do nothing but talk to the scheduler: whatever they raise, of dask's many types, it is gone."""
    try:
        yield
    except PortraitPrepError:
        raise
    except (Exception, asyncio.CancelledError) as error:
        raise MissingPrerequisite(LOST) from error

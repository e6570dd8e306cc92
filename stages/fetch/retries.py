"""Taking up again what broke off: as often as allowed, and each time after a longer wait."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

FIRST_WAIT = 0.5
"""Seconds before a transfer that broke off is taken up again; each further time twice as long."""
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 120.0
"""Seconds that a server may make us wait by its Retry-After."""

Got = TypeVar("Got")


class Interrupted(Exception):
    """This try came to nothing, another may not; `wait` is how long the server wants us to wait, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.tries = 1
        """Failures in a row, this one included, with no new bytes between them."""


def persist(attempt: Callable[[], Got], reached: Callable[[], int], retries: int) -> Got:
    """Call `attempt` until it is not interrupted, and return what it returns.

    `reached` tells how many bytes are here: only failures in a row, with no new bytes between them, count as retries.
    Raises the last Interrupted when they are too many, and whatever else `attempt` raises.
    """
    failures, furthest = 0, reached()
    while True:
        try:
            return attempt()
        except Interrupted as interrupted:
            here = reached()
            failures = 1 if here > furthest else failures + 1
            furthest = max(furthest, here)
            if failures > retries:
                interrupted.tries = failures
                raise
            time.sleep(wait(failures, interrupted.wait))


def wait(failures: int, asked: float | None) -> float:
    """Seconds to wait after so many failures; less by chance, so that many transfers do not come back as one."""
    if asked is not None:
        return min(asked, LONGEST_RETRY_AFTER)
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return random.SystemRandom().uniform(longest / 2, longest)

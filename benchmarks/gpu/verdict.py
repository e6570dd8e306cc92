"""What one part of the trial found: lines of a table, and whether the claim that it puts to the test holds."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """A claim, whether it holds (None: it could not be tried here), what was seen, and the lines of a table of it."""

    claim: str
    holds: bool | None
    seen: str
    table: Sequence[str] = ()

    def line(self) -> str:
        """The verdict in one line."""
        word = {True: "PROVED", False: "DISPROVED", None: "NOT TRIED"}[self.holds]
        return f"{word}: {self.claim} ({self.seen})"

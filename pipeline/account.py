"""An account of one video: what it comes to be counted, joined with others, or tried again by."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from manifests.catalogue import Video
from manifests.quality import Verdict
from pipeline.plan import State


class Account(Protocol):
    """Either read from the shards (a dossier), or recalled from the table of the manifests."""

    @property
    def video(self) -> Video:
        """The row of the catalogue."""

    @property
    def verdict(self) -> Verdict:
        """The verdict that counts."""

    @property
    def states(self) -> Mapping[str, State]:
        """Stage -> where the video stands."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Stage that is done -> digest of what it made."""

    @property
    def failures(self) -> Sequence[Mapping[str, Any]]:
        """One a stage that failed, as `status --json` tells it."""

"""What has a section of its own in `pipeline.toml`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import Params


class Section(Protocol):
    """A section of settings, and what is measured under them: a stage, or a `PlainSection`."""

    @property
    def name(self) -> str:
        """Its name in `pipeline.toml`."""

    @property
    def params(self) -> type[Params]:
        """Its settings."""

    @property
    def metrics(self) -> Sequence[Metric]:
        """What is measured; bounds of it lie in `[quality]`."""


@dataclass(frozen=True)
class PlainSection:
    """A section of what is no stage."""

    name: str
    params: type[Params]
    metrics: tuple[Metric, ...] = ()

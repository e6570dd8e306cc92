"""The charts and columns of the report: one for each metric that a stage declares with a title."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portrait_prep.pipeline.declare.metric import Metric, is_finite
from portrait_prep.pipeline.declare.quality import Measured, QualitySettings, limit_of
from portrait_prep.pipeline.declare.stage import Stage

SHOWN: Mapping[str, tuple[str, float]] = {"share": ("%", 100.0), "degrees": ("°", 1.0)}
"""Unit of a metric -> the unit in which people read it, and how many of these it is. All others stay."""


@dataclass(frozen=True)
class Chart:
    """A metric of a stage, as it is shown."""

    stage: str
    metric: Metric

    @property
    def key(self) -> str:
        """`stage.metric`."""
        return f"{self.stage}.{self.metric.name}"

    @property
    def unit(self) -> str:
        """As people read it."""
        return SHOWN.get(self.metric.unit, (self.metric.unit, 1.0))[0]

    @property
    def scale(self) -> float:
        """What a value is multiplied by, to be shown in this unit."""
        return SHOWN.get(self.metric.unit, ("", 1.0))[1]

    def of(self, metrics: Mapping[str, Any]) -> float | None:
        """The number of a video, given its metrics as `stage.metric`; None where no stage measured it."""
        values = numbers(metrics.get(f"{self.stage}.{self.metric.view_of or self.metric.name}"))
        return round(self.metric.take(values) * self.scale, self.metric.decimals) if values else None

    def limits(self, settings: QualitySettings) -> dict[str, float]:
        """`min` and `max`, where rules bound it, on the scale on which it is shown."""
        found: dict[str, float] = {}
        for bound in self.metric.bounds:
            limit = limit_of(bound, settings)
            if limit is None:
                continue
            shown = round(limit * self.scale, self.metric.decimals + 2)
            if bound.sense != "at least":
                found["max"] = shown
            if bound.sense != "at most":
                found["min"] = -shown if bound.sense == "within" else shown
        return found


def charts(stages: Sequence[Stage[Any]]) -> tuple[Chart, ...]:
    """In the order of the stages."""
    return tuple(Chart(stage.name, metric) for stage in stages for metric in stage.metrics if metric.title)


def flat(records: Mapping[str, Measured]) -> dict[str, Any]:
    """All metrics of one video, as `stage.metric`."""
    return {f"{stage}.{name}": value for stage, record in records.items() for name, value in record.metrics.items()}


def numbers(value: Any) -> list[float]:
    """The finite numbers in a metric that may be one, a list, or nothing; what else somebody wrote there is none."""
    values = value if isinstance(value, list) else [value]
    return [float(one) for one in values if isinstance(one, int | float) and is_finite(one)]

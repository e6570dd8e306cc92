"""The rules of quality, as the stages declare them: their settings, and the verdict. Judging computes no stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ConfigDict, Field, create_model, field_validator
from pydantic_core import PydanticCustomError

from portrait_prep.manifests.record import Model
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.manifests.wording import at
from portrait_prep.pipeline.declare.metric import Bound, Metric
from portrait_prep.pipeline.declare.section import Section

LARGEST = 1e12
"""Of thresholds: above all that is measured."""

UNFIT = (TypeError, ValueError, ArithmeticError, LookupError)
"""What comparing or formatting a value of another kind than declared may raise."""


class QualitySettings(Model):
    """Thresholds of the verdict, a field each; see `quality_settings`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _can_be_shown(cls, value: float) -> float:
        """A whole number may have thousands of digits, which no text or chart takes."""
        if abs(value) > LARGEST:
            raise PydanticCustomError("threshold", f"must be between -{LARGEST:g} and {LARGEST:g}")
        return value


def quality_settings(stages: Sequence[Section]) -> type[QualitySettings]:
    """The model of `[quality]`: what these stages' bounds and their switches set, in the order of the stages."""
    fields: dict[str, Any] = {}
    for _, _, bound in _bounds(stages):
        if switch := bound.only_if:
            fields[switch.setting] = (bool, Field(switch.default, description=switch.description))
        limits: dict[str, Any] = {"description": bound.description, **bound.allowed}
        fields[bound.setting] = (type(bound.default), Field(bound.default, **limits))
    return create_model("QualitySettings", __base__=QualitySettings, **fields)


def _bounds(stages: Sequence[Section]) -> Iterator[tuple[Section, Metric, Bound]]:
    return ((stage, metric, bound) for stage in stages for metric in stage.metrics for bound in metric.bounds)


@dataclass(frozen=True)
class Rule:
    """A bound of a metric under the settings. `limit` is None where the settings switch it off."""

    stage: str
    metric: str
    bound: Bound
    limit: float | None

    @property
    def key(self) -> str:
        """The setting that speaks."""
        return self.bound.setting

    @property
    def heading(self) -> str:
        """What it says of any video that it rejects."""
        return self.bound.heading(self.limit) + (", …" if self.bound.places else "")

    def rejection(self, value: Any, places: Any = None) -> str | None:
        """Why a video with this value is rejected, and where; None where it is not.

        `places` is the value of the metric that the bound names for them. What was not measured rejects nothing.
        """
        if self.limit is None or value is None or self.bound.holds(value, self.limit):
            return None
        sentence = self.bound.told(value, self.limit)
        return f"{sentence}, {at(places)}" if places else sentence

    def rejection_by(self, metrics: Mapping[str, Any]) -> str | None:
        """The same of a video with these metrics of the stage.

        A value that the stage cannot have written is a reason, too; `audit` names its file.
        """
        try:
            return self.rejection(metrics.get(self.metric), metrics.get(self.bound.places))
        except UNFIT:
            return f"the record of {self.stage} has a {self.metric} that cannot be judged"


def rules(stages: Sequence[Section], settings: QualitySettings) -> tuple[Rule, ...]:
    """The rules of these stages, in their order, under settings of `quality_settings`."""
    return tuple(
        Rule(stage.name, metric.name, bound, limit_of(bound, settings)) for stage, metric, bound in _bounds(stages)
    )


def limit_of(bound: Bound, settings: QualitySettings) -> float | None:
    """What the settings say; None where they switch it off."""
    counts = bound.only_if is None or getattr(settings, bound.only_if.setting)
    return getattr(settings, bound.setting) if counts else None


class Measured(Protocol):
    """What has metrics: a record, or what is known of one."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Name -> value."""


def judge(records: Mapping[str, Measured], unfinished: Mapping[str, str], applied: Sequence[Rule]) -> Verdict:
    """Judge one video by its records (stage -> record) and the rules.

    `unfinished` maps stages that are not done to what they are instead; each is a reason to which no rule belongs.
    """
    reasons: list[tuple[str, str | None]] = [(f"{stage} is {state}", None) for stage, state in unfinished.items()]
    for rule in applied:
        record = None if rule.stage in unfinished else records.get(rule.stage)
        if record is not None and (why := rule.rejection_by(record.metrics)):
            reasons.append((why, rule.key))
    return Verdict(
        accepted=not reasons, reasons=tuple(why for why, _ in reasons), rules=tuple(key for _, key in reasons)
    )

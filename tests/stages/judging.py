"""The verdict that the stages' own rules come to."""

from collections.abc import Mapping
from typing import Any

from portrait_prep.manifests.record import Record
from portrait_prep.manifests.verdict import Verdict
from portrait_prep.pipeline.declare.quality import QualitySettings, Rule, judge, quality_settings, rules
from portrait_prep.stages.order import STAGES

MODEL = quality_settings(STAGES)
RULES = rules(STAGES, MODEL())


def quality(**limits: Any) -> QualitySettings:
    """The settings of `[quality]`, checked."""
    return MODEL(**limits)


def applied(**limits: Any) -> tuple[Rule, ...]:
    """All rules, under these settings."""
    return rules(STAGES, quality(**limits))


def verdict_on(records: Mapping[str, Record], unfinished: Mapping[str, str] | None = None, **limits: Any) -> Verdict:
    """Judge a video by its records under these settings."""
    return judge(records, unfinished or {}, applied(**limits))

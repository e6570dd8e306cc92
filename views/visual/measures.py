"""The page of measures: every metric that the stages declare, with its rule, as a table in Markdown."""

from collections.abc import Iterator, Sequence
from typing import Any

from portrait_prep.pipeline.declare.metric import Bound, Metric
from portrait_prep.pipeline.declare.quality import QualitySettings
from portrait_prep.pipeline.declare.stage import Stage

HEAD = ("measure", "unit", "what it is", "rule", "what it cannot tell")
WORDS = {"at least": "≥", "at most": "≤", "within": "±"}


def measures(stages: Sequence[Stage[Any]], settings: QualitySettings) -> Iterator[str]:
    """The lines of the table; rules have the thresholds of `settings`."""
    yield _line(HEAD)
    yield _line(["---"] * len(HEAD))
    for stage in stages:
        yield from (_line(_cells(stage.name, metric, settings)) for metric in stage.metrics if metric.recorded)


def _cells(stage: str, metric: Metric, settings: QualitySettings) -> tuple[str, ...]:
    rules = ", ".join(_rule(bound, settings) for bound in metric.bounds)
    return (f"`{stage}.{metric.name}`", metric.unit, metric.meaning, rules, metric.blind)


def _rule(bound: Bound, settings: QualitySettings) -> str:
    condition = f" with `{bound.only_if.setting}`" if bound.only_if else ""
    return f"`{bound.setting}` {WORDS[bound.sense]} {getattr(settings, bound.setting):g}{condition}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")

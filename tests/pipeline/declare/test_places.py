"""A rejection says where: of the metric that its bound names for places."""

from dataclasses import replace
from typing import Any

import pytest

from portrait_prep.manifests.wording import at
from portrait_prep.pipeline.declare.metric import Metric, at_most
from portrait_prep.pipeline.declare.quality import Rule
from portrait_prep.stages.order import STAGES
from tests.stages.judging import RULES

CUTS = Rule("s", "cuts", at_most("max_cuts", 0, "d", "{value} cuts, more than {limit}", places="cut_times"), 0)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([3.2], "at 3.20 s"),
        ([3.2, 5], "at 3.20 s, 5.00 s"),
        ([1, 2, 3, 4, 5.5], "at 1.00 s, 2.00 s, 3.00 s and 2 more"),
        ([[1.96, 5.04]], "from 1.96 to 5.04 s"),
        ([(0.0, 1.0)] * 4, "from 0.00 to 1.00 s, from 0.00 to 1.00 s, from 0.00 to 1.00 s and 1 more"),
    ],
)
def test_up_to_three_places_are_told(places: list[Any], told: str) -> None:
    assert at(places) == told
    assert CUTS.rejection_by({"cuts": 2, "cut_times": places}) == f"2 cuts, more than 0, {told}"


@pytest.mark.parametrize("metrics", [{"cuts": 2}, {"cuts": 2, "cut_times": []}, {"cuts": 2, "cut_times": None}])
def test_a_record_without_places_is_judged_all_the_same(metrics: dict[str, Any]) -> None:
    assert CUTS.rejection_by(metrics) == "2 cuts, more than 0"
    assert CUTS.heading == "… cuts, more than 0, …"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.key))
def test_what_no_stage_can_have_measured_is_not_accepted(rule: Rule) -> None:
    strict = replace(rule, limit=0.0)
    values: tuple[Any, ...] = ("many", [], {"a": 1})
    for value in values:
        said = strict.rejection_by({rule.metric: value})
        assert said == f"the record of {rule.stage} has a {rule.metric} that cannot be judged"
    assert CUTS.rejection_by({"cuts": 10**400, "cut_times": 5.0}) == "the record of s has a cuts that cannot be judged"


def test_places_are_metrics_of_the_same_stage_in_seconds() -> None:
    of_stage: dict[str, dict[str, Metric]] = {stage.name: {m.name: m for m in stage.metrics} for stage in STAGES}
    placed = [rule for rule in RULES if rule.bound.places]
    assert {rule.metric for rule in placed} >= {
        "cuts",
        "identity_jumps",
        "longest_gap",
        "longest_repeat",
        "longest_hole",
    }
    for rule in placed:
        metric = of_stage[rule.stage][rule.bound.places]
        assert metric.unit == "s"
        assert metric.kind in ("numbers", "ranges")

from typing import Any

import pytest
from pydantic import ValidationError

from manifests.quality import RULES, QualitySettings, judge
from manifests.record import Basis, Record

GOOD: dict[str, dict[str, Any]] = {
    "normalize": {"seconds": 4.0},
    "landmarks": {"face_share": 1.0, "face_confirmed_share": 1.0, "identity_jumps": 0},
    "headpose": {"scale_min": 0.9, "scale_max": 1.1},
}


def records(metrics: dict[str, dict[str, Any]]) -> dict[str, Record]:
    basis = Basis(version=1)
    return {
        stage: Record(video_id="v", stage=stage, outcome="done", fingerprint="", basis=basis, metrics=measured)
        for stage, measured in metrics.items()
    }


def test_every_rule_has_its_measure_in_a_good_video_and_passes() -> None:
    assert all(rule.metric in GOOD[rule.stage] for rule in RULES)
    verdict = judge(records(GOOD), {}, QualitySettings())
    assert (verdict.accepted, verdict.reasons) == (True, ())


@pytest.mark.parametrize(
    ("stage", "metric", "at_limit", "beyond", "words"),
    [
        ("landmarks", "face_share", 0.9, 0.89, "a face was seen in 89.0% of the frames, less than 90%"),
        ("landmarks", "face_confirmed_share", 0.5, 0.4, "confirms the tracked face at 40% of the looks, less than 50%"),
        ("landmarks", "identity_jumps", 0, 1, "jumped 1 times to another, more than 0"),
        ("normalize", "seconds", 1.0, 0.96, "it lasts 0.96 s, less than 1 s"),
        ("headpose", "scale_min", 0.4, 0.3, "the scale falls to 0.30, below 0.4"),
        ("headpose", "scale_max", 4.0, 4.1, "the scale rises to 4.10, above 4"),
    ],
)
def test_a_measure_beyond_its_limit_rejects_for_that_reason_alone(
    stage: str, metric: str, at_limit: float, beyond: float, words: str
) -> None:
    for value, accepted in ((at_limit, True), (beyond, False)):
        verdict = judge(records({**GOOD, stage: {**GOOD[stage], metric: value}}), {}, QualitySettings())
        assert verdict.accepted is accepted
        assert len(verdict.reasons) == (not accepted)
        assert accepted or words in verdict.reasons[0]


def test_what_was_not_measured_is_not_judged_and_what_is_not_done_rejects() -> None:
    assert judge(records({"landmarks": {}}), {}, QualitySettings()).accepted
    bad = {**GOOD, "landmarks": {**GOOD["landmarks"], "face_share": 0.1}}
    assert judge(records(bad), {"landmarks": "stale"}, QualitySettings()).reasons == ("landmarks is stale",)


@pytest.mark.parametrize("values", [{"min_seconds": True}, {"min_seconds": "2"}, {"max_identity_jumps": 0.5}])
def test_a_limit_must_be_a_number_of_its_kind(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QualitySettings(**values)
    assert QualitySettings(min_seconds=2).min_seconds == 2.0

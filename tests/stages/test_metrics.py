"""The metrics that the stages declare, and the rules that follow from them."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from portrait_prep.manifests.record import Basis, Record
from portrait_prep.pipeline.declare.quality import Rule
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.stages.order import STAGES
from tests.stages.judging import MODEL, RULES, quality, verdict_on

GOOD: dict[str, dict[str, Any]] = {
    "normalize": {
        "seconds": 4.0,
        "upscaling": 1.1,
        "sound_offset": None,
        "frame_rate": 25.0,
        "longest_hole": 0.04,
    },
    "landmarks": {
        "face_share": 1.0,
        "longest_gap": 0,
        "face_confirmed_share": 1.0,
        "several_faces_share": 0.0,
        "identity_jumps": 0,
        "landmark_jump": 0.1,
        "scale_jump": 1.02,
        "cuts": 0,
        "dissolves": 0,
        "repeated_share": 0.0,
        "picture_rate": 25.0,
        "longest_repeat": 0.0,
        "blur": 0.4,
        "face_luma": 130.0,
        "crushed_share": 0.01,
        "blown_share": 0.0,
        "outside_share": 0.0,
        "mouth_covered_share": 0.0,
    },
    "headpose": {
        "scale_min": 0.9,
        "scale_max": 1.1,
        "yaw_range": [-20.0, 25.0],
        "pitch_range": [-5.0, 12.0],
        "roll_range": [-6.0, 4.0],
        "jitter": 0.5,
        "face_motion": 2.2,
    },
    "torso": {"visible_share": [1.0, 0.0]},
    "speech": {"silent_share": 0.2, "rms_dbfs": -25.0, "clipped_share": 0.0},
    "stats": {"lag": -2, "mouth_motion": 6.0},
}


def records(metrics: dict[str, dict[str, Any]]) -> dict[str, Record]:
    basis = Basis(version=1)
    return {
        stage: Record(video_id="v", stage=stage, outcome="done", fingerprint="", basis=basis, metrics=measured)
        for stage, measured in metrics.items()
    }


def test_every_rule_has_its_measure_in_a_good_video_and_passes() -> None:
    assert all(rule.metric in GOOD[rule.stage] for rule in RULES)
    verdict = verdict_on(records(GOOD))
    assert (verdict.accepted, verdict.reasons, verdict.rules) == (True, (), ())


BEYOND: list[tuple[str, str, Any, Any, str]] = [
    ("normalize", "seconds", 1.0, 0.96, "it lasts 0.96 s, less than 1 s"),
    ("normalize", "upscaling", 4.0, 4.5, "each source pixel became 4.5 in a row, more than 4"),
    (
        "normalize",
        "sound_offset",
        -0.12,
        -0.2,
        "the sound file is 0.200 s ahead of the video's own sound (limit 0.12 s)",
    ),
    ("normalize", "frame_rate", 11.0, 10.0, "the source has 10.0 frames a second, fewer than 11"),
    ("normalize", "longest_hole", 1.0, 3.04, "its picture has a hole of 3.04 s, more than 1 s"),
    ("landmarks", "repeated_share", 0.8, 0.97, "97% of the frames repeat the one before, more than 80%"),
    ("landmarks", "picture_rate", 11.0, 10.0, "there are 10.0 new pictures a second, fewer than 11"),
    ("landmarks", "longest_repeat", 1.0, 2.96, "the picture stands still for 2.96 s, more than 1 s"),
    ("landmarks", "face_share", 0.9, 0.89, "a face was seen in 89.0% of the frames, less than 90%"),
    ("landmarks", "longest_gap", 50, 51, "no face was seen for 51 frames in a row, more than 50"),
    ("landmarks", "face_confirmed_share", 0.5, 0.4, "confirms the tracked face at 40% of the looks, less than 50%"),
    ("landmarks", "several_faces_share", 0.5, 0.6, "more than one face is in the picture at 60% of the looks"),
    ("landmarks", "identity_jumps", 0, 1, "jumped 1 time to another, more than 0"),
    ("landmarks", "landmark_jump", 0.5, 0.7, "the face moves by 0.70 of its size from one frame to the next"),
    ("landmarks", "scale_jump", 1.2, 1.4, "the face's size changes by a factor of 1.40 from one frame to the next"),
    ("landmarks", "cuts", 0, 2, "it has 2 scene cuts, more than 0"),
    ("landmarks", "dissolves", 0, 1, "it has 1 dissolve from one picture to another, more than 0"),
    ("landmarks", "outside_share", 0.1, 0.3, "30% of the face lie outside of the source picture, more than 10%"),
    (
        *("landmarks", "mouth_covered_share", 0.3, 0.4),
        "at 40% of the looks what lies at the lips has not the colour of the face, more than 30%",
    ),
    ("landmarks", "blur", 0.65, 0.7, "the face is blurred by 0.70, more than 0.65"),
    ("landmarks", "face_luma", 30.0, 20.4, "the face is dark: its mean luma is 20, below 30"),
    ("landmarks", "face_luma", 225.0, 240.0, "the face is too bright: its mean luma is 240, above 225"),
    ("landmarks", "crushed_share", 0.3, 0.4, "40% of the face's pixels are black, more than 30%"),
    ("landmarks", "blown_share", 0.2, 0.4, "40% of the face's pixels are white, more than 20%"),
    ("headpose", "scale_min", 0.4, 0.3, "the scale falls to 0.30, below 0.4"),
    ("headpose", "scale_max", 4.0, 4.1, "the scale rises to 4.10, above 4"),
    ("headpose", "yaw_range", [-60.0, 60.0], [-61.0, 5.0], "the head turns from -61 to 5 degrees (yaw), beyond 60"),
    ("headpose", "pitch_range", [-45.0, 45.0], [-5.0, 46.0], "the head nods from -5 to 46 degrees (pitch), beyond 45"),
    ("headpose", "roll_range", [-45.0, 45.0], [80.0, 95.0], "the head tilts from 80 to 95 degrees (roll), beyond 45"),
    ("headpose", "jitter", 3.0, 3.5, "points that stay still on a head tremble by 3.5 canonical px, more than 3"),
    ("headpose", "face_motion", 0.6, 0.1, "eyes, brows and lips move by 0.10 canonical px, less than 0.6"),
    ("torso", "visible_share", [0.3, 0.9], [0.29, 0.9], "visible in 29% (image left) and 90% (image right) of the"),
    ("speech", "silent_share", 0.8, 0.9, "90.0% of the frames are silent, more than 80%"),
    ("speech", "rms_dbfs", -60.0, -61.5, "the level of its sound is -61.5 dBFS, below -60"),
    ("speech", "clipped_share", 0.005, 0.02, "2.00% of the samples are clipped, more than 0.50%"),
    ("stats", "lag", 5, 6, "the mouth is 6 frames behind the voice (limit 5)"),
    ("stats", "mouth_motion", 1.5, 0.2, "a voice is heard and the lips move by 0.2 canonical px, less than 1.5"),
    ("stats", "lag", -5, -7, "the mouth is 7 frames ahead of the voice (limit 5)"),
]
STRICT: dict[str, Any] = {"require_sound": True, "min_shoulder_share": 0.3}


@pytest.mark.parametrize(("stage", "metric", "at_limit", "beyond", "words"), BEYOND)
def test_a_measure_beyond_its_limit_rejects_for_that_reason_alone(
    stage: str, metric: str, at_limit: Any, beyond: Any, words: str
) -> None:
    good = {**GOOD, "torso": {"visible_share": [0.5, 0.5]}}
    for value, accepted in ((at_limit, True), (beyond, False)):
        verdict = verdict_on(records({**good, stage: {**good[stage], metric: value}}), **STRICT)
        assert verdict.accepted is accepted
        assert len(verdict.reasons) == len(verdict.rules) == (not accepted)
        assert accepted or words in verdict.reasons[0]
        assert accepted or (stage, metric) in [
            (rule.stage, rule.metric) for rule in RULES if rule.key == verdict.rules[0]
        ]


def test_every_rule_is_tried() -> None:
    assert {rule.metric for rule in RULES} == {metric for _, metric, *_ in BEYOND}


def test_every_threshold_is_told_to_the_user_and_speaks_in_its_rejection() -> None:
    assert MODEL.model_fields.keys() - {rule.key for rule in RULES} == {"require_sound"}
    assert all(field.description for field in MODEL.model_fields.values())
    assert all("{limit" in rule.bound.rejection for rule in RULES)
    assert all("{value" in rule.bound.rejection or "{size" in rule.bound.rejection for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_the_heading_of_a_rule_keeps_its_threshold_and_no_value(rule: Rule) -> None:
    here, there = (replace(rule, limit=limit).heading for limit in (0.25, 0.75))
    assert "…" in here
    assert here != there


def test_a_setting_belongs_to_one_rule() -> None:
    assert len({rule.key for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_metrics_are_named_once_and_say_what_they_are(stage: Stage[Any]) -> None:
    assert len({metric.name for metric in stage.metrics}) == len(stage.metrics)
    for metric in stage.metrics:
        assert metric.meaning
        assert not metric.bounds or metric.title, "what a rule looks at is shown in the report"
        assert not metric.view_of or metric.view_of in {other.name for other in stage.metrics if other.recorded}


def test_silence_is_fine_where_no_sound_is_required() -> None:
    silent = {**GOOD, "speech": {"silent_share": 1.0, "rms_dbfs": None, "clipped_share": 0.0}}
    assert verdict_on(records(silent)).accepted
    (reason,) = verdict_on(records(silent), require_sound=True).reasons
    assert reason == "100.0% of the frames are silent, more than 80%"


def test_what_could_not_be_determined_rejects_nothing() -> None:
    unknown = {stage: dict.fromkeys(metrics) for stage, metrics in GOOD.items()}
    assert verdict_on(records(unknown), **STRICT).accepted


def test_what_was_not_measured_is_not_judged_and_what_is_not_done_rejects() -> None:
    assert verdict_on(records({"landmarks": {}})).accepted
    bad = {**GOOD, "landmarks": {**GOOD["landmarks"], "face_share": 0.1}}
    verdict = verdict_on(records(bad), {"landmarks": "stale"})
    assert (verdict.reasons, verdict.rules) == (("landmarks is stale",), (None,))


@pytest.mark.parametrize("values", [{"min_seconds": True}, {"min_seconds": "2"}, {"max_identity_jumps": 0.5}])
def test_a_limit_must_be_a_number_of_its_kind(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        quality(**values)
    assert quality(min_seconds=2).model_dump()["min_seconds"] == 2.0

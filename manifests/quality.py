"""The quality verdict: rules over what the stages measured. Judging reads records only and computes no stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field

from manifests.record import Model, Record


class QualitySettings(Model):
    """Thresholds of the verdict."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    min_face_share: float = Field(0.9, ge=0, le=1, description="least share of frames in which a face was detected")
    min_confirmed_share: float = Field(
        0.5, ge=0, le=1, description="least share of looks at which the face detector, too, sees the tracked face"
    )
    min_seconds: float = Field(1.0, ge=0, description="least length of a video, seconds")
    min_scale: float = Field(0.4, gt=0, description="least scale (canonical px per image px) in any frame")
    max_scale: float = Field(4.0, gt=0, description="greatest scale in any frame: above it the face is tiny")
    max_identity_jumps: int = Field(0, ge=0, description="most jumps from one face to another")


@dataclass(frozen=True)
class Rule:
    """A measure `stage.metric`, what it must fulfil under the settings, and the reason given when it does not."""

    stage: str
    metric: str
    holds: Callable[[Any, QualitySettings], bool]
    reason: str


RULES = (
    Rule(
        "landmarks",
        "face_share",
        lambda value, limits: value >= limits.min_face_share,
        "a face was seen in {value:.1%} of the frames, less than {limits.min_face_share:.0%}",
    ),
    Rule(
        "landmarks",
        "face_confirmed_share",
        lambda value, limits: value >= limits.min_confirmed_share,
        "the face detector confirms the tracked face at {value:.0%} of the looks, less than "
        "{limits.min_confirmed_share:.0%}: it may be upside down, on its side or no face",
    ),
    Rule(
        "normalize",
        "seconds",
        lambda value, limits: value >= limits.min_seconds,
        "it lasts {value:.2f} s, less than {limits.min_seconds:g} s",
    ),
    Rule(
        "headpose",
        "scale_min",
        lambda value, limits: value is None or value >= limits.min_scale,
        "the scale falls to {value:.2f}, below {limits.min_scale:g}: the face is larger than the frame allows",
    ),
    Rule(
        "headpose",
        "scale_max",
        lambda value, limits: value is None or value <= limits.max_scale,
        "the scale rises to {value:.2f}, above {limits.max_scale:g}: the face is too small or was lost",
    ),
    Rule(
        "landmarks",
        "identity_jumps",
        lambda value, limits: value <= limits.max_identity_jumps,
        "the tracked face jumped {value} times to another, more than {limits.max_identity_jumps}",
    ),
)


class Verdict(Model):
    """Accepted, or rejected with every reason."""

    accepted: bool
    reasons: tuple[str, ...] = ()


def judge(records: Mapping[str, Record], unfinished: Mapping[str, str], settings: QualitySettings) -> Verdict:
    """Judge one video by its records. `unfinished` maps stages that are not done to what they are instead."""
    reasons = [f"{stage} is {told}" for stage, told in unfinished.items()]
    for rule in RULES:
        record = records.get(rule.stage)
        if record is None or rule.metric not in record.metrics or rule.stage in unfinished:
            continue
        value = record.metrics[rule.metric]
        if not rule.holds(value, settings):
            reasons.append(rule.reason.format(value=value, limits=settings))
    return Verdict(accepted=not reasons, reasons=tuple(reasons))

"""Reviews: what a person decided of a video. They outrank the rules, and only `review clear` takes them back.

They lie in the workspace as `reviews.jsonl`, JSON Lines (jsonlines.org) in UTF-8, one line a video in order of
`video_id`; nothing that the pipeline computes is kept there, and nothing else of the workspace can restore it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import ConfigDict, Field, ValidationError, field_validator

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.record import Model


class QualitySettings(Model):
    """Thresholds of the verdict. What was not measured, or could not be determined, rejects nothing."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    min_seconds: float = Field(1.0, ge=0, description="least length of a video, seconds")
    min_face_share: float = Field(0.9, ge=0, le=1, description="least share of frames in which a face was detected")
    max_longest_gap: int = Field(50, ge=0, description="most frames in a row without a face: 50 are two seconds")
    min_confirmed_share: float = Field(
        0.5, ge=0, le=1, description="least share of looks at which the face detector, too, sees the tracked face"
    )
    max_several_faces_share: float = Field(
        0.5, ge=0, le=1, description="greatest share of looks at which more than one face is in the 512 px frame"
    )
    max_identity_jumps: int = Field(0, ge=0, description="most jumps from one face to another")
    max_landmark_jump: float = Field(
        0.5, gt=0, description="farthest that the face may move from one frame to the next, in its own sizes"
    )
    max_scale_jump: float = Field(
        1.2, ge=1, description="greatest ratio of the face's sizes from one frame to the next"
    )
    max_cuts: int = Field(0, ge=0, description="most scene cuts")
    min_scale: float = Field(0.4, gt=0, description="least scale (canonical px per image px) in any frame")
    max_scale: float = Field(4.0, gt=0, description="greatest scale in any frame: above it the face is tiny")
    max_upscaling: float = Field(
        4.0, gt=0, description="greatest factor from source pixels to the 512 px frame: at 4 a face has some 60 of them"
    )
    max_yaw: float = Field(60.0, ge=0, le=90, description="degrees either way between which 98 % of the yaws must lie")
    max_pitch: float = Field(45.0, ge=0, le=180, description="the same for the pitch, degrees")
    max_roll: float = Field(45.0, ge=0, le=180, description="the same for the roll, degrees")
    max_jitter: float = Field(
        3.0, gt=0, description="most noise of the points over bone, in canonical px: the eyes are 120 px apart"
    )
    max_blur: float = Field(
        0.65, ge=0, le=1, description="greatest blur of the face (0..1): that of a Gaussian of 5 px in the 512 px frame"
    )
    min_face_luma: float = Field(30.0, ge=0, le=255, description="least mean luma of the face (0..255)")
    max_face_luma: float = Field(225.0, ge=0, le=255, description="greatest mean luma of the face (0..255)")
    max_crushed_share: float = Field(0.3, ge=0, le=1, description="greatest share of the face's pixels that are black")
    max_blown_share: float = Field(0.2, ge=0, le=1, description="greatest share of the face's pixels that are white")
    min_shoulder_share: float = Field(
        0.0, ge=0, le=1, description="least share of frames in which each shoulder is visible; 0: they do not matter"
    )
    require_sound: bool = Field(
        False, description="whether a video needs sound; if so, the next two limits count, otherwise silence is fine"
    )
    max_silent_share: float = Field(0.8, ge=0, le=1, description="greatest share of frames that are silent")
    min_rms_dbfs: float = Field(-60.0, le=0, description="least level of the sound, dBFS")
    max_clipped_share: float = Field(0.005, ge=0, le=1, description="greatest share of samples at full scale")
    max_lag: int = Field(5, ge=0, description="most frames that lips and voice may be apart, where that is determined")
    max_sound_offset: float = Field(
        0.12, ge=0, description="most seconds that a sound file may be apart from the video's own sound"
    )


Predicate = Callable[[Any, QualitySettings], bool]
"""Whether a measured value, never None, is good enough under the settings."""


@dataclass(frozen=True)
class Rule:
    """A measure `stage.metric`, what it must fulfil under the settings, and the reason given when it does not."""

    stage: str
    metric: str
    holds: Predicate
    reason: str


def at_least(limit: str) -> Predicate:
    """Not below the setting of that name."""
    return lambda value, limits: bool(value >= getattr(limits, limit))


def at_most(limit: str) -> Predicate:
    """Not above the setting of that name."""
    return lambda value, limits: bool(value <= getattr(limits, limit))


def within(limit: str) -> Predicate:
    """A number, or both ends of a range, no farther from 0 than the setting of that name."""
    return lambda value, limits: all(abs(end) <= getattr(limits, limit) for end in _ends(value))


def each_at_least(limit: str) -> Predicate:
    """None of several numbers below the setting of that name."""
    return lambda value, limits: min(value) >= getattr(limits, limit)


def where_sound_is_required(holds: Predicate) -> Predicate:
    """Counts only where the settings ask for sound."""
    return lambda value, limits: not limits.require_sound or holds(value, limits)


def _ends(value: Any) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


RULES = (
    Rule(
        "normalize",
        "seconds",
        at_least("min_seconds"),
        "it lasts {value:.2f} s, less than {limits.min_seconds:g} s",
    ),
    Rule(
        "landmarks",
        "face_share",
        at_least("min_face_share"),
        "a face was seen in {value:.1%} of the frames, less than {limits.min_face_share:.0%}",
    ),
    Rule(
        "landmarks",
        "longest_gap",
        at_most("max_longest_gap"),
        "no face was seen for {value} frames in a row, more than {limits.max_longest_gap}",
    ),
    Rule(
        "landmarks",
        "face_confirmed_share",
        at_least("min_confirmed_share"),
        "the face detector confirms the tracked face at {value:.0%} of the looks, less than "
        "{limits.min_confirmed_share:.0%}: it may be upside down, on its side or no face",
    ),
    Rule(
        "landmarks",
        "several_faces_share",
        at_most("max_several_faces_share"),
        "more than one face is in the picture at {value:.0%} of the looks, more than "
        "{limits.max_several_faces_share:.0%}",
    ),
    Rule(
        "landmarks",
        "identity_jumps",
        at_most("max_identity_jumps"),
        "the tracked face jumped {value} times to another, more than {limits.max_identity_jumps}",
    ),
    Rule(
        "landmarks",
        "landmark_jump",
        at_most("max_landmark_jump"),
        "the face moves by {value:.2f} of its size from one frame to the next, more than "
        "{limits.max_landmark_jump:g}: it may be another, or frames are missing",
    ),
    Rule(
        "landmarks",
        "scale_jump",
        at_most("max_scale_jump"),
        "the face's size changes by a factor of {value:.2f} from one frame to the next, more than "
        "{limits.max_scale_jump:g}: it may be another, or frames are missing",
    ),
    Rule(
        "landmarks",
        "cuts",
        at_most("max_cuts"),
        "it has {value} scene cuts, more than {limits.max_cuts}",
    ),
    Rule(
        "headpose",
        "scale_min",
        at_least("min_scale"),
        "the scale falls to {value:.2f}, below {limits.min_scale:g}: the face is larger than the frame allows",
    ),
    Rule(
        "headpose",
        "scale_max",
        at_most("max_scale"),
        "the scale rises to {value:.2f}, above {limits.max_scale:g}: the face is too small or was lost",
    ),
    Rule(
        "normalize",
        "upscaling",
        at_most("max_upscaling"),
        "each source pixel became {value:.1f} in a row, more than {limits.max_upscaling:g}: the face is too small "
        "in the source",
    ),
    Rule(
        "headpose",
        "yaw_range",
        within("max_yaw"),
        "the head turns from {value[0]:.0f} to {value[1]:.0f} degrees (yaw), beyond {limits.max_yaw:g}",
    ),
    Rule(
        "headpose",
        "pitch_range",
        within("max_pitch"),
        "the head nods from {value[0]:.0f} to {value[1]:.0f} degrees (pitch), beyond {limits.max_pitch:g}",
    ),
    Rule(
        "headpose",
        "roll_range",
        within("max_roll"),
        "the head tilts from {value[0]:.0f} to {value[1]:.0f} degrees (roll), beyond {limits.max_roll:g}",
    ),
    Rule(
        "headpose",
        "jitter",
        at_most("max_jitter"),
        "points that stay still on a head tremble by {value:.1f} canonical px, more than {limits.max_jitter:g}",
    ),
    Rule(
        "landmarks",
        "blur",
        at_most("max_blur"),
        "the face is blurred by {value:.2f}, more than {limits.max_blur:g}",
    ),
    Rule(
        "landmarks",
        "face_luma",
        at_least("min_face_luma"),
        "the face is dark: its mean luma is {value:.0f}, below {limits.min_face_luma:g}",
    ),
    Rule(
        "landmarks",
        "face_luma",
        at_most("max_face_luma"),
        "the face is too bright: its mean luma is {value:.0f}, above {limits.max_face_luma:g}",
    ),
    Rule(
        "landmarks",
        "crushed_share",
        at_most("max_crushed_share"),
        "{value:.0%} of the face's pixels are black, more than {limits.max_crushed_share:.0%}",
    ),
    Rule(
        "landmarks",
        "blown_share",
        at_most("max_blown_share"),
        "{value:.0%} of the face's pixels are white, more than {limits.max_blown_share:.0%}",
    ),
    Rule(
        "torso",
        "visible_share",
        each_at_least("min_shoulder_share"),
        "the shoulders are visible in {value[0]:.0%} (image left) and {value[1]:.0%} (image right) of the frames, "
        "less than {limits.min_shoulder_share:.0%}",
    ),
    Rule(
        "speech",
        "silent_share",
        where_sound_is_required(at_most("max_silent_share")),
        "{value:.1%} of the frames are silent, more than {limits.max_silent_share:.0%}",
    ),
    Rule(
        "speech",
        "rms_dbfs",
        where_sound_is_required(at_least("min_rms_dbfs")),
        "the level of its sound is {value:.1f} dBFS, below {limits.min_rms_dbfs:g}",
    ),
    Rule(
        "speech",
        "clipped_share",
        at_most("max_clipped_share"),
        "{value:.2%} of the samples are clipped, more than {limits.max_clipped_share:.2%}",
    ),
    Rule(
        "stats",
        "lag",
        within("max_lag"),
        "the mouth is {value:+d} frames behind the voice (negative: ahead of it), more than {limits.max_lag} apart",
    ),
    Rule(
        "normalize",
        "sound_offset",
        within("max_sound_offset"),
        "the sound file is {value:+.3f} s behind the video's own sound (negative: ahead of it), more than "
        "{limits.max_sound_offset:g} s apart",
    ),
)


class Verdict(Model):
    """Accepted, or rejected with every reason."""

    accepted: bool
    reasons: tuple[str, ...] = ()


class Measured(Protocol):
    """What has measures: a record, or what is known of one."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Name -> value."""


def judge(records: Mapping[str, Measured], unfinished: Mapping[str, str], settings: QualitySettings) -> Verdict:
    """Judge one video by its records. `unfinished` maps stages that are not done to what they are instead."""
    reasons = [f"{stage} is {told}" for stage, told in unfinished.items()]
    for rule in RULES:
        record = records.get(rule.stage)
        value = None if record is None or rule.stage in unfinished else record.metrics.get(rule.metric)
        if value is not None and not rule.holds(value, settings):
            reasons.append(rule.reason.format(value=value, limits=settings))
    return Verdict(accepted=not reasons, reasons=tuple(reasons))


Decision = Literal["accept", "reject"]


class Review(Model):
    """A decision, the person's reason for it and name, and when it was taken (ISO 8601, UTC)."""

    decision: Decision
    why: str
    who: str
    when: str

    @field_validator("why")
    @classmethod
    def _is_told(cls, why: str) -> str:
        if not why.strip():
            raise ValueError("is empty")
        return why


class Line(Review):
    """One line of the file."""

    video_id: str


class Reviewed(Verdict):
    """The verdict on a video that a person looked at; `overruled`: the rules' reasons that did not count."""

    review: Review
    overruled: tuple[str, ...] = ()


def reviewed(verdict: Verdict, review: Review | None, finished: bool) -> Verdict:
    """Put a person's decision over the verdict of the rules.

    An acceptance needs a video that is `finished`, since what a stage has not made cannot be trained on; for any other
    the verdict stays, and names the stage. A rejection adds its reason to those of the rules.
    """
    if review is None:
        return verdict
    told = {**dict(verdict), "review": review}
    if review.decision == "reject":
        reasons = (f"{review.who} rejected it: {review.why}", *verdict.reasons)
        return Reviewed(**told | {"accepted": False, "reasons": reasons})
    if not finished:
        return Reviewed(**told)
    return Reviewed(**told | {"accepted": True, "reasons": (), "overruled": verdict.reasons})


def read_reviews(path: Path) -> dict[str, Review]:
    """Video id -> review; none where there is no file. Raises BadInput: a decision is never passed over in silence."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): restore it, or move it away to do without it.") from error
    found: dict[str, Review] = {}
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    for number, told in lines:
        try:
            line = Line.model_validate_json(told)
        except ValidationError as error:
            raise BadInput(f"{path}, line {number}, is not a review: mend or remove the line.") from error
        if line.video_id in found:
            raise BadInput(f"{path}, line {number}, is a second review of {line.video_id}: remove one of the two.")
        found[line.video_id] = Review(**line.model_dump(exclude={"video_id"}))
    return found


def write_reviews(path: Path, reviews: Mapping[str, Review]) -> None:
    """Write all reviews, whole or not at all."""
    rows = [{"video_id": video_id, **reviews[video_id].model_dump()} for video_id in sorted(reviews)]
    with replacing(path) as temporary:
        temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")

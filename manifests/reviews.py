"""Reviews: what a person decided of a video. They outrank the rules, and only `review clear` takes them back.

They lie in the workspace as `reviews.jsonl`, JSON Lines (jsonlines.org) in UTF-8, one line a video in order of
`video_id`; nothing that the pipeline computes is kept there, and nothing else of the workspace can restore it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError, field_validator

from manifests.atomic import replacing
from manifests.errors import BadInput
from manifests.quality import Verdict
from manifests.record import Model

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

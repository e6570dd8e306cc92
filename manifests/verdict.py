"""The verdict on a video, by the rules of quality; and reviews, what a person decided of it.

Reviews outrank the rules, and only `review clear` takes them back. They lie in the workspace as `reviews.jsonl`, one
line a video in order of `video_id`; nothing that the pipeline computes is kept there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from portrait_prep.errors import BadInput
from portrait_prep.manifests.ids import is_name
from portrait_prep.manifests.json_lines import read_lines, write_lines
from portrait_prep.manifests.record import Model, encodable


class Verdict(Model):
    """Accepted, or rejected with every reason.

    `rules` names, reason by reason, the setting of `[quality]` that spoke; null where it was none of these but a stage
    that is not done, or a person.
    """

    accepted: bool
    reasons: tuple[str, ...] = ()
    rules: tuple[str | None, ...] = ()


Decision = Literal["accept", "reject"]


class Review(Model):
    """A decision, the person's reason for it and name, and when it was taken (ISO 8601, UTC)."""

    decision: Decision
    why: str
    who: str
    when: str

    @property
    def sentence(self) -> str:
        """Who decided what, and why."""
        return f"{self.who} {self.decision}ed it: {self.why}"

    @field_validator("why", "who")
    @classmethod
    def _unicode(cls, text: str) -> str:
        return encodable(text)

    @field_validator("why")
    @classmethod
    def _is_told(cls, why: str) -> str:
        if not why.strip():
            raise ValueError("is empty")
        return why


class Line(Review):
    """One line of the file."""

    video_id: str

    @field_validator("video_id")
    @classmethod
    def _is_name(cls, video_id: str) -> str:
        if not is_name(video_id):
            raise ValueError("is no id of a video")
        return video_id


class Reviewed(Verdict):
    """The verdict on a video that a person looked at.

    `overruled`: the rules' reasons that did not count; `overruled_rules`: their settings, reason by reason.
    """

    review: Review
    overruled: tuple[str, ...] = ()
    overruled_rules: tuple[str | None, ...] = ()


def reviewed(verdict: Verdict, review: Review | None, finished: bool) -> Verdict:
    """Put a person's decision over the verdict of the rules.

    An acceptance needs a video that is `finished`, since what a stage has not made cannot be trained on; for any other
    the verdict stays, and names the stage. A rejection adds its reason to those of the rules.
    """
    if review is None:
        return verdict
    reviewed_verdict = {**dict(verdict), "review": review}
    if review.decision == "reject":
        reasons = (review.sentence, *verdict.reasons)
        return Reviewed(**reviewed_verdict | {"accepted": False, "reasons": reasons, "rules": (None, *verdict.rules)})
    if not finished:
        return Reviewed(**reviewed_verdict)
    overruled = {"overruled": verdict.reasons, "overruled_rules": verdict.rules}
    return Reviewed(**reviewed_verdict | {"accepted": True, "reasons": (), "rules": (), **overruled})


def read_reviews(path: Path) -> dict[str, Review]:
    """Video id -> review. Raises BadInput as `read_lines` does, and for a second review of a video."""
    found: dict[str, Review] = {}
    for number, line in read_lines(path, Line, "review"):
        if line.video_id in found:
            raise BadInput(f"{path}, line {number}, is a second review of {line.video_id}: remove one of the two.")
        found[line.video_id] = Review(**line.model_dump(exclude={"video_id"}))
    return found


def write_reviews(path: Path, reviews: Mapping[str, Review]) -> None:
    """Write all reviews, whole or not at all."""
    write_lines(path, ({"video_id": video_id, **reviews[video_id].model_dump()} for video_id in sorted(reviews)))

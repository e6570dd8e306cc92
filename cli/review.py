"""`review`: what people decide of videos, over the rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import ValidationError

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Who, WorkspaceOption, say, say_json, user_name
from portrait_prep.errors import BadInput
from portrait_prep.manifests.verdict import Decision, Review
from portrait_prep.pipeline.reviewing import ReviewResult, decide
from portrait_prep.pipeline.status.survey import VideoStatus

review = App(name="review", help="Accept or reject videos as a person who looked at them; that outranks the rules.")

Why = Annotated[str, Parameter(help="The reason, for those who come after; it stands in the manifest.")]


@review.command
def accept(video_id: str, *more: str, why: Why, who: Who = None, workspace: WorkspaceOption = Path()) -> int:
    """Accept videos, whatever the rules say. It holds through every run, until it is cleared.

    A video that failed a stage cannot be accepted.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    more
        Further videos with the same reason.
    """
    return _decide((video_id, *more), _review("accept", why, who), workspace)


@review.command
def reject(video_id: str, *more: str, why: Why, who: Who = None, workspace: WorkspaceOption = Path()) -> int:
    """Reject videos, whatever the rules say. It holds through every run, until it is cleared.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    more
        Further videos with the same reason.
    """
    return _decide((video_id, *more), _review("reject", why, who), workspace)


@review.command
def clear(video_id: str, *more: str, workspace: WorkspaceOption = Path()) -> int:
    """Take decisions back: the rules judge these videos again.

    Parameters
    ----------
    video_id
        The video, as in the catalogue.
    more
        Further videos.
    """
    return _decide((video_id, *more), None, workspace)


@review.command(name="list")
def list_(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Show all decisions, as they lie in reviews.jsonl."""
    reviews = open_session(workspace).reviews
    if json_:
        say_json({video_id: review.model_dump() for video_id, review in reviews.items()})
        return 0
    for video_id, one in reviews.items():
        say(f"{video_id}: {one.decision}, {one.who}, {one.when}: {one.why}")
    if not reviews:
        say("No video was reviewed.")
    return 0


def _review(decision: Decision, why: str, who: str | None) -> Review:
    try:
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return Review(decision=decision, why=why, who=who or user_name(), when=when)
    except ValidationError as error:
        raise BadInput("--why needs a reason in words (and --by a name), in valid UTF-8.") from error


def _decide(video_ids: tuple[str, ...], review: Review | None, workspace: Path) -> int:
    for line in _lines(decide(open_session(workspace), tuple(dict.fromkeys(video_ids)), review)):
        say(line)
    return 0


def _lines(result: ReviewResult) -> Iterator[str]:
    for video_status in result.video_statuses:
        yield f"{video_status.video.video_id}: {_status(video_status)}"
    yield result.status_counts.verdicts


def _status(video_status: VideoStatus) -> str:
    verdict = video_status.verdict
    text = "accepted" if verdict.accepted else f"not accepted: {'; '.join(verdict.reasons)}"
    overruled = getattr(verdict, "overruled", ())
    return f"{text}, against the rules: {'; '.join(overruled)}" if overruled else text

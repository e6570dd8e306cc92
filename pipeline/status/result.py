"""What became of a video, in one word, and what there is to say of it."""

from enum import StrEnum

from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoSummary


class Result(StrEnum):
    """What became of a video: what asks for a look first."""

    FAILED = "failed"
    REJECTED = "rejected"
    UNFINISHED = "unfinished"
    ACCEPTED = "accepted"
    LEFT_OUT = "left out"


def result_of(summary: VideoSummary) -> Result:
    """One that repeats another is left out. Else, a video that is not accepted is failed where it failed a stage."""
    states = set(summary.states.values())
    if not summary.video.worked_on:
        return Result.LEFT_OUT
    if summary.verdict.accepted:
        return Result.ACCEPTED
    if State.FAILED in states:
        return Result.FAILED
    return Result.UNFINISHED if states & {State.PENDING, State.STALE} else Result.REJECTED


def reasons_against(summary: VideoSummary) -> tuple[str, ...]:
    """Why a video is not accepted. What only follows from a stage that failed or waits is left out."""
    match result_of(summary):
        case Result.LEFT_OUT:
            return (str(summary.video.defect),)
        case Result.FAILED:
            return tuple(f"{failure['stage']} failed: {failure['message']}" for failure in summary.failures)
        case Result.UNFINISHED:
            return summary.verdict.reasons[:1]
        case _:
            return summary.verdict.reasons

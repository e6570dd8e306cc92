"""Reviewing: a person's decisions enter the workspace, and whatever rests on verdicts follows at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from portrait_prep.errors import BadInput
from portrait_prep.manifests.verdict import Review, write_reviews
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoStatus

HOPELESS = (State.FAILED, State.BLOCKED)
"""States in which there is nothing to accept."""


@dataclass(frozen=True)
class ReviewResult:
    """The videos of the decision as they stand after it, and all of them counted."""

    video_statuses: tuple[VideoStatus, ...]
    status_counts: StatusCounts


def decide(session: Session, video_ids: Sequence[str], review: Review | None) -> ReviewResult:
    """Note a decision about these videos, or (None) take it back, and bring manifests, their table and statistics up
    to date; no stage is computed.

    Raises BadInput, with nothing noted, when a video is not in the catalogue, has no decision to take back, or is to be
    accepted although it failed a stage.
    """
    video_ids = session.named(video_ids)
    with session.changing() as now:
        known = now.reviews
        for video_id in video_ids:
            if review is None and video_id not in known:
                raise BadInput(f"There is no review of {video_id}; 'portrait-prep review list' shows those there are.")
            if review and review.decision == "accept":
                _require_no_failure(now.video_status(video_id))
        kept = {name: value for name, value in known.items() if name not in video_ids}
        write_reviews(session.workspace.reviews, kept if review is None else kept | dict.fromkeys(video_ids, review))
        afresh = session.afresh()
        status_counts = afresh.finalize()
        return ReviewResult(tuple(afresh.video_status(video_id) for video_id in video_ids), status_counts)


def _require_no_failure(video_status: VideoStatus) -> None:
    for stage, status in video_status.statuses.items():
        if status.state in HOPELESS:
            reason = status.failure.message if status.failure else status.reason
            raise BadInput(
                f"{video_status.video.video_id} cannot be accepted: {stage} is {status.state} ({reason}), and a "
                "decision does not make up for what a stage could not make; mend that first."
            )

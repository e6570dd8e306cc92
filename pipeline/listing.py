"""Listing videos: what became of each, where it stands and why, for those that were asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from portrait_prep.errors import BadInput
from portrait_prep.manifests.splits import HOW_TO_SPLIT
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result, reasons_against, result_of
from portrait_prep.pipeline.status.survey import VideoSummary

MOST_TOLD = 12
"""Subjects or splits that a sentence tells."""


@dataclass(frozen=True)
class Wish:
    """Which videos are asked for; None: all. `stage`: the one of which the state is told, and failures count."""

    result: Result | None = None
    stage: str | None = None
    subject: str | None = None
    split: str | None = None

    def covers(self, video: Video) -> bool:
        """Whether the catalogue's row is of a kind that is asked for."""
        wanted = ((self.subject, video.subject), (self.split, video.split))
        return all(wish is None or wish == value for wish, value in wanted)

    def fits(self, summary: VideoSummary) -> bool:
        """Whether what became of a video was asked for. One may be accepted that failed an optional stage."""
        if self.result is Result.FAILED:
            states = summary.states
            return State.FAILED in (states.values() if self.stage is None else (states[self.stage],))
        return self.result is None or self.result is result_of(summary)


@dataclass(frozen=True)
class Listed:
    """One video. `stage` is the one that was asked for, else the first that is not done, else the last."""

    video_id: str
    corpus: str
    subject: str
    split: str | None
    fold: int | None
    shard: str
    result: Result
    stage: str
    state: State
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, summary: VideoSummary, stage: str | None) -> "Listed":
        """What a summary comes to."""
        video, states = summary.video, summary.states
        if stage is None:
            stage = next((name for name, state in states.items() if state is not State.DONE), [*states][-1])
        return cls(
            video_id=video.video_id,
            corpus=video.corpus,
            subject=video.subject,
            split=video.split,
            fold=video.fold,
            shard=video.shard,
            result=result_of(summary),
            stage=stage,
            state=states[stage],
            reasons=reasons_against(summary),
        )


def listed(session: Session, wish: Wish) -> Iterator[Listed]:
    """The videos that fit, in the order of shards. Raises BadInput for a stage, subject or split that there is not."""
    session.select([wish.stage] if wish.stage else [], (), retry_failed=False)
    for field, value in (("subject", wish.subject), ("split", wish.split)):
        if value is not None:
            _require(session, field, value)
    for found in session.summaries():
        for summary in found:
            if wish.covers(summary.video) and wish.fits(summary):
                yield Listed.of(summary, wish.stage)


def _require(session: Session, field: str, value: str) -> None:
    known = session.videos.values_of(field)
    if not known:
        raise BadInput(f"No video of this catalogue has a {field}: {HOW_TO_SPLIT}.")
    if value not in known:
        told = ", ".join(sorted(map(str, known))[:MOST_TOLD]) + (", …" if len(known) > MOST_TOLD else "")
        raise BadInput(f"No video has the {field} '{value}'; there are: {told}.")

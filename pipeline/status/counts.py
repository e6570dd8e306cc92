"""Counts: how many videos, and how many shards, stand where at each stage."""

from collections import Counter
from collections.abc import Iterator, Sequence
from sys import intern
from typing import Any

from portrait_prep.manifests.record import Model
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result, reasons_against, result_of
from portrait_prep.pipeline.status.survey import VideoSummary

WORST_FIRST = (State.PENDING, State.STALE, State.FAILED, State.BLOCKED, State.DONE)
"""A shard counts as what its worst video is."""

MOST_REJECTED = 20
"""Rejected videos that `status` names."""


class Rejected(Model):
    """A rejected video, and why it is."""

    video_id: str
    reasons: tuple[str, ...]


class ShardCounts(Model):
    """What there is to tell of the videos of one shard; it is kept with the table of the manifests.

    `states`: stage -> state -> videos. `failures`: as `status --json` tells them.
    """

    videos: int
    accepted: int
    accepted_earlier: int
    states: dict[str, dict[State, int]]
    results: dict[Result, int]
    failures: tuple[dict[str, Any], ...]
    rejected: tuple[Rejected, ...]

    @classmethod
    def of(cls, stages: Sequence[Stage[Any]], shard: Sequence[VideoSummary]) -> "ShardCounts":
        """Count the videos of one shard."""
        results = [(summary, result_of(summary)) for summary in shard]
        return cls.model_construct(
            videos=len(shard),
            accepted=sum(summary.verdict.accepted for summary in shard),
            accepted_earlier=sum(summary.earlier is not None and summary.earlier.accepted for summary in shard),
            states={stage.name: dict(Counter(summary.states[stage.name] for summary in shard)) for stage in stages},
            results=dict(Counter(result for _, result in results)),
            failures=tuple(dict(failure) for summary in shard for failure in summary.failures),
            rejected=tuple(
                Rejected.model_construct(video_id=summary.video.video_id, reasons=reasons_against(summary))
                for summary, result in results
                if result is Result.REJECTED
            ),
        )


class StatusCounts:
    """Counts videos shard by shard; the states of a stage always add up to the catalogue."""

    def __init__(self, stages: Sequence[Stage[Any]]) -> None:
        self.videos = 0
        self.accepted = 0
        self.accepted_earlier = 0
        """Videos that wait to be computed anew, and were accepted by what was computed before."""
        self.by_video: dict[str, Counter[State]] = {stage.name: Counter() for stage in stages}
        self.by_shard: dict[str, Counter[State]] = {stage.name: Counter() for stage in stages}
        self.failures: list[dict[str, Any]] = []
        self.taken_out: list[str] = []
        """Videos that the catalogue no longer has, and of which files were deleted."""
        self._results: Counter[Result] = Counter()
        self._rejected: list[tuple[str, tuple[str, ...]]] = []

    def add(self, shard: ShardCounts) -> None:
        """Take in the videos of one shard."""
        self.videos += shard.videos
        self.accepted += shard.accepted
        self.accepted_earlier += shard.accepted_earlier
        for stage, counts in self.by_video.items():
            counts.update(shard.states[stage])
            self.by_shard[stage][min(shard.states[stage], key=WORST_FIRST.index)] += 1
        self._results.update(shard.results)
        self.failures.extend(shard.failures)
        self._rejected.extend((each.video_id, tuple(map(intern, each.reasons))) for each in shard.rejected)

    @property
    def settled(self) -> frozenset[str]:
        """The stages at which a run would leave every video as it is."""
        return frozenset(
            stage for stage, counts in self.by_video.items() if not counts[State.PENDING] + counts[State.STALE]
        )

    @property
    def failed(self) -> int:
        """How many (video, stage) failed."""
        return len(self.failures)

    @property
    def verdicts(self) -> str:
        """How many videos are accepted, in words."""
        others = self.videos - self.accepted
        parts = [
            f"{count} {result}"
            for result in Result
            if (count := self._results[result]) and result is not Result.ACCEPTED
        ]
        of_these = f" Of these: {', '.join(parts)}." if parts else ""
        return f"{counted(self.videos, 'video')}: {self.accepted} accepted, {others} not{self._earlier}.{of_these}"

    @property
    def _earlier(self) -> str:
        if not self.accepted_earlier:
            return ""
        return f" ({self.accepted_earlier} were, before a change that waits for a run)"

    def to_json(self) -> dict[str, Any]:
        """As `status --json` prints it."""
        return {
            "videos": self.videos,
            "accepted": self.accepted,
            "accepted_earlier": self.accepted_earlier,
            "stages": {
                stage: {
                    "videos": {state.value: counts[state] for state in State},
                    "shards": {state.value: self.by_shard[stage][state] for state in State},
                }
                for stage, counts in self.by_video.items()
            },
            "failed": self.failures,
            "rejected": [{"video_id": name, "reasons": list(reasons)} for name, reasons in self._rejected],
        }

    def lines(self) -> list[str]:
        """As `status` prints it."""
        head = f"{'stage':<10}" + "".join(f"{state.value:>16}" for state in State)
        rows = [
            f"{stage:<10}" + "".join(f"{f'{counts[s]} ({self.by_shard[stage][s]})':>16}" for s in State)
            for stage, counts in self.by_video.items()
        ]
        failures = [
            f"{row['video_id']}: {row['stage']} failed after {counted(row['attempts'], 'attempt')}: {row['message']}"
            for row in self.failures
        ]
        counts = f"{counted(self.videos, 'video')}, {self.accepted} accepted{self._earlier}; videos (shards):"
        return [counts, head, *rows, *failures, *self.rejections()]

    def rejections(self) -> Iterator[str]:
        """The first of the rejected; where there are more, how they are listed."""
        for video_id, reasons in self._rejected[:MOST_REJECTED]:
            yield f"{video_id}: rejected: {'; '.join(reasons)}"
        if (more := len(self._rejected) - MOST_REJECTED) > 0:
            yield f"… and {more} more: 'portrait-prep list --rejected' names all."

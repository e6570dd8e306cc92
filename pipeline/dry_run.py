"""`run --dry-run`: what a run would do, why, and about how long it would take."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from portrait_prep.manifests.wording import a_few, counted, lasting
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.cache import StatusCache
from portrait_prep.pipeline.status.plan import Selection, State
from portrait_prep.pipeline.status.survey import VideoStatus, survey
from portrait_prep.pipeline.status.table import read_rows, work_of

JUDGED_BY = ("subject", "split", "fold")
"""Fields of the catalogue that are no input of a stage, and that views and statistics go by."""


class DryRun:
    """Goes through all videos once; `lines` tells."""

    def __init__(self, session: Session, selection: Selection) -> None:
        self._session, self._selection = session, selection
        self._pace = Pace()
        self._footage: dict[str, float] = defaultdict(float)
        """Stage -> seconds that would be worked on."""
        self._certain = True
        self._failed: Counter[bool] = Counter()
        """Whether a failure is for good -> how many there are."""
        self._unknown: set[str] = set()
        """Videos to be worked on of which nobody knows how long they are."""
        self._edits: dict[str, list[str]] = defaultdict(list)
        """What would be told otherwise -> videos."""

    @cached_property
    def _told(self) -> Mapping[str, tuple[Any, ...]]:
        """What the table of the manifests tells of each video."""
        return read_rows(self._session.workspace, self._session.stages[0].name, (*JUDGED_BY, "accepted"))

    def lines(self) -> Iterator[str]:
        """One line a unit and reason, then what else would change, and how long it would take."""
        session = self._session
        gone = sorted({*session.pruning().gone, *session.removals.there_again(session.videos)})
        cache = StatusCache(session.workspace, session.planner)
        for shard, members in session.videos.shards.items():
            known = cache.counts(shard, members)
            if known is None or (self._selection.retry_failed and known.failures):
                (found,) = survey(session.workspace, session.planner, members)
                yield from self._shard(found)
            else:
                self._failed.update(failure["permanent"] for failure in known.failures if self._covers(failure))
        if gone:
            yield f"Not in the catalogue any more, and to be taken out of everything: {a_few(gone)}."
        for edit, names in sorted(self._edits.items()):
            yield f"{edit}: {a_few(names)}."
        if self._footage:
            self._pace.learn_from_table(session.workspace)
            yield self._estimate()
        elif not gone and not self._edits:
            yield "Everything is up to date."
        if self._failed[False]:
            yield f"{self._failed[False]} failed before: --retry-failed tries again."
        if self._failed[True]:
            yield f"{self._failed[True]} failed, which no retry will change: 'portrait-prep list --failed' says why."

    def _covers(self, failure: Mapping[str, Any]) -> bool:
        return self._selection.covers(failure["stage"], failure["video_id"])

    def _shard(self, found: list[VideoStatus]) -> Iterator[str]:
        reasons: Counter[tuple[str, str]] = Counter()
        for video_status in found:
            self._pace.learn(video_status)
            reasons.update(self._work(video_status))
            self._compare(video_status)
        for (stage, reason), count in reasons.items():
            yield f"{stage} {found[0].video.shard}: {counted(count, 'video')} {reason}"

    def _work(self, video_status: VideoStatus) -> Iterator[tuple[str, str]]:
        """Stage and reason of what would be computed of a video, and of what may be."""
        video_id = video_status.video.video_id
        for stage, status in video_status.statuses.items():
            if not self._selection.covers(stage, video_id):
                continue
            wanted = self._selection.wants(stage, video_id, status)
            if not wanted and status.settled:
                if status.failure:
                    self._failed[status.failure.permanent] += 1
                continue
            self._certain &= wanted
            seconds = footage(video_status)
            self._footage[stage] += seconds or 0.0
            if seconds is None:
                self._unknown.add(video_id)
            hope = ", computed again only if its input changes" if status.state is State.STALE and not wanted else ""
            yield stage, f"{status.state}: {status.reason or 'failed before, tried again'}{hope}"

    def _compare(self, video_status: VideoStatus) -> None:
        """Note where the manifests tell of a finished video what is true no longer."""
        video, verdict = video_status.video, video_status.verdict
        told = self._told.get(video.video_id)
        if told is None:
            return
        for field, before in zip(JUDGED_BY, told, strict=False):
            if before != getattr(video, field):
                self._edits[f"The catalogue has another {field}; manifests and statistics would follow"].append(
                    video.video_id
                )
        if told[-1] != verdict.accepted and all(status.settled for status in video_status.statuses.values()):
            turned = "accepted" if verdict.accepted else "rejected"
            self._edits[f"The verdict would become: {turned}"].append(video.video_id)

    def _estimate(self) -> str:
        estimates = [self._pace.estimate(stage, seconds) for stage, seconds in self._footage.items()]
        known = [estimate for estimate in estimates if estimate is not None]
        if len(known) < len(estimates):
            return "How long it will take is not known before every stage has run once."
        unknown = f"{counted(len(self._unknown), 'video')} of unknown length" if self._unknown else ""
        if not any(known):
            return f"How long it will take is not known: {unknown}."
        less = "" if self._certain else ", or less"
        return f"About {lasting(sum(known))} of work for one worker{less}{f', and {unknown}' if unknown else ''}."


class Pace:
    """Seconds of work a second of footage, by stage, from what is known of videos already done."""

    def __init__(self) -> None:
        self._work: dict[str, float] = defaultdict(float)
        self._footage: dict[str, float] = defaultdict(float)

    def learn(self, video_status: VideoStatus) -> None:
        """Take in what was measured on one video."""
        seconds = footage(video_status)
        for stage, status in video_status.statuses.items():
            if status.record and status.record.done and seconds:
                self._add(stage, status.record.seconds, seconds)

    def learn_from_table(self, workspace: Workspace) -> None:
        """Take in what the table of the manifests tells of all videos."""
        for stage, (seconds, frames) in work_of(workspace).items():
            self._add(stage, seconds, frames / FPS)

    def _add(self, stage: str, work: float, footage: float) -> None:
        self._work[stage] += work
        self._footage[stage] += footage

    def estimate(self, stage: str, footage: float) -> float | None:
        """Seconds of one worker's time, or None when nothing was measured yet."""
        return self._work[stage] / self._footage[stage] * footage if self._footage[stage] else None


def footage(video_status: VideoStatus) -> float | None:
    """Seconds of a video, by the catalogue or by what was recorded; None where neither tells."""
    frames = max((status.record.frames for status in video_status.statuses.values() if status.record), default=0)
    return video_status.video.duration or frames / FPS or None

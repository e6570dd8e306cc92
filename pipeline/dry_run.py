"""`run --dry-run`: what would be computed, why, and about how long it would take."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import Selection, State
from portrait_prep.pipeline.status.survey import VideoStatus


class Pace:
    """Seconds of work a second of footage, by stage, from what the records say of videos already done."""

    def __init__(self) -> None:
        self._work: dict[str, float] = defaultdict(float)
        self._footage: dict[str, float] = defaultdict(float)

    def learn(self, video_status: VideoStatus) -> None:
        """Take in what was measured on one video."""
        for stage, status in video_status.statuses.items():
            if status.record and status.record.done and video_status.video.duration:
                self._work[stage] += status.record.seconds
                self._footage[stage] += video_status.video.duration

    def estimate(self, stage: str, footage: float) -> float | None:
        """Seconds of one worker's time, or None when nothing was measured yet."""
        return self._work[stage] / self._footage[stage] * footage if self._footage[stage] else None


def stale_units(session: Session, selection: Selection) -> Iterator[str]:
    """One line a unit and reason, then a line that sums up."""
    pace = Pace()
    footage: dict[str, float] = defaultdict(float)
    certain, failed = True, 0
    for found in session.video_statuses():
        reasons: Counter[tuple[str, str, str]] = Counter()
        for video_status in found:
            pace.learn(video_status)
            for stage, status in video_status.statuses.items():
                if not selection.covers(stage, video_status.video.video_id):
                    continue
                if selection.wants(stage, video_status.video.video_id, status):
                    reason = status.reason or "failed before, tried again"
                    reasons[stage, video_status.video.shard, f"{status.state}: {reason}"] += 1
                    footage[stage] += video_status.video.duration or 0.0
                elif status.state is State.FAILED:
                    failed += 1
                elif not status.settled:
                    hope = ", may stay current" if status.state is State.STALE else ""
                    reasons[stage, video_status.video.shard, f"{status.state}: {status.reason}{hope}"] += 1
                    footage[stage] += video_status.video.duration or 0.0
                    certain = False
        for (stage, shard, reason), count in reasons.items():
            yield f"{stage} {shard}: {count} video{'s' if count != 1 else ''} {reason}"
    yield _summary(pace, footage, certain)
    if failed:
        yield f"{failed} failed before: --retry-failed tries them again."


def _summary(pace: Pace, footage: Mapping[str, float], certain: bool) -> str:
    if not footage:
        return "Everything is up to date."
    estimates = [pace.estimate(stage, seconds) for stage, seconds in footage.items()]
    known = [estimate for estimate in estimates if estimate is not None]
    if len(known) < len(estimates):
        return "How long it will take is not known before every stage has run once."
    return f"{'About' if certain else 'At most about'} {sum(known):.0f} s of work for one worker."

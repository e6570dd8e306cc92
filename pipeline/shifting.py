"""Shifting: the sound of videos is to be moved by what was measured, with the next run; no stage is computed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portrait_prep.manifests.catalogue import require_valid, write_catalogue
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoStatus


@dataclass(frozen=True)
class Measure:
    """The metric of a stage that tells how much too early the sound is (below 0: too late), null where that is unknown.

    Its unit is so many `seconds`; it may be off by as much as `error`, in its unit.
    """

    stage: str
    metric: str
    seconds: float
    error: float

    def corrected(self, before: float | None, lag: float) -> float | None:
        """A shift in seconds and what is left of the lag; what the measure cannot tell is left alone."""
        if abs(lag) <= self.error:
            return before
        return round((before or 0.0) + lag * self.seconds, 6) or None


@dataclass(frozen=True)
class Shift:
    """A video whose lag is known, in the unit of the measure; seconds by which its sound is moved `before` and `after`.

    Both are None where it is not moved at all.
    """

    video_id: str
    lag: float
    before: float | None
    after: float | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to move."""
        return self.before != self.after


@dataclass(frozen=True)
class Found:
    """Videos whose lag is known; ids of those of which it cannot be told, and of those not measured as they are now.

    A run measures the `unmeasured`; it does not get as far with the `failed`, which no run tries again unasked.
    """

    shifts: tuple[Shift, ...]
    undetermined: tuple[str, ...]
    unmeasured: tuple[str, ...]
    failed: tuple[str, ...] = ()

    @property
    def changes(self) -> Mapping[str, float | None]:
        """Id -> seconds by which the sound is to be moved from now on."""
        return {shift.video_id: shift.after for shift in self.shifts if shift.changes}


def find(session: Session, measure: Measure, only: Collection[str] = ()) -> Found:
    """What the measure comes to, of all videos or of those with these ids.

    What a video's sound is moved by already is in what was measured: a measurement from before is not taken.
    """
    shifts, undetermined, unmeasured, failed = list[Shift](), list[str](), list[str](), list[str]()
    for shard in session.video_statuses():
        for one in shard:
            video_id = one.video.video_id
            if not one.video.worked_on or (only and video_id not in only):
                continue
            metrics = _measured(one, measure.stage)
            if metrics is None:
                settled = all(status.settled for status in one.statuses.values())
                (failed if settled else unmeasured).append(video_id)
            elif (lag := metrics.get(measure.metric)) is None:
                undetermined.append(video_id)
            else:
                before = one.video.sound_shift
                shifts.append(Shift(video_id, lag, before, measure.corrected(before, lag)))
    return Found(tuple(shifts), tuple(undetermined), tuple(unmeasured), tuple(failed))


def _measured(video_status: VideoStatus, stage: str) -> Mapping[str, Any] | None:
    """The metrics of a stage, where they are of what the catalogue asks for now."""
    status = video_status.statuses[stage]
    return status.record.metrics if status.record and status.state is State.DONE else None


def shift(session: Session, measure: Measure, only: Collection[str] = ()) -> Found:
    """Write the shifts that are found into the catalogue, and bring manifests and statistics up to date.

    Raises BadInput where a sound would be moved farther than can be.
    """
    with session.changing() as now:
        found = find(now, measure, only)
        _carry_out(now, found.changes)
        return found


def forget(session: Session, only: Collection[str] = ()) -> Sequence[str]:
    """Take the shifts back, of all videos or of those with these ids; returns the ids of those that had one."""
    with session.changing() as now:
        shifted = [one.video_id for one in now.videos if one.sound_shift is not None]
        meant = [video_id for video_id in shifted if not only or video_id in only]
        _carry_out(now, dict.fromkeys(meant))
        return meant


def _carry_out(session: Session, changes: Mapping[str, float | None]) -> None:
    """Write id -> shift into the catalogue, where there is any; then what tells of it. Call while `changing`."""
    if changes:
        path = session.workspace.catalogue
        videos = [_shifted(video, changes) for video in session.videos]
        require_valid(path, videos)
        write_catalogue(path, videos)
    session.afresh().finalize()


def _shifted(video: Video, changes: Mapping[str, float | None]) -> Video:
    if video.video_id not in changes:
        return video
    return video.model_copy(update={"sound_shift": changes[video.video_id]})

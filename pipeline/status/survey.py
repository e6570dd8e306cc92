"""The survey: what is true of every video now, read from the shards. Status, manifests and the report stand on it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from portrait_prep.manifests.catalogue import by_shard
from portrait_prep.manifests.manifest import entry, manifest, write_manifest
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.verdict import Verdict, reviewed
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.quality import Measured, judge
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import Planner, StageStatus, State
from portrait_prep.pipeline.store.shard_state import Checksum, ShardState


class VideoSummary(Protocol):
    """Either read from the shards (a VideoStatus), or recalled from the table of the manifests."""

    @property
    def video(self) -> Video:
        """The row of the catalogue."""

    @property
    def verdict(self) -> Verdict:
        """The verdict that counts."""

    @property
    def states(self) -> Mapping[str, State]:
        """Stage -> where the video stands."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Stage that is done -> digest of what it made."""

    @property
    def failures(self) -> Sequence[Mapping[str, Any]]:
        """One a stage that failed, as `status --json` tells it."""

    @property
    def earlier(self) -> Verdict | None:
        """The verdict by what was computed before, of a video that was finished and waits to be computed anew."""

    @property
    def reasons(self) -> Mapping[str, str]:
        """Stage -> why it stands there; empty where there is no more to say."""

    @property
    def done(self) -> Mapping[str, "DoneRecord"]:
        """Stage -> the record of what it made, also where that is outdated."""

    @property
    def retried(self) -> frozenset[str]:
        """Stages that failed and are tried again by every run."""

    @property
    def started(self) -> str:
        """When the last of its stages was begun; empty where none was."""


class DoneRecord(Measured, Protocol):
    """What there is to tell of a stage that was done."""

    @property
    def frames(self) -> int:
        """Frames of the video."""


@dataclass(frozen=True)
class VideoStatus:
    """One video: where it stands at each stage, the files that say so, and the verdict."""

    video: Video
    statuses: Mapping[str, StageStatus]
    checksums: Mapping[str, Checksum]
    verdict: Verdict
    earlier: Verdict | None = None

    @cached_property
    def states(self) -> dict[str, State]:
        """Stage -> where the video stands."""
        return {stage: status.state for stage, status in self.statuses.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Stage that is done -> digest of what it made."""
        return {
            stage: status.record.digest
            for stage, status in self.statuses.items()
            if status.record and status.state is State.DONE
        }

    @cached_property
    def failures(self) -> list[dict[str, Any]]:
        """One a stage that failed: which, how often it was tried, and the error."""
        return [
            failure_of(self.video.video_id, stage, status.record.attempts, status.failure.model_dump())
            for stage, status in self.statuses.items()
            if status.record and status.failure
        ]

    @cached_property
    def reasons(self) -> dict[str, str]:
        """Stage -> why it stands there; empty where there is no more to say."""
        return {stage: status.reason for stage, status in self.statuses.items()}

    @cached_property
    def done(self) -> dict[str, Record]:
        """Stage -> the record of what it made, also where that is outdated."""
        return {stage: status.record for stage, status in self.statuses.items() if status.record and status.record.done}

    @cached_property
    def retried(self) -> frozenset[str]:
        """Stages that failed and are tried again by every run."""
        return frozenset(stage for stage, status in self.statuses.items() if status.failure and status.again)

    @cached_property
    def started(self) -> str:
        """When the last of its stages was begun; empty where none was."""
        return max((status.record.started or "" for status in self.statuses.values() if status.record), default="")

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The manifest, as it should be."""
        entries = {
            stage: entry(status.state, status.reason, status.record, self.checksums.get(stage))
            for stage, status in self.statuses.items()
        }
        return manifest(self.video, entries, self.verdict)


def video_statuses(planner: Planner, shard_state: ShardState) -> list[VideoStatus]:
    """The status of each video of the shard, in the order of the catalogue."""
    statuses = planner.statuses(shard_state.videos, shard_state.records)
    found = []
    for video in shard_state.videos:
        own = {stage: by_video[video.video_id] for stage, by_video in statuses.items()}
        verdict, earlier = _verdict(planner, video, own), _earlier(planner, video, own)
        found.append(VideoStatus(video, own, shard_state.checksums, verdict, earlier))
    return found


def _verdict(planner: Planner, video: Video, statuses: Mapping[str, StageStatus]) -> Verdict:
    reasons = {name: _reason(status) for name, status in statuses.items()}
    records = {name: status.record for name, status in statuses.items() if status.record}
    return verdict_of(planner, video, {name: status.state for name, status in statuses.items()}, reasons, records)


def _earlier(planner: Planner, video: Video, statuses: Mapping[str, StageStatus]) -> Verdict | None:
    judged = [statuses[stage.name] for stage in planner.stages if stage.is_judged]
    records = {status.record.stage: status.record for status in judged if status.record and status.record.done}
    if len(records) < len(judged) or all(status.state is State.DONE for status in judged):
        return None
    return reviewed(judge(records, {}, planner.rules), planner.reviews.get(video.video_id), finished=True)


def _reason(status: StageStatus) -> str:
    error = status.record.error if status.record else None
    return error.message if error and status.state is State.FAILED else status.reason


def verdict_of(
    planner: Planner,
    video: Video,
    states: Mapping[str, State],
    reasons: Mapping[str, str],
    records: Mapping[str, Measured],
) -> Verdict:
    """The verdict that counts. Only the stages that are judged have a say in what is finished."""
    judged = [stage.name for stage in planner.stages if stage.is_judged]
    unfinished = {
        name: f"{states[name]}: {reasons[name]}" if reasons[name] else str(states[name])
        for name in judged
        if states[name] is not State.DONE
    }
    verdict = judge(records, unfinished, planner.rules)
    return reviewed(verdict, planner.reviews.get(video.video_id), finished=not unfinished)


def failure_of(video_id: str, stage: str, attempts: int, error: Mapping[str, Any]) -> dict[str, Any]:
    """A failure as `status --json` tells it."""
    return {"video_id": video_id, "stage": stage, "attempts": attempts, **error}


def survey(
    workspace: Workspace, planner: Planner, videos: Sequence[Video], verified: bool = False
) -> Iterator[list[VideoStatus]]:
    """Go through the shards one by one; memory is bounded by one shard.

    `verified`: files that no manifest vouches for are verified first, and what is damaged counts as not there. From
    then on manifests vouch for them: that costs as much as all else together.
    """
    for shard, members in by_shard(videos).items():
        shard_state = ShardState.load(workspace, shard, members, planner.stages)
        vouched = verified and shard_state.verify(planner.stages)
        found = video_statuses(planner, shard_state)
        if vouched:
            write_manifests(workspace, found)
        yield found


def write_manifests(workspace: Workspace, found: Iterable[VideoStatus]) -> None:
    """Bring the manifests of these videos up to date."""
    workspace.folder("manifests")
    for video_status in found:
        write_manifest(workspace.manifest(video_status.video.video_id), video_status.manifest)

"""Where the videos stand: media as recorded, fingerprints as they would be computed now, nothing left to do."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from portrait_prep.manifests.files import is_intact
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.status.plan import StageStatus, State, fingerprint
from portrait_prep.pipeline.status.survey import VideoStatus


def examine_media(evidence: Evidence) -> Iterator[Finding]:
    """Each media file that a record names is there, byte for byte."""
    root = evidence.session.workspace.root
    for video_status in evidence.video_statuses:
        for stage, status in video_status.statuses.items():
            if status.record is None or status.state is State.BLOCKED:
                continue
            for output in status.record.media:
                path = root / output.path
                if is_intact(path, output.sha256):
                    continue
                evidence.doubt(stage, video_status.video.video_id)
                kind = "media" if path.is_file() else "missing media"
                yield found(kind, output.path, video_status.video.video_id)


def examine_fingerprints(evidence: Evidence) -> Iterator[Finding]:
    """What a record says that it was computed from is what its fingerprint was made of."""
    for video_status in evidence.video_statuses:
        for stage, status in video_status.statuses.items():
            record, video_id = status.record, video_status.video.video_id
            if record is None or not status.settled or evidence.is_doubted(stage, video_status):
                continue
            if record.fingerprint != fingerprint(stage, record.basis):
                evidence.doubt(stage, video_id)
                detail = "its fingerprint is not that of what it says it was computed from"
                yield found("record", evidence.path(stage), video_id, detail=detail)


def examine_statuses(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is stale or pending. One finding for all videos of the shard that are so for the same reason.

    What waits for another stage is accounted for by that one; what failed and is tried by every run is no damage.
    """
    for stage in evidence.stages:
        left: dict[tuple[State, str], list[str]] = defaultdict(list)
        for video_status in evidence.video_statuses:
            status, video_id = video_status.statuses[stage.name], video_status.video.video_id
            if status.settled or status.failure or evidence.is_doubted(stage.name, video_status):
                continue
            evidence.doubt(stage.name, video_id)
            if status.basis is None:
                continue
            if _is_changed_source(status):
                source = video_status.video.source
                yield found("source", evidence.path(stage.name), video_id, source=source, reason=status.reason)
            else:
                left[status.state, status.reason].append(video_id)
        yield from _left(evidence, stage.name, left)


def _is_changed_source(status: StageStatus) -> bool:
    record, basis = status.record, status.basis
    return record is not None and basis is not None and record.basis.outside != basis.outside


def _left(evidence: Evidence, stage: str, left: dict[tuple[State, str], list[str]]) -> Iterator[Finding]:
    path = evidence.path(stage)
    for (state, reason), ids in left.items():
        who = "it is" if len(ids) == 1 else f"{a_few(ids)} are"
        if stage not in evidence.shard_state.records:
            yield found("missing shard", path, who=f"{a_few(ids)} {'is' if len(ids) == 1 else 'are'}")
        else:
            yield found("unfinished", path, ids[0] if len(ids) == 1 else "", who=who, state=state, reason=reason)


def examine_frames(evidence: Evidence) -> Iterator[Finding]:
    """All stages cover the same number of frames; those that differ from most, or from the first, are named."""
    for video_status in evidence.video_statuses:
        frames = {stage.name: record.frames for stage, record in evidence.sound(video_status) if record.frames}
        usual = _usual(list(frames.values()))
        for stage, count in frames.items():
            if count != usual:
                video_id = video_status.video.video_id
                evidence.doubt(stage, video_id)
                yield found("frames", evidence.path(stage), video_id, frames=count, others=usual)


def _usual(counts: list[int]) -> int:
    return Counter(counts).most_common(1)[0][0] if counts else 0


def is_finished(evidence: Evidence, video_status: VideoStatus) -> bool:
    """Whether a video is done at every stage and nothing was found about it."""
    return len(list(evidence.sound(video_status))) == len(evidence.stages)

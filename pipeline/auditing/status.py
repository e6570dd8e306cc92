"""Where the videos stand: media as recorded, fingerprints as they would be computed now, nothing left to do."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from portrait_prep.manifests.files import is_intact
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.status.plan import Standing, State, fingerprint
from portrait_prep.pipeline.status.survey import Dossier


def examine_media(evidence: Evidence) -> Iterator[Finding]:
    """Each media file that a record names is there, byte for byte."""
    root = evidence.session.workspace.root
    for dossier in evidence.dossiers:
        for stage, standing in dossier.standings.items():
            if standing.record is None or standing.state is State.BLOCKED:
                continue
            for output in standing.record.media:
                path = root / output.path
                if is_intact(path, output.sha256):
                    continue
                evidence.doubt(stage, dossier.video.video_id)
                kind = "media" if path.is_file() else "missing media"
                yield found(kind, output.path, dossier.video.video_id)


def examine_fingerprints(evidence: Evidence) -> Iterator[Finding]:
    """What a record says that it was computed from is what its fingerprint was made of."""
    for dossier in evidence.dossiers:
        for stage, standing in dossier.standings.items():
            record, video_id = standing.record, dossier.video.video_id
            if record is None or not standing.settled or evidence.is_doubted(stage, dossier):
                continue
            if record.fingerprint != fingerprint(stage, record.basis):
                evidence.doubt(stage, video_id)
                detail = "its fingerprint is not that of what it says it was computed from"
                yield found("record", evidence.path(stage), video_id, detail=detail)


def examine_standings(evidence: Evidence) -> Iterator[Finding]:
    """Nothing is stale or pending. One finding for all videos of the shard that are so for the same reason.

    What waits for another stage is accounted for by that one; what failed and is tried by every run is no damage.
    """
    for stage in evidence.stages:
        left: dict[tuple[State, str], list[str]] = defaultdict(list)
        for dossier in evidence.dossiers:
            standing, video_id = dossier.standings[stage.name], dossier.video.video_id
            if standing.settled or standing.failure or evidence.is_doubted(stage.name, dossier):
                continue
            evidence.doubt(stage.name, video_id)
            if standing.basis is None:
                continue
            if _is_changed_source(standing):
                source = dossier.video.source
                yield found("source", evidence.path(stage.name), video_id, source=source, reason=standing.reason)
            else:
                left[standing.state, standing.reason].append(video_id)
        yield from _left(evidence, stage.name, left)


def _is_changed_source(standing: Standing) -> bool:
    record, basis = standing.record, standing.basis
    return record is not None and basis is not None and record.basis.outside != basis.outside


def _left(evidence: Evidence, stage: str, left: dict[tuple[State, str], list[str]]) -> Iterator[Finding]:
    path = evidence.path(stage)
    for (state, reason), ids in left.items():
        who = "it is" if len(ids) == 1 else f"{a_few(ids)} are"
        if stage not in evidence.ledger.records:
            yield found("missing shard", path, who=f"{a_few(ids)} {'is' if len(ids) == 1 else 'are'}")
        else:
            yield found("unfinished", path, ids[0] if len(ids) == 1 else "", who=who, state=state, reason=reason)


def examine_frames(evidence: Evidence) -> Iterator[Finding]:
    """All stages cover the same number of frames; those that differ from most, or from the first, are named."""
    for dossier in evidence.dossiers:
        frames = {stage.name: record.frames for stage, record in evidence.sound(dossier) if record.frames}
        usual = _usual(list(frames.values()))
        for stage, count in frames.items():
            if count != usual:
                video_id = dossier.video.video_id
                evidence.doubt(stage, video_id)
                yield found("frames", evidence.path(stage), video_id, frames=count, others=usual)


def _usual(counts: list[int]) -> int:
    return Counter(counts).most_common(1)[0][0] if counts else 0


def is_finished(evidence: Evidence, dossier: Dossier) -> bool:
    """Whether a video is done at every stage and nothing was found about it."""
    return len(list(evidence.sound(dossier))) == len(evidence.stages)

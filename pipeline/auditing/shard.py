"""The audit of one shard: plain values in, plain values out, so that any process can do it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from portrait_prep.manifests.catalogue import read_rows
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing import catalogue, checksums, claims, manifests, rows, status
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.reduction import Members, members_of
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shard_state import ShardState


@dataclass(frozen=True)
class Shard:
    """A shard to be audited: its name, its videos, and what the manifests' table says of them."""

    name: str
    videos: Sequence[Video]
    table: manifests.TableRows


@dataclass(frozen=True)
class Outcome:
    """What the audit of a shard comes to."""

    findings: Sequence[Finding]
    table: Sequence[str]
    """Places at which the manifests' table says otherwise."""
    accounted: frozenset[str]
    """Files that the shard accounts for, relative to the workspace."""
    finished: Sequence[str]
    """Videos that are done at every stage and about which nothing was found."""
    work_is_left: bool
    members: Members


@dataclass(frozen=True)
class ShardAudit:
    """Audits shards of a session's workspace; `gone` are videos of which there are files and no row."""

    session: Session
    deep: bool = False
    gone: frozenset[str] = frozenset()

    def __call__(self, shard: Shard) -> Outcome:
        """All that there is to say of one shard."""
        workspace, stages = self.session.workspace, self.session.stages
        state = ShardState.load(workspace, shard.name, shard.videos, stages)
        evidence = Evidence(self.session, state, gone=self.gone)
        findings = tuple(self._findings(evidence, shard.table.rows))
        return Outcome(
            findings=findings,
            table=(*shard.table.unreadable, *manifests.differing(evidence, shard.table.rows)),
            accounted=frozenset(self._accounted(evidence)),
            finished=[one.video.video_id for one in evidence.video_statuses if status.is_finished(evidence, one)],
            work_is_left=bool(evidence.doubted),
            members=members_of(stages, evidence.video_statuses),
        )

    def _findings(self, evidence: Evidence, table: manifests.Rows) -> Iterator[Finding]:
        yield from rows.examine_files(evidence, self._place_of)
        yield from status.examine_media(evidence)
        yield from status.examine_fingerprints(evidence)
        yield from status.examine_statuses(evidence)
        yield from status.examine_frames(evidence)
        yield from claims.examine_invariants(evidence)
        if self.deep:
            yield from claims.examine_proofs(evidence)
        evidence.read_manifests()
        yield from checksums.examine_checksums(evidence)
        yield from manifests.examine_manifests(evidence, table)

    def _place_of(self, video_id: str) -> str | None:
        return self._places.get(video_id)

    @cached_property
    def _places(self) -> Mapping[str, str]:
        """Video id -> shard, of the whole catalogue; read where a shard holds a video of another, which is rare."""
        videos = catalogue.usable(read_rows(self.session.workspace.catalogue))
        return {video.video_id: video.shard for video in videos}

    def _accounted(self, evidence: Evidence) -> Iterator[str]:
        params = self.session.settings.params
        suffixes = [name for stage in evidence.stages for name in stage.media_under(params[stage.name])]
        yield from files_of(self.session.workspace, evidence.ids, suffixes)
        for stage in evidence.stages:
            yield evidence.path(stage.name)
        for video_status in evidence.video_statuses:
            records = (one.record for one in video_status.statuses.values() if one.record)
            yield from (output.path for record in records for output in record.media)


def files_of(workspace: Workspace, video_ids: Iterable[str], suffixes: Sequence[str]) -> Iterator[str]:
    """The manifests and media files of these videos, relative to the workspace."""
    for video_id in video_ids:
        media = (workspace.media(video_id, suffix) for suffix in suffixes)
        yield from map(workspace.relative, (workspace.manifest(video_id), *media))

"""The audit: checks every claim that the workspace makes, and says in plain words what does not hold and what mends it.

Without `deep` it reads the workspace: every byte of shards and media, row counts, values, invariants, manifests against
shards, what joins the videos, and what lies there unaccounted for. With `deep` it also reads the sources again, decodes
the media, and joins the videos again. With a `sample` it recomputes some videos from their sources.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portrait_prep.manifests.catalogue import Catalogue, by_shard, read_rows
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing import (
    catalogue,
    checksums,
    claims,
    derived,
    manifests,
    orphans,
    reductions,
    rows,
    status,
)
from portrait_prep.pipeline.auditing.evidence import Evidence
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.auditing.manifests import TableAudit
from portrait_prep.pipeline.auditing.sample import Sample, examine_sample
from portrait_prep.pipeline.run.pruning import Pruning
from portrait_prep.pipeline.run.reduction import Reducer
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.store.shard_state import ShardState

__all__ = ["Audit", "Finding", "Sample"]


class Audit:
    """Audits a session's workspace; findings come as they are found, one shard in memory at a time.

    `deep` and `sample` write into a scratch folder of the workspace: hold it meanwhile (`Workspace.lock`).
    """

    def __init__(self, session: Session, deep: bool = False, sample: Sample | None = None) -> None:
        self._session, self._deep, self._sample = session, deep, sample
        self._workspace, self._stages = session.workspace, session.stages
        self._known: set[str] = set()
        """Every file that some claim accounts for, relative to the workspace."""
        self._finished: list[Video] = []
        """Videos that are done at every stage and about which nothing was found."""
        self._work_is_left = False
        self._gone: frozenset[str] = frozenset()
        """Videos of which there are files and no row."""

    def findings(self) -> Iterator[Finding]:
        """All findings."""
        workspace = self._workspace
        listed = read_rows(workspace.catalogue)
        videos = catalogue.usable(listed)
        yield from catalogue.examine_catalogue(workspace.relative(workspace.catalogue), listed)
        yield from self._removals(listed)
        reducer = Reducer(workspace, self._stages, videos)
        table = TableAudit(workspace.manifests_table, workspace.relative(workspace.manifests_table), self._gone)
        rows_by_id = {video.video_id: video for video in videos}
        places = {video.video_id: video.shard for video in videos}
        for shard, members in by_shard(videos).items():
            yield from self._shard(shard, members, places, reducer, table)
        yield from self._reductions(reducer)
        yield from table.finalize()
        names = [stage.name for stage in self._stages]
        yield from orphans.examine_files(workspace, names, self._known, rows_by_id, self._gone)
        yield from derived.examine_derived(self._session, self._deep)
        if self._sample:
            yield from examine_sample(self._session, self._sample, self._finished)

    def _removals(self, listed: Catalogue) -> Iterator[Finding]:
        """Videos whose rows went and whose files did not, and the other way round."""
        pruning = Pruning(self._workspace, self._stages, listed)
        self._gone = frozenset(pruning.gone)
        for video_id in pruning.gone:
            yield found("gone", self._workspace.relative(self._workspace.manifest(video_id)), video_id)
        for video_id in self._session.removals.there_again(listed):
            yield found("back", self._workspace.relative(self._workspace.catalogue), video_id)
        self._known.update(map(self._workspace.relative, pruning.lone_shards))
        self._account_for(pruning.gone, [suffix for stage in self._stages for suffix in stage.media])
        self._work_is_left |= bool(pruning.gone)

    def _shard(
        self,
        shard: str,
        videos: Sequence[Video],
        places: Mapping[str, str],
        reducer: Reducer,
        table: TableAudit,
    ) -> Iterator[Finding]:
        state = ShardState.load(self._workspace, shard, videos, self._stages)
        evidence = Evidence(self._session, state, gone=self._gone)
        yield from rows.examine_files(evidence, places)
        yield from status.examine_media(evidence)
        yield from status.examine_fingerprints(evidence)
        yield from status.examine_statuses(evidence)
        yield from status.examine_frames(evidence)
        yield from claims.examine_invariants(evidence)
        if self._deep:
            yield from claims.examine_proofs(evidence)
        evidence.read_manifests()
        yield from checksums.examine_checksums(evidence)
        table_rows = table.rows(shard)
        yield from manifests.examine_manifests(evidence, table_rows)
        table.compare(evidence, table_rows)
        reducer.add(evidence.video_statuses)
        self._account(evidence)

    def _account(self, evidence: Evidence) -> None:
        """Note what stays of a shard when it is left."""
        self._work_is_left |= bool(evidence.doubted)
        params = self._session.settings.params
        self._account_for(
            evidence.ids, [name for stage in self._stages for name in stage.media_under(params[stage.name])]
        )
        for stage in self._stages:
            self._known.add(evidence.path(stage.name))
        for video_status in evidence.video_statuses:
            records = (one.record for one in video_status.statuses.values() if one.record)
            self._known |= {output.path for record in records for output in record.media}
            if status.is_finished(evidence, video_status):
                self._finished.append(video_status.video)

    def _account_for(self, video_ids: Iterable[str], suffixes: Sequence[str]) -> None:
        """Note the manifests and media files of these videos."""
        workspace = self._workspace
        for video_id in video_ids:
            media = [workspace.media(video_id, suffix) for suffix in suffixes]
            self._known |= {workspace.relative(path) for path in (workspace.manifest(video_id), *media)}

    def _reductions(self, reducer: Reducer) -> Iterator[Finding]:
        audit = reductions.ReductionAudit(self._workspace, reducer, self._deep)
        for stage in self._stages:
            if stage.reduce is not None:
                self._known.update(audit.files(stage))
                yield from audit.findings(stage, self._work_is_left)

"""The audit: checks every claim that the workspace makes, and says in plain words what does not hold and what mends it.

Without `deep` it reads the workspace: every byte of shards and media, row counts, values, invariants, manifests against
shards, what joins the videos, and what lies there unaccounted for. With `deep` it also reads the sources again, decodes
the media, and joins the videos again. With a `sample` it recomputes some videos from their sources.
"""

from collections.abc import Iterable, Iterator, Sequence

from portrait_prep.manifests.catalogue import Catalogue, by_shard, read_rows
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.auditing import catalogue, derived, orphans, reductions
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.auditing.manifests import TableAudit
from portrait_prep.pipeline.auditing.sample import Sample, examine_sample
from portrait_prep.pipeline.auditing.shard import Outcome, Shard, ShardAudit, files_of
from portrait_prep.pipeline.declare.workspace import CACHE
from portrait_prep.pipeline.run.pool import in_order
from portrait_prep.pipeline.run.pruning import Pruning
from portrait_prep.pipeline.run.reduction import Reducer
from portrait_prep.pipeline.session import Session

__all__ = ["Audit", "Finding", "Sample"]

SHARDS_A_WORKER = 8
"""Fewer are looked at in less time than a worker takes to start; where sources and media are read, one takes longer."""


class Audit:
    """Audits a session's workspace; findings come shard by shard, in the order of the catalogue, as they are found.

    `workers` processes go through the shards, where there are enough that it pays to start them; below 2: this one
    does. A few shards a worker are in memory at a time.

    `deep` and `sample` write into a scratch folder of the workspace: hold it meanwhile (`Workspace.lock`).
    """

    def __init__(self, session: Session, deep: bool = False, sample: Sample | None = None, workers: int = 0) -> None:
        self._session, self._deep, self._sample, self._workers = session, deep, sample, workers
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
        for outcome in self._outcomes(videos, table):
            yield from outcome.findings
            table.note(outcome.table)
            reducer.take(outcome.members)
            self._known |= outcome.accounted
            self._finished += [rows_by_id[video_id] for video_id in outcome.finished]
            self._work_is_left |= outcome.work_is_left
        yield from self._reductions(reducer)
        yield from table.finalize()
        yield from self.strays(videos)
        yield from derived.examine_derived(self._session, self._deep)
        if self._sample:
            yield from examine_sample(self._session, self._sample, self._finished)

    def strays(self, videos: Iterable[Video]) -> Iterator[Finding]:
        """Files that nothing accounts for, of a workspace with these videos."""
        self._known.update(derived.derived_files(self._workspace))
        names = [*(stage.name for stage in self._stages), CACHE]
        rows_by_id = {video.video_id: video for video in videos}
        yield from orphans.examine_files(self._workspace, names, self._known, rows_by_id, self._gone)

    def _removals(self, listed: Catalogue) -> Iterator[Finding]:
        """Videos whose rows went and whose files did not, and the other way round."""
        pruning = Pruning(self._workspace, self._stages, listed)
        self._gone = frozenset(pruning.gone)
        for video_id in pruning.gone:
            yield found("gone", self._workspace.relative(self._workspace.manifest(video_id)), video_id)
        for video_id in self._session.removals.there_again(listed):
            yield found("back", self._workspace.relative(self._workspace.catalogue), video_id)
        self._known.update(map(self._workspace.relative, pruning.lone_shards))
        suffixes = [suffix for stage in self._stages for suffix in stage.media]
        self._known.update(files_of(self._workspace, pruning.gone, suffixes))
        self._work_is_left |= bool(pruning.gone)

    def _outcomes(self, videos: Sequence[Video], table: TableAudit) -> Iterator[Outcome]:
        """What there is to say of each shard, in the order of the catalogue."""
        session = self._session.afresh()  # without the catalogue: it goes to each worker
        _ = session.planner.constants  # settings, reviews and model files are read once for all workers
        shards = by_shard(videos)
        todo = (Shard(name, members, table.rows(name)) for name, members in shards.items())
        workers = min(self._workers, len(shards) // (1 if self._deep else SHARDS_A_WORKER))
        yield from in_order(ShardAudit(session, self._deep, self._gone), todo, workers)

    def _reductions(self, reducer: Reducer) -> Iterator[Finding]:
        audit = reductions.ReductionAudit(self._workspace, reducer, self._deep)
        for stage in self._stages:
            if stage.reduce is not None:
                self._known.update(audit.files(stage))
                yield from audit.findings(stage, self._work_is_left)

"""A workspace opened for work: its settings, catalogue and planner, and what a run does from start to end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import Catalogue, read_catalogue, write_catalogue
from portrait_prep.manifests.removals import Removals, read_removals
from portrait_prep.manifests.verdict import Review, read_reviews
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.inner_sources import require_sources_kept
from portrait_prep.pipeline.declare.section import Section
from portrait_prep.pipeline.declare.settings import Settings, read_settings, stages_on, write_settings
from portrait_prep.pipeline.declare.stage import Stage, most_at_once
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.demands import Demands, packages_of_values
from portrait_prep.pipeline.run.finalize import finalize
from portrait_prep.pipeline.run.opening import open_executor
from portrait_prep.pipeline.run.pruning import Pruning
from portrait_prep.pipeline.run.reduction import Reducer, is_made_from
from portrait_prep.pipeline.run.results import discard_useless, left_results
from portrait_prep.pipeline.run.scheduler import Progress, RunCounts, Scheduler
from portrait_prep.pipeline.status.cache import StatusCache
from portrait_prep.pipeline.status.counts import ShardCounts, StatusCounts
from portrait_prep.pipeline.status.plan import Planner, Selection
from portrait_prep.pipeline.status.survey import VideoStatus, VideoSummary, survey, video_statuses
from portrait_prep.pipeline.store.shard_state import ShardState


@dataclass(frozen=True)
class Session:
    """Raises BadInput or BadSetting, on first use, where settings or catalogue are missing or wrong.

    `declared`: all stages, whether they are on or not.
    `sections`: all that has a section in `pipeline.toml`, in its order. Where there are none, the stages have.
    """

    workspace: Workspace
    declared: tuple[Stage[Any], ...]
    sections: tuple[Section, ...] = ()

    def afresh(self) -> "Session":
        """The same, with nothing of it read yet."""
        return replace(self)

    @cached_property
    def settings(self) -> Settings:
        """Everything in `pipeline.toml`."""
        return read_settings(self.workspace.settings, self.sections or self.declared)

    @cached_property
    def stages(self) -> tuple[Stage[Any], ...]:
        """Those through which videos pass under the settings."""
        return stages_on(self.declared, self.settings)

    @cached_property
    def videos(self) -> Catalogue:
        """The catalogue."""
        return read_catalogue(self.workspace.catalogue)

    @cached_property
    def reviews(self) -> dict[str, Review]:
        """Video id -> what a person decided."""
        return read_reviews(self.workspace.reviews)

    @cached_property
    def removals(self) -> Removals:
        """What was removed, and stays out."""
        return read_removals(self.workspace.removals)

    @cached_property
    def planner(self) -> Planner:
        """Compares what lies on disk with what would be computed now."""
        return Planner(self.workspace, self.stages, self.settings, self.reviews)

    def select(self, stages: Sequence[str], only: Sequence[str], retry_failed: bool, prune: bool = False) -> Selection:
        """Check the names that a user gave. A stage brings the stages that it stands on. Raises BadInput."""
        known = [stage.name for stage in self.stages]
        off = {stage.name for stage in self.declared}.difference(known)
        for name in stages:
            if name in off:
                raise BadInput(f"The stage '{name}' is off: set its backend in [{name}] of pipeline.toml.")
            if name not in known:
                raise BadInput(f"There is no stage '{name}'; the stages are {', '.join(known)}.")
        named = self.named(only)
        wanted = set(stages) or set(known)
        for stage in reversed(self.stages):
            if stage.name in wanted:
                wanted |= set(stage.upstream).intersection(known)
        return Selection(frozenset(wanted), frozenset(named), retry_failed, prune)

    def video(self, video_id: str) -> Video:
        """A row of the catalogue. Raises BadInput where there is none."""
        return self.videos.require(video_id)

    def named(self, names: Sequence[str]) -> list[str]:
        """The ids that are meant by ids and patterns, each once. Raises BadInput for one that means none."""
        return self.videos.named(names)

    def video_status(self, video_id: str) -> VideoStatus:
        """What is true of one video now. Raises BadInput when the catalogue does not have it."""
        shard = self.video(video_id).shard
        members = self.videos.shards[shard]
        found = video_statuses(self.planner, ShardState.load(self.workspace, shard, members, self.stages))
        return next(video_status for video_status in found if video_status.video.video_id == video_id)

    def video_statuses(self, verified: bool = False) -> Iterator[list[VideoStatus]]:
        """What is true of every video now, shard by shard; `verified`: files that no manifest knows are read first."""
        return survey(self.workspace, self.planner, self.videos, verified)

    def summaries(self) -> Iterator[Sequence[VideoSummary]]:
        """What there is to tell of every video, shard by shard. Of a shard of which nothing has changed it is known."""
        cache = StatusCache(self.workspace, self.planner)
        for shard, members in self.videos.shards.items():
            if recalled := cache.recall(shard, members):
                yield recalled.summaries
            else:
                yield from survey(self.workspace, self.planner, members)

    def unfinished(self, cache: StatusCache | None = None, verified: bool = False) -> Iterator[list[VideoStatus]]:
        """The same without the shards of which it is known that no run would compute anything."""
        cache = cache or StatusCache(self.workspace, self.planner)
        for shard, members in self.videos.shards.items():
            if not cache.holds(shard, members):
                yield from survey(self.workspace, self.planner, members, verified)

    def status_counts(self) -> StatusCounts:
        """How many videos and shards stand where. Of a shard of which nothing has changed that is known."""
        status_counts, cache = StatusCounts(self.stages), StatusCache(self.workspace, self.planner)
        for shard, members in self.videos.shards.items():
            known = cache.counts(shard, members)
            if known is None:
                (found,) = survey(self.workspace, self.planner, members)
                known = ShardCounts.of(self.stages, found)
            status_counts.add(known)
        return status_counts

    def write_settings(self) -> None:
        """Write `pipeline.toml` with all defaults, unless it is there."""
        if not self.workspace.settings.exists():
            write_settings(self.workspace.settings, self.sections or self.declared)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the workspace; before and after, sweep away what is temporary, but for results that a run may use."""
        with self.workspace.lock():
            self._sweep()
            try:
                yield
            finally:
                self._sweep()

    @contextmanager
    def changing(self) -> Iterator["Session"]:
        """Hold the workspace for a decision that is noted and then followed by `finalize`; yields what lies there now.

        Nothing is noted that could not be followed: raises BadInput, BadSetting or MissingPrerequisite where anything
        cannot be read, manifests cannot be written, or the catalogue has lost most of its rows.
        """
        _ = self.videos  # where there is no workspace yet, that is what is said
        with self.held():
            now = self.afresh()
            _ = now.videos, now.settings, now.reviews, now.removals
            now.workspace.folder("manifests")
            now.pruning().require_meant()
            yield now

    def _sweep(self) -> None:
        results = left_results(self.workspace, self.declared)
        self.workspace.sweep(keep={path for result in results for path in result.files})

    def run(
        self, selection: Selection, workers: int, scheduler: str | None = None, progress: Progress = lambda *_: None
    ) -> tuple[RunCounts, StatusCounts]:
        """Bring the selected stages up to date, then the manifests and whatever joins videos."""
        _ = self.videos, self.settings, self.reviews, self.removals
        with self.held():
            # Until it was held another command may have changed what was read: a removed video would come back.
            return self.afresh()._run(selection, workers, scheduler, progress)

    def _run(
        self, selection: Selection, workers: int, scheduler: str | None, progress: Progress
    ) -> tuple[RunCounts, StatusCounts]:
        self.drop_removed()
        if not selection.prune:
            self.pruning().require_meant()
        log_file = self.workspace.log("workers.log")
        run_counts, cache = RunCounts(), StatusCache(self.workspace, self.planner)
        if tasks := self._tasks_at_once(selection, cache, max(workers, 1)):
            require_sources_kept(self.workspace, self.declared, self.videos)
            own = self.settings.run
            gpu = own.gpu if self._wants_gpu(selection) else None
            demands = self._demands()
            size = min(workers, tasks)
            with open_executor(size, scheduler, log_file, gpu, own.gpu_workers, demands=demands) as executor:
                work = Scheduler(self.workspace, self.planner, self.videos, executor, selection, progress)
                run_counts = work.run()
            cache = StatusCache(self.workspace, self.planner)
        return run_counts, self.finalize(selection.stages, cache, prune=True)

    def drop_removed(self) -> None:
        """Write the catalogue without what was removed, where any of it is there. Call while `held`."""
        left = self.removals.leave(self.videos)
        if left is not self.videos:
            write_catalogue(self.workspace.catalogue, left)
            vars(self)["videos"] = read_catalogue(self.workspace.catalogue)

    def pruning(self) -> Pruning:
        """What lies here of videos that the catalogue has no longer."""
        return Pruning(self.workspace, self.declared, self.videos, self.removals.sources)

    def _tasks_at_once(self, selection: Selection, cache: StatusCache, most: int) -> int:
        """How many tasks there can be at the same time, counted up to `most`; 0 where no work is left."""
        found = self.video_statuses(verified=True) if selection.retry_failed else self.unfinished(cache, verified=True)
        left = (
            video_status
            for shard in found
            for video_status in shard
            if any(
                selection.wants(stage, video_status.video.video_id, status)
                for stage, status in video_status.statuses.items()
            )
        )
        videos = sum(1 for _ in islice(left, most))
        return min(videos * most_at_once(self.stages, selection.stages), most)

    def _demands(self) -> Demands:
        """What a worker must have: the packages that affect values, and the folders that stages write to."""
        packages = {*packages_of_values(), *(name for stage in self.stages for name in stage.distributions)}
        names = ("media", "cache", *(stage.name for stage in self.stages))
        folders = [self.workspace.root / name for name in names]
        # Behind a link nothing is written, not even to try whether a worker can.
        own = [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]
        return Demands(sorted(packages), [self.workspace.root, *own])

    def _wants_gpu(self, selection: Selection) -> bool:
        chosen = (stage for stage in self.stages if stage.name in selection.stages)
        return any(stage.wants_gpu(self.settings.params[stage.name]) for stage in chosen)

    def finalize(
        self, stages: frozenset[str] | None = None, cache: StatusCache | None = None, prune: bool = False
    ) -> StatusCounts:
        """One pass over all shards: manifests, their table, the counts, and the reductions. Call while `held`.

        What lies there of videos that the catalogue no longer has is taken out, as are results that no run would use.

        `stages`: those whose reduction is wanted; None: those with which every video is through. `prune`: however many
        videos have no row; without it BadInput is raised where that looks like a mistake.
        """
        pruning = self.pruning()
        if not prune:
            pruning.require_meant()
        cache = cache or StatusCache(self.workspace, self.planner)
        status_counts = None if pruning.gone else self._as_noted(cache, stages)
        if status_counts:
            pruning.finish()
        else:
            status_counts = self._brought_up_to_date(cache, stages, pruning)
        discard_useless(self.workspace, self.declared, self.planner, self.videos)
        return status_counts

    def _as_noted(self, cache: StatusCache, stages: frozenset[str] | None) -> StatusCounts | None:
        """The counts, where the last pass left everything as another would."""
        status_counts = StatusCounts(self.stages)
        for shard, members in self.videos.shards.items():
            known = cache.counts(shard, members)
            if known is None:
                return None
            status_counts.add(known)
        wanted = status_counts.settled if stages is None else stages
        reduced = (stage.name for stage in self.stages if stage.reduce and stage.name in wanted)
        current = all(is_made_from(self.workspace, name, cache.basis(name)) for name in reduced)
        return status_counts if current and cache.is_whole(self.videos.shards) else None

    def _brought_up_to_date(self, cache: StatusCache, stages: frozenset[str] | None, pruning: Pruning) -> StatusCounts:
        status_counts, reducer = StatusCounts(self.stages), Reducer(self.workspace, self.stages, self.videos)
        for summaries in finalize(self.workspace, self.planner, self.videos, cache, pruning, reducer):
            status_counts.add(ShardCounts.of(self.stages, summaries))
        status_counts.taken_out = pruning.finish()
        reducer.reduce(status_counts.settled if stages is None else stages)
        return status_counts

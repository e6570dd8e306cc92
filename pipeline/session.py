"""A workspace opened for work: its settings, catalogue and planner, and what a run does from start to end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import Video, read_catalogue
from portrait_prep.manifests.verdict import Review, read_reviews
from portrait_prep.pipeline.declare.settings import Settings, read_settings
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.executor import hire
from portrait_prep.pipeline.run.finalize import conclude
from portrait_prep.pipeline.run.reduction import Reducer
from portrait_prep.pipeline.run.scheduler import Foreman, Progress, Selection, Tally
from portrait_prep.pipeline.status.cache import Memory
from portrait_prep.pipeline.status.counts import Census
from portrait_prep.pipeline.status.plan import Planner
from portrait_prep.pipeline.status.survey import Dossier, by_shard, dossiers, survey
from portrait_prep.pipeline.store.shard_state import Ledger


@dataclass(frozen=True)
class Session:
    """Raises BadInput or BadSetting, on first use, where settings or catalogue are missing or wrong."""

    workspace: Workspace
    stages: tuple[Stage[Any], ...]

    @cached_property
    def settings(self) -> Settings:
        """Everything in `pipeline.toml`."""
        return read_settings(self.workspace.settings, self.stages)

    @cached_property
    def videos(self) -> list[Video]:
        """The catalogue."""
        return read_catalogue(self.workspace.catalogue)

    @cached_property
    def reviews(self) -> dict[str, Review]:
        """Video id -> what a person decided."""
        return read_reviews(self.workspace.reviews)

    @cached_property
    def planner(self) -> Planner:
        """Compares what lies on disk with what would be computed now."""
        return Planner(self.workspace, self.stages, self.settings, self.reviews)

    def select(self, stages: Sequence[str], only: Sequence[str], retry_failed: bool) -> Selection:
        """Check the names that a user gave. A stage brings the stages that it stands on. Raises BadInput."""
        known = {stage.name: stage for stage in self.stages}
        for name in stages:
            if name not in known:
                raise BadInput(f"There is no stage '{name}'; the stages are {', '.join(known)}.")
        self.require_videos(only)
        wanted = set(stages) or set(known)
        for stage in reversed(self.stages):
            if stage.name in wanted:
                wanted |= set(stage.upstream)
        return Selection(frozenset(wanted), frozenset(only), retry_failed)

    def require_videos(self, names: Sequence[str]) -> None:
        """Raise BadInput unless the catalogue has all of them."""
        ids = {video.video_id for video in self.videos}
        for name in names:
            if name not in ids:
                raise BadInput(
                    f"There is no video '{name}' in the catalogue; 'portrait-prep status' lists what failed."
                )

    def dossier(self, video_id: str) -> Dossier:
        """What is true of one video now. Raises BadInput when the catalogue does not have it."""
        self.require_videos([video_id])
        shard = next(video.shard for video in self.videos if video.video_id == video_id)
        members = [video for video in self.videos if video.shard == shard]
        found = dossiers(self.planner, Ledger.load(self.workspace, shard, members, self.stages))
        return next(dossier for dossier in found if dossier.video.video_id == video_id)

    def dossiers(self, sealed: bool = False) -> Iterator[list[Dossier]]:
        """What is true of every video now, shard by shard; `sealed`: what no manifest vouches for is verified first."""
        return survey(self.workspace, self.planner, self.videos, sealed)

    def unfinished(self, memory: Memory | None = None, sealed: bool = False) -> Iterator[list[Dossier]]:
        """The same without the shards of which it is known that no run would compute anything."""
        memory = memory or Memory(self.workspace, self.planner)
        known = {shard for shard, members in by_shard(self.videos).items() if memory.holds(shard, members)}
        videos = [video for video in self.videos if video.shard not in known]
        return survey(self.workspace, self.planner, videos, sealed)

    def census(self) -> Census:
        """Count them."""
        census = Census(self.stages)
        for found in self.dossiers():
            census.add(found)
        return census

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the workspace, sweep away what a killed run left, and leave nothing temporary behind."""
        with self.workspace.lock():
            self.workspace.sweep()
            try:
                yield
            finally:
                self.workspace.sweep()

    def run(
        self, selection: Selection, workers: int, scheduler: str | None = None, progress: Progress = lambda *_: None
    ) -> tuple[Tally, Census]:
        """Bring the selected stages up to date, then the manifests and whatever joins videos."""
        _ = self.videos, self.settings, self.reviews
        with self.held():
            self.workspace.logs.mkdir(exist_ok=True)
            tally, memory = Tally(), Memory(self.workspace, self.planner)
            if self._work_is_left(selection, memory):
                gpu = self.settings.run.gpu if self._wants_gpu(selection) else None
                with hire(workers, scheduler, self.workspace.logs / "workers.log", gpu) as crew:
                    foreman = Foreman(self.workspace, self.planner, self.videos, crew, selection, progress)
                    tally = foreman.run()
                memory = Memory(self.workspace, self.planner)
            return tally, self.conclude(selection.stages, memory)

    def _work_is_left(self, selection: Selection, memory: Memory) -> bool:
        found = self.dossiers(sealed=True) if selection.retry_failed else self.unfinished(memory, sealed=True)
        return any(
            selection.wants(stage, dossier.video.video_id, standing)
            for shard in found
            for dossier in shard
            for stage, standing in dossier.standings.items()
        )

    def _wants_gpu(self, selection: Selection) -> bool:
        chosen = (stage for stage in self.stages if stage.name in selection.stages)
        return any(stage.wants_gpu(self.settings.params[stage.name]) for stage in chosen)

    def conclude(self, stages: frozenset[str] | None = None, memory: Memory | None = None) -> Census:
        """One pass over all shards: manifests, their table, the census, and the reductions. Call while `held`.

        `stages`: those whose reduction is wanted; None: those with which every video is through.
        """
        census, reducer = Census(self.stages), Reducer(self.workspace, self.stages)
        memory = memory or Memory(self.workspace, self.planner)
        for accounts in conclude(self.workspace, self.planner, self.videos, memory):
            census.add(accounts)
            reducer.add(accounts)
        reducer.reduce(census.settled if stages is None else stages)
        return census

"""The plan: for each video and stage, is what lies on disk what we would compute now, and if not, why not.

Everything is decided by comparing fingerprints; resuming, re-running after a change of parameters, adding videos and
recovering from a crash are the same code path.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from portrait_prep.errors import Damaged, MachineFault, SourceAway, TransferFailed
from portrait_prep.manifests.record import Basis, Failure, Record, unsaid
from portrait_prep.manifests.verdict import Review
from portrait_prep.manifests.video import Video, anchored
from portrait_prep.pipeline.declare.quality import Rule, rules
from portrait_prep.pipeline.declare.settings import Settings
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.arrow import digest_of

Records = Mapping[str, Mapping[str, Record]]
"""Stage name -> video id -> record, of one shard."""


class State(StrEnum):
    """Where a video stands at a stage. A catalogue's videos divide into these without remainder."""

    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    PENDING = "pending"
    STALE = "stale"


@dataclass(frozen=True)
class StageStatus:
    """State of one video at one stage, why, and (when its inputs are settled) what it would be computed from.

    `again`: it failed, and every run tries it again.
    """

    state: State
    reason: str = ""
    record: Record | None = None
    basis: Basis | None = None
    again: bool = False

    @property
    def settled(self) -> bool:
        """Whether running would change nothing."""
        return self.state in (State.DONE, State.FAILED, State.BLOCKED) and not self.again

    @property
    def failure(self) -> Failure | None:
        """The error that stands."""
        return self.record.error if self.record and self.state is State.FAILED else None

    @property
    def runnable(self) -> bool:
        """Whether it must be computed and can be."""
        return not self.settled and self.basis is not None


@dataclass(frozen=True)
class Selection:
    """What a run is asked to do: which stages, which videos (empty: all), and whether failures are tried again.

    `prune`: what was made of videos without a row is deleted, however many they are.
    """

    stages: frozenset[str]
    only: frozenset[str] = frozenset()
    retry_failed: bool = False
    prune: bool = False

    def covers(self, stage: str, video_id: str) -> bool:
        """Whether the run is about this video at this stage."""
        return stage in self.stages and (not self.only or video_id in self.only)

    def wants(self, stage: str, video_id: str, status: StageStatus) -> bool:
        """Whether this video is to be computed at this stage now."""
        if not self.covers(stage, video_id):
            return False
        return status.runnable or (self.retry_failed and status.state is State.FAILED)


def fingerprint(stage: str, basis: Basis) -> str:
    """sha256 over the stage's name and everything in the basis."""
    return digest_of([("stage", stage), ("basis", json.dumps(basis.model_dump(mode="json"), sort_keys=True))])


class Planner:
    """Knows stages, settings and what people decided; tells where the videos of a shard stand."""

    def __init__(
        self,
        workspace: Workspace,
        stages: Sequence[Stage[Any]],
        settings: Settings,
        reviews: Mapping[str, Review] = MappingProxyType({}),
    ) -> None:
        self._workspace = workspace
        self.stages = tuple(stages)
        self.settings = settings
        self.reviews = reviews

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of quality under the settings."""
        return rules(self.stages, self.settings.quality)

    @cached_property
    def constants(self) -> dict[str, dict[str, Any]]:
        """Stage -> the part of its basis that is the same for all videos: version, parameters, digests of models."""
        return {stage.name: self._constants_of(stage) for stage in self.stages}

    def _constants_of(self, stage: Stage[Any]) -> dict[str, Any]:
        params = self.settings.params[stage.name]
        models = dict(stage.models(params)) if stage.models else {}
        values = params.model_dump(mode="json", exclude={*params.incidental, *unsaid(params)})
        return {"version": stage.version, "params": values, "models": models}

    def basis(
        self, stage: Stage[Any], video: Video, upstream: Mapping[str, Record], known: Record | None = None
    ) -> Basis:
        """What the columns of `video` at `stage` would be computed from; `known` is what was recorded last."""
        inputs = {}
        for reference in stage.reads_under(self.settings.params[stage.name]):
            name, _, column = reference.partition(".")
            inputs[reference] = upstream[name].digests.get(column, "")
        return Basis(
            catalogue=_named(stage, video),
            inputs=inputs,
            outside=self._outside(stage, video, known),
            **self.constants[stage.name],
        )

    def _outside(self, stage: Stage[Any], video: Video, known: Record | None) -> dict[str, Any]:
        """Facts about files beyond the workspace. While these cannot be seen, what was read from them stays valid.

        Nothing was read from files that the catalogue did not name then.
        """
        facts = stage.outside(anchored(video, self._workspace.root)) if stage.outside else {}
        if facts is None:
            unchanged = known and known.done and known.basis.catalogue == _named(stage, video)
            return known.basis.outside if known and unchanged else {}
        return dict(facts)

    def statuses(self, videos: Sequence[Video], records: Records) -> dict[str, dict[str, StageStatus]]:
        """Stage name -> video id -> status, for the videos of one shard."""
        found: dict[str, dict[str, StageStatus]] = {}
        for stage in self.stages:
            known = records.get(stage.name, {})
            found[stage.name] = {
                video.video_id: self._status(
                    stage,
                    video,
                    known.get(video.video_id),
                    {name: found[name][video.video_id] for name in stage.upstream if name in found},
                )
                for video in videos
            }
        return found

    def _status(
        self, stage: Stage[Any], video: Video, record: Record | None, upstream: Mapping[str, StageStatus]
    ) -> StageStatus:
        if not video.worked_on:
            return StageStatus(State.BLOCKED, str(video.defect))
        for name, above in upstream.items():
            if above.state in (State.FAILED, State.BLOCKED):
                reason = f"{name} failed" if above.state is State.FAILED else above.reason
                return StageStatus(State.BLOCKED, reason, record)
        unfinished = State.PENDING if record is None else State.STALE
        for name, above in upstream.items():
            if not above.settled:
                return StageStatus(unfinished, f"waits for {name}", record)
        inputs = {name: status.record for name, status in upstream.items() if status.record}
        basis = self.basis(stage, video, inputs, record)
        if record is None:
            return StageStatus(State.PENDING, "not computed yet", None, basis)
        reason = self._why_stale(stage, record, basis)
        if reason:
            return StageStatus(State.STALE, reason, record, basis)
        again = TRIED_AGAIN.get(record.error.type, "") if record.error else ""
        return StageStatus(State.DONE if record.done else State.FAILED, again, record, basis, again=bool(again))

    def _why_stale(self, stage: Stage[Any], record: Record, basis: Basis) -> str:
        if record.fingerprint != fingerprint(stage.name, basis):
            return difference(record.basis, basis)
        for output in record.media:
            path = self._workspace.root / output.path
            if not path.is_file():
                return f"{output.path} is missing"
            if path.stat().st_size != output.bytes:
                return f"{output.path} has another size than recorded"
        return ""


def _named(stage: Stage[Any], video: Video) -> dict[str, Any]:
    """What the catalogue says that matters to the stage."""
    left_out = unsaid(video)
    return {name: getattr(video, name) for name in stage.catalogue if name not in left_out}


TRIED_AGAIN = {
    Damaged.__name__: "what it reads was damaged",
    SourceAway.__name__: "its source was away",
    TransferFailed.__name__: "its transfer failed",
    MachineFault.__name__: "the machine that worked on it failed",
}
"""Failures that are no fault of the video: every run tries it again."""

WORDS = {
    "version": "stage version",
    "params": "setting",
    "models": "model",
    "catalogue": "catalogue field",
    "inputs": "input",
    "outside": "source",
}


def difference(old: Basis, new: Basis) -> str:
    """Name to the user what changed between two bases."""
    changes = []
    for field, word in WORDS.items():
        before, after = getattr(old, field), getattr(new, field)
        if not isinstance(before, dict):
            before, after = {"": before}, {"": after}
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                untold = field in ("models", "inputs") or key in ("source", "sound")
                values = "" if untold else f": {_told(before, key)} -> {_told(after, key)}"
                changes.append(f"{word}{' ' if key else ''}{key} changed{values}")
    return "; ".join(changes) or "its fingerprint is not that of what it was computed from"


def _told(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else "unset"

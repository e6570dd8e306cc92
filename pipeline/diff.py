"""What is otherwise in one workspace than in another: catalogue, settings, what was made how, values, verdicts.

It is told what lies there: records and rows of the shards, and verdicts as the manifests have them. Values are read
only of videos whose recorded digests differ.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from manifests.catalogue import Video
from manifests.record import Record
from pipeline.diff_columns import Spread, add_video
from pipeline.plan import difference
from pipeline.reduction import read_reduction, reduction_path
from pipeline.session import Session
from pipeline.settings import Settings
from pipeline.shards import ShardReader
from pipeline.stage import Stage
from pipeline.workspace import Workspace


def _lists() -> dict[str, list[str]]:
    return defaultdict(list)


@dataclass
class StageDifference:
    """One stage. All but `columns` map words for a difference to the ids of the videos that have it.

    `made`: computed from other inputs, settings, versions, models or sources; `packages`: with other versions of
    packages; `outcomes`: with another end; `files`: other bytes of a media file, or columns that only one side has.
    """

    made: dict[str, list[str]] = field(default_factory=_lists)
    packages: dict[str, list[str]] = field(default_factory=_lists)
    outcomes: dict[str, list[str]] = field(default_factory=_lists)
    files: dict[str, list[str]] = field(default_factory=_lists)
    columns: dict[str, Spread] = field(default_factory=lambda: defaultdict(Spread))

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return any((self.made, self.packages, self.outcomes, self.files, self.columns))

    def to_json(self) -> dict[str, Any]:
        """As data."""
        told = {name: dict(value) for name, value in vars(self).items() if name != "columns"}
        return told | {"columns": {name: spread.to_json() for name, spread in self.columns.items()}}


@dataclass
class Difference:
    """All that differs. `changed`: field of the catalogue -> ids; `verdicts`: id -> what was and is said of it.

    `joined`: files made of many videos that differ, or that only one side has.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=_lists)
    settings: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    stages: dict[str, StageDifference] = field(default_factory=dict)
    verdicts: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether there is one."""
        parts = (self.added, self.removed, self.changed, self.settings, self.verdicts, self.joined)
        return any(parts) or any(stage.any for stage in self.stages.values())

    def to_json(self) -> dict[str, Any]:
        """As `diff --json` prints it."""
        return {
            "same": not self.any,
            "catalogue": {"added": self.added, "removed": self.removed, "changed": dict(self.changed)},
            "settings": {name: {"before": one, "after": two} for name, (one, two) in self.settings.items()},
            "stages": {name: stage.to_json() for name, stage in self.stages.items()},
            "verdicts": {name: {"before": one, "after": two} for name, (one, two) in self.verdicts.items()},
            "joined": self.joined,
        }


def compare(first: Session, second: Session) -> Difference:
    """Compare two workspaces of the same stages. Raises BadInput, BadSetting or Damaged where one cannot be read."""
    found = Difference()
    before, after = ({video.video_id: video for video in session.videos} for session in (first, second))
    found.removed = [name for name in before if name not in after]
    found.added = [name for name in after if name not in before]
    both = [(before[name], after[name]) for name in before if name in after]
    for one, two in both:
        for name in _different(one.model_dump(), two.model_dump()):
            found.changed[name].append(one.video_id)
        was, now = (_quality(session.workspace, one.video_id) for session in (first, second))
        if was != now:
            found.verdicts[one.video_id] = was, now
    told = [_flat(session.settings, session.stages) for session in (first, second)]
    found.settings = {name: (told[0].get(name), told[1].get(name)) for name in _different(*told)}
    for stage in first.stages:
        found.stages[stage.name] = _stage(stage, first.workspace, second.workspace, both)
        found.joined += _different(*(_joined(session.workspace, stage) for session in (first, second)))
    return found


def _different(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    return [name for name in dict.fromkeys([*one, *two]) if one.get(name) != two.get(name)]


def _flat(settings: Settings, stages: Sequence[Stage[Any]]) -> dict[str, Any]:
    models = {"run": settings.run, **{stage.name: settings.params[stage.name] for stage in stages}}
    return {
        f"[{section}] {key}": value
        for section, model in {**models, "quality": settings.quality}.items()
        for key, value in model.model_dump(mode="json").items()
    }


def _quality(workspace: Workspace, video_id: str) -> Any:
    """The verdict, as the manifest tells it; None where there is none."""
    try:
        return json.loads(workspace.manifest(video_id).read_text("utf-8"))["quality"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _joined(workspace: Workspace, stage: Stage[Any]) -> dict[str, str]:
    """Path -> sha256 of what the stage made of many videos."""
    note = read_reduction(reduction_path(workspace, stage.name))
    return {output.path: output.sha256 for output in note.outputs} if note else {}


def _stage(
    stage: Stage[Any], first: Workspace, second: Workspace, both: Sequence[tuple[Video, Video]]
) -> StageDifference:
    found = StageDifference()
    for (here, there), videos in groupby(both, key=lambda pair: (pair[0].shard, pair[1].shard)):
        with ExitStack() as stack:
            one = _opened(stack, first.shard(stage.name, here))
            two = _opened(stack, second.shard(stage.name, there))
            for video, _ in videos:
                _video(found, stage, video.video_id, one, two)
    return found


def _opened(stack: ExitStack, path: Path) -> ShardReader | None:
    try:
        return stack.enter_context(ShardReader(path))
    except FileNotFoundError:
        return None


def _video(
    found: StageDifference, stage: Stage[Any], video_id: str, one: ShardReader | None, two: ShardReader | None
) -> None:
    before, after = (reader.records.get(video_id) if reader else None for reader in (one, two))
    if _end(before) != _end(after):
        found.outcomes[f"{_end(before)} -> {_end(after)}"].append(video_id)
    if before is None or after is None or one is None or two is None:
        return
    if before.fingerprint != after.fingerprint:
        found.made[difference(before.basis, after.basis)].append(video_id)
    for name in _different(before.versions, after.versions):
        found.packages[f"{name} {before.versions.get(name)} -> {after.versions.get(name)}"].append(video_id)
    if before.done and after.done:
        _values(found, stage, video_id, (before, one), (after, two))


def _end(record: Record | None) -> str:
    if record is None:
        return "not computed"
    return f"failed: {record.error.message}" if record.error else record.outcome


def _values(
    found: StageDifference,
    stage: Stage[Any],
    video_id: str,
    first: tuple[Record, ShardReader],
    second: tuple[Record, ShardReader],
) -> None:
    (before, one), (after, two) = first, second
    columns = {column.name for column in stage.columns}
    spreads = {}
    for name in _different(before.digests, after.digests):
        if name not in after.digests or name not in before.digests:
            found.files[f"{name} is only in the {'first' if name in before.digests else 'second'}"].append(video_id)
        elif name in columns:
            spreads[name] = found.columns[name]
        else:
            found.files[f"{name} has other bytes"].append(video_id)
    if spreads:
        add_video(spreads, video_id, one, two)

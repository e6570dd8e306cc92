"""What is otherwise in one workspace than in another: catalogue, settings, what was made how, values, verdicts.

It compares what lies there: records and rows of the shards, and verdicts as the manifests have them. Values are read
only of videos whose recorded digests differ; one row group of each side is in memory at a time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from portrait_prep.manifests.record import Record
from portrait_prep.manifests.verdict import Reviewed, Verdict
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.pipeline.declare.settings import Settings
from portrait_prep.pipeline.declare.stage import Batch, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.reduction import read_reduction, reduction_path
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import difference
from portrait_prep.pipeline.store.shards import ShardReader


def _lists() -> dict[str, list[str]]:
    return defaultdict(list)


@dataclass
class Spread:
    """Differences of one column, over the videos whose digests of it differ.

    `values` were compared, `different` of them are not equal; `mean` and `greatest` are of the absolute difference
    where both are finite, in the column's unit, the latter met in `frame` of `video`. `missing_first` and
    `missing_second`: values that are NaN (or infinite, or null) on that side alone. `shapes`: videos of other length or
    shape.
    """

    videos: list[str] = field(default_factory=list)
    values: int = 0
    different: int = 0
    missing_first: int = 0
    missing_second: int = 0
    shapes: list[str] = field(default_factory=list)
    greatest: float = 0.0
    video: str = ""
    frame: int = 0
    _sum: float = 0.0
    _finite: int = 0

    @property
    def mean(self) -> float:
        """Mean absolute difference."""
        return self._sum / self._finite if self._finite else 0.0

    def add(self, video_id: str, first_frame: int, one: NDArray[Any], two: NDArray[Any]) -> None:
        """Take in the same rows of both, [rows, *shape]."""
        self.values += one.size
        if np.dtype(object) in (one.dtype, two.dtype):
            self._add_objects(one.reshape(-1), two.reshape(-1))
            return
        here, there = one.astype(np.float64), two.astype(np.float64)
        seen, also_seen = np.isfinite(here), np.isfinite(there)
        both, apart = seen & also_seen, np.zeros(one.shape)
        apart[both] = np.abs(here[both] - there[both])
        self.missing_first += int((~seen & also_seen).sum())
        self.missing_second += int((seen & ~also_seen).sum())
        self.different += int(((apart > 0) | (seen != also_seen)).sum())
        self._sum += float(apart.sum())
        self._finite += int(both.sum())
        if apart.size and apart.max() > self.greatest:
            row = int(apart.reshape(len(apart), -1).max(axis=1).argmax())
            self.greatest, self.video, self.frame = float(apart.max()), video_id, first_frame + row

    def _add_objects(self, one: NDArray[Any], two: NDArray[Any]) -> None:
        for before, after in zip(one, two, strict=True):
            self.different += before != after
            self.missing_first += before is None and after is not None
            self.missing_second += before is not None and after is None

    def to_json(self) -> dict[str, Any]:
        """As data."""
        public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return public | {"mean": self.mean}


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
        kinds = {name: dict(value) for name, value in vars(self).items() if name != "columns"}
        return kinds | {"columns": {name: spread.to_json() for name, spread in self.columns.items()}}


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
    differences = Difference()
    before, after = ({video.video_id: video for video in session.videos} for session in (first, second))
    differences.removed = [name for name in before if name not in after]
    differences.added = [name for name in after if name not in before]
    both = [(before[name], after[name]) for name in before if name in after]
    for old, new in both:
        for name in _different(old.model_dump(), new.model_dump()):
            differences.changed[name].append(old.video_id)
        was, now = (_quality(session.workspace, old.video_id) for session in (first, second))
        if was != now:
            differences.verdicts[old.video_id] = was, now
    one, two = (_flat(session.settings, session.declared) for session in (first, second))
    differences.settings = {name: (one.get(name), two.get(name)) for name in _different(one, two)}
    on = {stage.name for session in (first, second) for stage in session.stages}
    for stage in (stage for stage in first.declared if stage.name in on):
        differences.stages[stage.name] = _stage(stage, first.workspace, second.workspace, both)
        differences.joined += _different(*(_joined(session.workspace, stage) for session in (first, second)))
    return differences


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
    """The verdict, as the manifest has it; None where there is none."""
    try:
        quality = from_json(regular(workspace.manifest(video_id), MOST_TEXT).read_bytes())["quality"]
        (Reviewed if "review" in quality else Verdict).model_validate(quality)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return quality


def _joined(workspace: Workspace, stage: Stage[Any]) -> dict[str, str]:
    """Path -> sha256 of what the stage made of many videos."""
    reduction = read_reduction(reduction_path(workspace, stage.name))
    return {output.path: output.sha256 for output in reduction.outputs} if reduction else {}


def _stage(
    stage: Stage[Any], first: Workspace, second: Workspace, both: Sequence[tuple[Video, Video]]
) -> StageDifference:
    differences = StageDifference()
    for (here, there), videos in groupby(both, key=lambda pair: (pair[0].shard, pair[1].shard)):
        with ExitStack() as stack:
            one = _opened(stack, first.shard(stage.name, here))
            two = _opened(stack, second.shard(stage.name, there))
            for video, _ in videos:
                _video(differences, stage, video.video_id, one, two)
    return differences


def _opened(stack: ExitStack, path: Path) -> ShardReader | None:
    try:
        return stack.enter_context(ShardReader(path))
    except FileNotFoundError:
        return None


def _video(
    differences: StageDifference, stage: Stage[Any], video_id: str, one: ShardReader | None, two: ShardReader | None
) -> None:
    before, after = (reader.records.get(video_id) if reader else None for reader in (one, two))
    if _end(before) != _end(after):
        differences.outcomes[f"{_end(before)} -> {_end(after)}"].append(video_id)
    if before is None or after is None or one is None or two is None:
        return
    if before.fingerprint != after.fingerprint:
        differences.made[difference(before.basis, after.basis)].append(video_id)
    for name in _different(before.versions, after.versions):
        differences.packages[f"{name} {before.versions.get(name)} -> {after.versions.get(name)}"].append(video_id)
    if before.done and after.done:
        _values(differences, stage, video_id, (before, one), (after, two))


def _end(record: Record | None) -> str:
    if record is None:
        return "not computed"
    return f"failed: {record.error.message}" if record.error else record.outcome


def _values(
    differences: StageDifference,
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
            differences.files[f"{name} is only in the {'first' if name in before.digests else 'second'}"].append(
                video_id
            )
        elif name in columns:
            spreads[name] = differences.columns[name]
        else:
            differences.files[f"{name} has other bytes"].append(video_id)
    if spreads:
        add_video(spreads, video_id, one, two)


def add_video(spreads: dict[str, Spread], video_id: str, one: ShardReader, two: ShardReader) -> None:
    """Compare the columns named in `spreads` of a video that both shards hold. Raises Damaged."""
    start = 0
    for spread in spreads.values():
        spread.videos.append(video_id)
    for before, after in _side_by_side(video_id, list(spreads), one, two):
        length = min(_rows(before), _rows(after))
        for name, spread in spreads.items():
            alike = length and before[name].shape[1:] == after[name].shape[1:]
            if alike:
                spread.add(video_id, start, before[name][:length], after[name][:length])
            if (not alike or _rows(before) != _rows(after)) and video_id not in spread.shapes[-1:]:
                spread.shapes.append(video_id)
        start += length


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.values()), ()))


def _side_by_side(
    video_id: str, columns: Sequence[str], one: ShardReader, two: ShardReader
) -> Iterator[tuple[Batch, Batch]]:
    nothing: Batch = {}
    return zip_longest(one.batches(video_id, columns), two.batches(video_id, columns), fillvalue=nothing)

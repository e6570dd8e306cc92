"""From the columns of all parts of a recording to its rows of `segments.parquet`, and what these were made from."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from portrait_prep.errors import BadInput, Damaged, PortraitPrepError
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.segments import (
    Made,
    Segment,
    Segments,
    digest_of_rows,
    readable_segments,
    write_segments,
)
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.stage import Batch, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.pool import in_order
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.pipeline.store.arrow import Digests, digest_of
from portrait_prep.pipeline.store.shards import ShardReader, joined
from portrait_prep.stages.recordings.segments import (
    SECTION,
    VERSION,
    Recording,
    SegmentParams,
    before,
    segment_id,
    segments,
)
from portrait_prep.stages.recordings.shot_frames import ShotFrames, together
from portrait_prep.stages.recordings.talk import Reason

BORDERS = {"scan": ("time", "cut", "blend")}
CONTENT = {"scan": ("time", "track", "box", "mouth", "shape", "likeness"), "voice": ("voice", "bands")}
"""What is read of the stages: where shots begin and end, and then what is in them."""

FACES = {"identity": ("embedding",)}
"""And of an optional one, where it is on and a part was not too bad for it."""

PICTURE = ("display_width", "display_height")
"""Metrics of `scan`: the size of the picture as displayed, px; MOST_SIDE at most."""
MOST_SIDE = 1 << 20


@dataclass(frozen=True)
class Part:
    """A part of a recording, and digests of what its stages made; none where one of them failed."""

    video: Video
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Task:
    """A recording whose parts are all through, and the digest of all that its rows are made from."""

    recording: str
    parts: tuple[Part, ...]
    basis: str


def tasks_of(session: Session) -> list[Task]:
    """The recordings of a session's workspace whose parts are all through, by name."""
    params = session.settings.params[SECTION.name].model_dump_json()
    found = sorted(
        (summary for shard in session.summaries() for summary in shard if summary.video.worked_on),
        key=lambda summary: (summary.video.subject, summary.video.video_id),
    )
    tasks = []
    for recording, group in groupby(found, key=lambda summary: summary.video.subject):
        summaries = list(group)
        if all(map(_is_through, summaries)):
            parts = tuple(map(_part, summaries))
            tasks.append(Task(recording, parts, _basis(parts, params)))
    return tasks


def _is_through(summary: VideoSummary) -> bool:
    settled = (State.DONE, State.FAILED, State.BLOCKED)
    needed = (*CONTENT, *(stage for stage in FACES if stage in summary.states))
    return not summary.retried and all(summary.states[stage] in settled for stage in needed)


def _part(summary: VideoSummary) -> Part:
    done = [stage for stage in (*CONTENT, *FACES) if summary.states.get(stage) is State.DONE]
    whole = set(CONTENT).issubset(done)
    return Part(summary.video, {stage: summary.digests[stage] for stage in done} if whole else {})


def _basis(parts: Sequence[Part], params: str) -> str:
    told = [
        [part.video.video_id, part.video.source, part.video.start, part.video.end, dict(part.digests)] for part in parts
    ]
    return digest_of([("version", str(VERSION)), ("params", params), ("parts", json.dumps(told, sort_keys=True))])


def names_of(session: Session) -> set[str]:
    """The recordings of a session's workspace."""
    return {part.subject for part in session.videos if part.worked_on}


def outdated(tasks: Iterable[Task], there: Segments) -> list[Task]:
    """Recordings whose rows are not there, were made from something else, or are not those that were written."""
    return [task for task in tasks if not (there.rest_on(task.recording, task.basis) and there.intact(task.recording))]


def join(session: Session, workers: int) -> tuple[Segments, list[str]]:
    """Bring `segments.parquet` of the outer workspace up to date; returns it, and which recordings were joined.

    Rows of recordings that have gone are taken out. Nothing is written where nothing changes. Of one that cannot be
    joined the rows stay as they are, outdated; once all others are written its Damaged or BadInput is raised.
    """
    home = Workspace(session.workspace.home)
    there = readable_segments(home.segments)
    todo = {task.recording: task for task in outdated(tasks_of(session), there)}
    left = there.of(names_of(session))
    rows, made = dict(left.rows), dict(left.made)
    errors = []
    for outcome in in_order(Joiner.of(session), todo.values(), min(workers, len(todo))):
        if outcome.error:
            errors.append(outcome.error)
        else:
            name, found = outcome.recording, outcome.rows
            rows[name] = found
            made[name] = Made(basis=todo[name].basis, digest=digest_of_rows(found), rows=len(found))
    result = Segments(rows, made)
    if len(todo) > len(errors) or there.made != left.made or not home.segments.exists():
        write_segments(home.segments, result)
    if errors:
        raise errors[0]
    return result, list(todo)


def drop_gone(session: Session) -> None:
    """Take out of `segments.parquet` the rows of recordings that have gone; nothing is joined."""
    path, known = Workspace(session.workspace.home).segments, names_of(session)
    there = readable_segments(path)  # a damaged one is made anew by the next join
    if not known.issuperset(there.made):
        write_segments(path, there.of(known))


@dataclass(frozen=True)
class Outcome:
    """What came of joining a recording: its rows, or why there are none.

    That is Damaged where a column is not what was recorded, BadInput where the catalogue's parts are no whole one.
    """

    recording: str
    rows: Sequence[Segment] = ()
    error: PortraitPrepError | None = None


@dataclass(frozen=True)
class Joiner:
    """Joins the parts of recordings."""

    workspace: Workspace
    stages: tuple[Stage[Any], ...]
    params: SegmentParams

    @classmethod
    def of(cls, session: Session) -> "Joiner":
        """For the recordings of a session's workspace."""
        params = session.settings.params[SECTION.name]
        assert isinstance(params, SegmentParams)
        return cls(session.workspace, session.stages, params)

    def __call__(self, task: Task) -> Outcome:
        """Join a recording."""
        try:
            return Outcome(task.recording, _contiguous(list(self._rows(task))))
        except (Damaged, BadInput) as error:
            return Outcome(task.recording, error=error)

    def _rows(self, task: Task) -> Iterator[Segment]:
        self._require_whole([part.video for part in task.parts])
        for parts, span, first in self.spans(task):
            if span:
                yield from segments(span.recording, partial(span.shots, first), self.params)
            else:
                yield _unread(parts)

    def _require_whole(self, parts: Sequence[Video]) -> None:
        """Raise BadInput unless each part begins where the one before ends, and the last has no end."""
        begin = [0.0, *(part.end for part in parts)]
        if begin != [*(part.start or 0.0 for part in parts), None] or len({part.source for part in parts}) > 1:
            raise BadInput(
                f"{self.workspace.catalogue}: the parts of {parts[0].subject} do not follow each other to its end: run "
                "'portrait-prep segment --source DIR' with its folder."
            )

    def spans(self, task: Task) -> "Iterator[tuple[list[Video], Span | None, int]]":
        """Parts that follow each other, in order: what was read of them, and the number of its first shot.

        None where they could not be read. Raises Damaged where a column is not what was recorded.
        """
        shot_count = 0
        for readable, group in groupby(task.parts, key=lambda part: bool(part.digests)):
            parts = list(group)
            span = Span(self.workspace, {stage.name: stage for stage in self.stages}, parts) if readable else None
            yield [part.video for part in parts], span, shot_count
            shot_count += span.shot_count if span else 0


def _unread(parts: Sequence[Video]) -> Segment:
    start = parts[0].start or 0.0
    end = max(part.end or (part.start or 0.0) + (part.duration or 0.0) for part in parts)
    return Segment(
        segment_id=segment_id(parts[0].subject, None, start),
        recording=parts[0].subject,
        source=parts[0].source,
        start=float(before(np.array(start))),
        end=float(before(np.array(end))),
        voice_share=0.0,
        kept=False,
        reason=Reason.UNREADABLE.value,
    )


def _contiguous(rows: Sequence[Segment]) -> list[Segment]:
    """What could not be read ends where what follows begins, and the other way round."""
    unread = Reason.UNREADABLE
    touching = [
        row.model_copy(update={"end": later.start}) if unread in (row.reason, later.reason) else row
        for row, later in pairwise(rows)
    ]
    return [*touching, *rows[-1:]]


class Span:
    """Parts of a recording that follow each other and were all read."""

    def __init__(self, workspace: Workspace, stages: Mapping[str, Stage[Any]], parts: Sequence[Part]) -> None:
        self._workspace, self._stages, self._parts = workspace, stages, parts
        borders = list(self._read(BORDERS))
        times = np.concatenate([np.empty(0), *(batch["time"] for batch in borders)])
        if not (len(times) and np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise _contradicting(workspace.shard("scan", parts[0].video.shard))
        self._frames = ShotFrames.of(together(borders))

    @property
    def recording(self) -> Recording:
        """The file, and its picture as the first part has it."""
        part = self._parts[0].video
        with ShardReader(self._workspace.shard("scan", part.shard)) as reader:
            width, height = (reader.records[part.video_id].metrics.get(name, 0) for name in PICTURE)
        if not all(isinstance(side, int) and 0 < side <= MOST_SIDE for side in (width, height)):
            raise _contradicting(reader.path)
        return Recording(part.subject, part.source, (width, height))

    @property
    def shot_count(self) -> int:
        """How many shots there are."""
        return self._frames.shot_count

    def shots(self, first: int) -> Iterator[Batch]:
        """The frames of each shot, and of what lies between, as `segments` takes them; shots are numbered from `first`.

        No more than one of them, and a row group, is in memory.
        """
        if not any(stage in part.digests for part in self._parts for stage in FACES):
            return self._frames.cut(self._read(CONTENT), first)
        return self._frames.cut(map(with_faces, self._read({**CONTENT, **FACES})), first)

    def _read(self, wanted: Mapping[str, Sequence[str]]) -> Iterator[Batch]:
        """Columns of all parts, in order; `part` is the number of each row's part."""
        for number, part in enumerate(self._parts):
            there = {stage: names for stage, names in wanted.items() if stage in part.digests}
            streams = [self._column(stage, part.video, names) for stage, names in there.items()]
            for batch in joined(streams):
                self._require_claims(batch, there, part.video)
                yield {**batch, "part": np.full(len(batch["time"]), number)}

    def _require_claims(self, batch: Batch, wanted: Mapping[str, Sequence[str]], part: Video) -> None:
        """Raise Damaged where a stage's invariant does not hold, of those that are about these columns."""
        there = {f"{stage}.{name}" for stage, names in wanted.items() for name in names}
        for stage in wanted:
            for claim in self._stages[stage].invariants:
                if there.issuperset(claim.reads) and not claim.holds(batch).all():
                    raise _contradicting(self._workspace.shard(stage, part.shard))

    def _column(self, stage: str, part: Video, names: Sequence[str]) -> Iterator[Batch]:
        """Columns of one part, checked on the way against their digests: damage is never passed on."""
        declared = {column.name: column for column in self._stages[stage].columns}
        digests = Digests([declared[name] for name in names])
        with ShardReader(self._workspace.shard(stage, part.shard)) as reader:
            for batch in reader.batches(part.video_id, names):
                digests.update(batch)
                yield batch
            if not _are_recorded(digests.results(), reader.records[part.video_id]):
                raise Damaged(f"{reader.path} does not hold what was recorded: delete it and run again.")


def with_faces(batch: Batch) -> Batch:
    """With `face`, as `tracks_of` takes it, in the place of `embedding` [n, 4, 128], which may be missing.

    Most of the latter is NaN, and would take the memory of an hour without a cut ten times.
    """
    faces = np.full(batch["track"].shape, None, object)
    if "embedding" in batch:
        for row, slot in np.argwhere(np.isfinite(batch["embedding"][..., 0])).tolist():
            faces[row, slot] = batch["embedding"][row, slot].astype(np.float32)
    return {**{name: values for name, values in batch.items() if name != "embedding"}, "face": faces}


def _contradicting(path: Path) -> Damaged:
    return Damaged(f"{path} holds what cannot be: delete it and run again.")


def _are_recorded(found: Mapping[str, str], record: Record) -> bool:
    return all(record.digests.get(name) == digest for name, digest in found.items())

"""Stage `stats`: mean and deviation of each subject's and the whole corpus's geometry.

A video's row holds its moments, so that adding a video reads that video only; `reduce` joins the rows. It is the one
stage that reads what was seen and what was heard, so it also tells how far lips and voice are apart.
"""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from portrait_prep.manifests.files import holds, replacing
from portrait_prep.manifests.ids import safe_id, with_digest
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.file import regular
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.declare.stage import Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.store.arrow import field_of, to_arrow
from portrait_prep.pipeline.store.shards import ShardReader
from portrait_prep.stages.sound import lip_sync
from portrait_prep.stages.sound.lip_sync import LipSync
from portrait_prep.stages.streaming.described import CORPUS, DESCRIBED, NAME, TABLE, DescribedColumn
from portrait_prep.stages.streaming.moments import Moments

LIP_SYNC = ("landmarks.landmarks", "headpose.scale", "speech.fbank")
READS = tuple(dict.fromkeys([*(column.reads for column in DESCRIBED), *LIP_SYNC]))


class StatsParams(Params):
    """The stats stage has no settings."""


def process(job: Job[StatsParams]) -> Iterator[Batch]:
    """Yield one row: count, mean and sum of squared deviations of each described column over its finite frames.

    Metrics: `n_frames` with finite values; `lag`, the frames by which the mouth lags the sound (negative: it leads),
    null where that is undetermined; `lag_strength`, null where there is too little of a face or of sound;
    `voice_seconds`, and `mouth_motion` while a voice is heard.
    """
    moments, lips = {column.name: Moments.none(column.shape) for column in DESCRIBED}, LipSync()
    for batch in job.read(*READS):
        for column in DESCRIBED:
            moments[column.name] += column.moments(batch)
        lips.add(batch["landmarks"], batch["scale"], batch["fbank"])
    job.metrics |= {"n_frames": moments["canonical"].count, **lips.metrics()}
    yield {name: values for column in DESCRIBED for name, values in _to_row(column.name, moments[column.name])}


def _to_row(name: str, moments: Moments) -> Iterator[tuple[str, NDArray[Any]]]:
    yield f"{name}_count", np.array([moments.count], np.int64)
    yield f"{name}_mean", moments.mean[np.newaxis]
    yield f"{name}_m2", moments.m2[np.newaxis]


def _from_row(name: str, row: Batch) -> Moments:
    return Moments(int(row[f"{name}_count"][0]), row[f"{name}_mean"][0], row[f"{name}_m2"][0])


def proof(workspace: Workspace, video: Video, record: Record) -> Iterator[tuple[str, Remedy]]:
    """Take the moments of the columns again: they must be, bit for bit, those of the row."""
    del record
    shard = workspace.shard(STAGE.name, video.shard)
    mend = Remedy("delete the file and run again", (workspace.relative(shard),), run=True)
    with ShardReader(shard) as reader:
        (row,) = reader.batches(video.video_id, [column.name for column in STAGE.columns])
    for column in DESCRIBED:
        again = dict(_to_row(column.name, _moments_again(workspace, video, column)))
        if other := [name for name, values in again.items() if not np.array_equal(values, row[name], equal_nan=True)]:
            yield f"{', '.join(other)} is not what the frames of {column.reads} come to", mend


def _moments_again(workspace: Workspace, video: Video, column: DescribedColumn) -> Moments:
    stage, _, name = column.reads.partition(".")
    moments = Moments.none(column.shape)
    with ShardReader(workspace.shard(stage, video.shard)) as reader:
        for batch in reader.batches(video.video_id, [name]):
            moments += column.moments(batch)
    return moments


@dataclass
class SubjectMoments:
    """A subject's videos, joined."""

    subject: str
    file: str | None
    videos: list[str] = field(default_factory=list)
    moments: dict[str, Moments] = field(
        default_factory=lambda: {column.name: Moments.none(column.shape) for column in DESCRIBED}
    )

    def add(self, video_id: str, row: Batch) -> None:
        """Join one more video."""
        self.videos.append(video_id)
        for name, moments in self.moments.items():
            self.moments[name] = moments + _from_row(name, row)

    @classmethod
    def joined(cls, subjects: Sequence["SubjectMoments"]) -> "SubjectMoments":
        """The whole corpus, of its subjects."""
        corpus = cls(CORPUS, None, sorted(video for subject in subjects for video in subject.videos))
        for subject in subjects:
            for name, moments in corpus.moments.items():
                corpus.moments[name] = moments + subject.moments[name]
        return corpus

    def values(self) -> dict[str, Any]:
        """One row of the table: column name -> value."""
        row: dict[str, Any] = {
            "subject": self.subject,
            "n_videos": len(self.videos),
            "n_frames": self.moments["canonical"].count,
            "videos": self.videos,
            "file": self.file,
        }
        for name, moments in self.moments.items():
            row |= {f"{name}_mean": moments.average, f"{name}_std": moments.deviation}
        return row


PLAIN = (
    pa.field("subject", pa.string(), metadata={"meaning": "the person; * is the whole corpus"}),
    pa.field("n_videos", pa.int64(), metadata={"meaning": "accepted videos"}),
    pa.field("n_frames", pa.int64(), metadata={"meaning": "frames with finite values: what mean and std run over"}),
    pa.field("videos", pa.list_(pa.string()), metadata={"meaning": "the accepted videos, by video_id"}),
    pa.field("file", pa.string(), metadata={"meaning": "the subject's npz, beside this table"}),
)


def _statistics() -> Iterator[Column]:
    for column in DESCRIBED:
        yield Column(f"{column.name}_mean", "float64", column.shape, column.unit, f"mean of {column.reads}")
        yield Column(
            f"{column.name}_std", "float64", column.shape, column.unit, f"population deviation of {column.reads}"
        )


STATISTICS = tuple(_statistics())


def reduce(moments: Iterable[tuple[Video, Batch]], folder: Path) -> list[Path]:
    """Join the rows of accepted videos, given in order of video_id, into `subjects.parquet` and an npz a subject.

    Returns the files: those of the subjects by name, then the table.

    The same rows in the same order give the same bytes, and a file whose bytes would stay the same is not touched.
    What is held in memory grows with the number of subjects. The table goes last: it names the npz files that are
    ours, so a reduction that was cut short is mended by the next.
    """
    subjects = dict[str, SubjectMoments]()
    for video, row in moments:
        if video.subject not in subjects:
            subjects[video.subject] = SubjectMoments(video.subject, None)
        subjects[video.subject].add(video.video_id, row)
    for subject, file in file_names(subjects).items():
        subjects[subject].file = file
    ordered = [subjects[subject] for subject in sorted(subjects)]
    rows = [subject.values() for subject in ordered]
    for row in rows:
        _write(folder / row["file"], _npz(row))
    for stale in _owned(folder) - {row["file"] for row in rows}:
        (folder / stale).unlink(missing_ok=True)
    _write(folder / TABLE, _parquet([*rows, SubjectMoments.joined(ordered).values()]))
    return [*(folder / row["file"] for row in rows), folder / TABLE]


def file_names(subjects: Iterable[str]) -> dict[str, str]:
    """Subject -> file name: the subject's own name where it is safe, else a safe one that is nobody else's."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for subject in sorted(subjects, key=lambda subject: (safe_id(subject, subject) != subject, subject)):
        name = safe_id(subject, subject)
        while name in taken:
            name = with_digest(name, f"{name}/{subject}")
        taken.add(name)
        names[subject] = f"{name}.npz"
    return names


def _owned(folder: Path) -> set[str]:
    """The npz files that the last reduction wrote; a file that is not listed in its table is somebody else's."""
    try:
        files = pq.read_table(regular(folder / TABLE), columns=["file"]).column("file").to_pylist()
    except (OSError, pa.ArrowException):
        return set()
    return {file for file in files if file and Path(file).name == file and file.endswith(".npz")}


def _npz(row: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    arrays = {name: np.asarray(value) for name, value in row.items() if name != "file"}
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    arrays = [pa.array([row[field.name] for row in rows], field.type) for field in PLAIN]
    arrays += [to_arrow(column, np.stack([row[column.name] for row in rows])) for column in STATISTICS]
    fields = [field_of(column) for column in STATISTICS]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema([*PLAIN, *fields])), buffer, compression="zstd")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    if holds(path, content):
        return
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _columns() -> Iterator[Column]:
    for column in DESCRIBED:
        yield Column(f"{column.name}_count", "int64", (), "frame", f"frames with finite {column.reads}")
        yield Column(f"{column.name}_mean", "float64", column.shape, column.unit, f"their mean of {column.reads}")
        yield Column(
            f"{column.name}_m2", "float64", column.shape, f"({column.unit})^2", "sum of squared deviations from it"
        )


COUNTS = tuple(f"{column.name}_count" for column in DESCRIBED)
SQUARES = tuple(f"{column.name}_m2" for column in DESCRIBED)


def _same_frames(batch: Batch) -> NDArray[np.bool_]:
    counts = np.stack([batch[name] for name in COUNTS])
    return np.asarray((counts == counts[0]).all(axis=0))


def _not_negative(batch: Batch) -> NDArray[np.bool_]:
    least = [batch[name].reshape(len(batch[name]), -1).min(axis=1) for name in SQUARES]
    return np.asarray(np.min(least, axis=0) >= 0)


STAGE = Stage(
    name=NAME,
    version=3,
    params=StatsParams,
    columns=tuple(_columns()),
    metrics=(Metric("n_frames", "frames", "frames with finite values"), *lip_sync.METRICS),
    process=process,
    reads=READS,
    rows="video",
    packed=False,
    invariants=(
        Invariant(
            "every measure has values in the same frames", tuple(f"stats.{name}" for name in COUNTS), _same_frames
        ),
        Invariant("squared deviations are not negative", tuple(f"stats.{name}" for name in SQUARES), _not_negative),
    ),
    reduce=reduce,
    proof=proof,
    distributions=("numpy", "scipy"),
)

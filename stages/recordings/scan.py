"""Stage `scan`: reads the picture of a part of a recording once: where shots begin, and the faces that are seen.

One row for each frame that is shown in the part, as the source has them. Shots need some seconds of context on both
sides, which is read as well; in what lies before, faces are followed already, so that those of the first row are known.
What does not decode is passed over: its frames have no row.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe import BELIEVED, Probe, probe
from portrait_prep.media.source_frames import EARLY, SourceFrame, all_frames_between
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.recordings import proportions
from portrait_prep.stages.recordings.blends import blends
from portrait_prep.stages.recordings.cuts import cuts
from portrait_prep.stages.recordings.difference import Luma, luma_of
from portrait_prep.stages.recordings.faces import MOST, FaceTracker, nothing
from portrait_prep.stages.recordings.shots import CONTEXT_FRAMES, CONTEXT_SECONDS, SIZE, SURE
from portrait_prep.stages.sound.lip_sync import DISTANCES
from portrait_prep.stages.sources import SourceFile, picture_file, require

HEAD = 60.0
"""Seconds of a recording that are read to tell its format: that of the rest costs hours of packets to know."""

MODELS = ("face_detection_full_range_sparse", "face_detection_short_range", "face_landmark_with_attention", "mean_face")

T = TypeVar("T")
R = TypeVar("R")


def process(job: Job[Params]) -> Iterator[Batch]:
    """Yield the rows of a part, by groups.

    Raises BadVideo when the source is no video, shows no frame there, or one farther away than BELIEVED: to tell
    what is heard up to then would take memory without end. Raises SourceAway while the source is not there.
    """
    require(job)
    picture = picture_file(job)
    start, end = job.video.start or 0.0, np.inf if job.video.end is None else job.video.end
    try:
        facts = format_of(picture, start, job.video.end)
    except NotAVideo as error:
        require(job)  # what looked damaged may have gone on the way
        raise BadVideo(f"{picture.name} {error}") from error
    job.metrics |= dict(zip(("display_width", "display_height"), facts.display, strict=True))
    frames = seen = 0
    rows = _rows(picture, facts, start, end)
    while group := list(islice(rows, ROWS_PER_GROUP)):
        batch = {name: np.stack([row[name] for row in group]) for name in group[0]}
        if batch["time"][-1] - start > BELIEVED:
            raise BadVideo(f"{picture.name} has a frame at {batch['time'][-1]:.0f} s: cut off what is so far away")
        frames, seen = frames + len(group), seen + int((batch["track"] >= 0).any(axis=1).sum())
        yield batch
    if not frames:
        require(job)
        raise BadVideo(f"{picture.name} has no frame that decodes from {start:.2f} s on")
    job.frames = frames
    job.metrics["face_share"] = seen / frames


def format_of(picture: SourceFile, start: float, end: float | None) -> Probe:
    """What the beginning tells; where the picture comes later than that, what the part does. Raises NotAVideo."""
    try:
        return probe(picture.path, end=HEAD)
    except NotAVideo:
        return probe(picture.path, start, end)


@dataclass(frozen=True)
class _Frame:
    """A frame at its time (s), and how it looks from afar."""

    time: float
    picture: SourceFrame
    luma: Luma


@dataclass(frozen=True)
class _Row:
    """A frame that was looked at; its picture is let go of."""

    time: float
    luma: Luma
    cut: float
    faces: Batch


def _rows(picture: SourceFile, facts: Probe, start: float, end: float) -> Iterator[Batch]:
    """All columns of each frame of the part."""
    context = max(CONTEXT_SECONDS, CONTEXT_FRAMES / facts.fps if facts.fps > 0 else 0.0)
    shown = all_frames_between(picture.path, facts, start - context, end + context)
    frames = (_Frame(time, frame, luma_of(frame.thumbnail(*SIZE))) for time, frame in shown)
    cut_told = told(frames, lambda passing: cuts((frame.time, frame.luma) for frame in passing))
    blends_told = told(_followed(cut_told, facts, end), lambda passing: blends((row.time, row.luma) for row in passing))
    for row, blend in blends_told:
        if start - EARLY <= row.time < end - EARLY:
            sure = dict(zip(("cut", "blend"), np.array([row.cut, blend], np.float32), strict=True))
            yield {"time": np.array(row.time), **sure, **row.faces}


def _followed(frames: Iterable[tuple[_Frame, float]], facts: Probe, end: float) -> Iterator[_Row]:
    """Frames with their faces; beyond the end nobody asks for them."""
    tracker = FaceTracker(facts)
    for frame, cut in frames:
        faces = tracker(frame.time, frame.picture, cut >= SURE) if frame.time < end else nothing()
        yield _Row(frame.time, frame.luma, cut, faces)


def told(items: Iterable[T], judge: Callable[[Iterator[T]], Iterator[R]]) -> Iterator[tuple[T, R]]:
    """Items, each with what is told of it by one who has to see some that come after it, and only these are kept."""
    held: deque[T] = deque()

    def passing() -> Iterator[T]:
        for item in items:
            held.append(item)
            yield item

    for result in judge(passing()):
        yield held.popleft(), result


def _ascending(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.diff(batch["time"], prepend=-np.inf) > 0)


def _probable(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.all([(batch[name] >= 0) & (batch[name] <= 1) for name in ("cut", "blend")], axis=0))


def _boxed(batch: Batch) -> NDArray[np.bool_]:
    """Four numbers for a face, none without; a mouth and a shape at most where there is one."""
    there = batch["track"] >= 0
    boxed = np.isfinite(batch["box"]).all(axis=2) == there
    unseen = np.isnan(batch["mouth"]).all(axis=2) & np.isnan(batch["shape"]).all(axis=2) & np.isnan(batch["likeness"])
    return np.asarray((boxed & (there | unseen)).all(axis=1))


def _distinct(batch: Batch) -> NDArray[np.bool_]:
    ordered = np.sort(batch["track"], axis=1)
    return np.asarray(((np.diff(ordered, axis=1) != 0) | (ordered[:, 1:] < 0)).all(axis=1))


METRICS = (
    Metric("display_width", "px", "width of the picture as displayed"),
    Metric("display_height", "px", "height of the picture as displayed"),
    Metric("face_share", "share", "share of the frames in which there is a face", title="Faces", decimals=0),
)


def _models(_: Params) -> dict[str, str]:
    return digests(*MODELS)


STAGE: Stage[Any] = Stage(
    name="scan",
    version=2,
    params=Params,
    columns=(
        Column("time", "float64", (), "s", "when the frame is shown, from what players call zero"),
        Column("cut", "float32", (), "", "how sure a new shot begins with the frame, 0 to 1; 0.5: as likely as not"),
        Column(
            "blend", "float32", (), "", "how sure the frame is in no shot: of a dissolve or a fade, or black; as cut"
        ),
        Column("track", "int32", (MOST,), "", "numbers of the faces, one from face to face of the part; -1: none"),
        Column("box", "float32", (MOST, 4), "px", "x, y, width, height as displayed; between looks that of the last"),
        Column(
            "mouth",
            "float32",
            (MOST, len(DISTANCES)),
            "canonical px",
            "opening of the lips' outer rim, width of the mouth, nose to chin; NaN between looks, and "
            "where the face is too small",
        ),
        Column(
            "likeness",
            "float32",
            (MOST,),
            "",
            "how much the face looks as it did 1.6 s ago, 0 to 1; photographs: 0.999; NaN but each 0.4 s",
        ),
        Column(
            "shape",
            "float32",
            (MOST, len(proportions.ENDS)),
            "canonical px",
            "width at the cheekbones and under the ears, height of the forehead, length of the nose, distance of the "
            "pupils, width of the forehead; NaN as mouth",
        ),
    ),
    metrics=METRICS,
    process=process,
    reads=("download.file", "download.sha256"),
    catalogue=("start", "end"),
    invariants=(
        Invariant("time ascends", ("scan.time",), _ascending),
        Invariant("cut and blend are probabilities", ("scan.cut", "scan.blend"), _probable),
        Invariant("no face is there twice", ("scan.track",), _distinct),
        Invariant(
            "boxes are of faces", ("scan.track", "scan.box", "scan.mouth", "scan.likeness", "scan.shape"), _boxed
        ),
    ),
    models=_models,
    distributions=("mediapipe", "av", "opencv-contrib-python"),
)

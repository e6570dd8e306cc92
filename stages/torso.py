"""Stage `torso`: the shoulder line of each side in every frame, and the same points as a billboard at the head.

A backend finds lines in single frames: `selfie` with `stages.shoulders.line` on a person mask, `bisenet` with
`stages.shoulders.parsing` on a map of 19 classes. `stages.shoulders.track` makes them one steady motion, whoever found
them. Runs of frames with landmarks are treated as videos of their own: nothing reaches across a long gap.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.frames import read_pictures
from portrait_prep.media.picture import SIZE, Image
from portrait_prep.pipeline.declare.metric import Metric, at_least, least
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.face.geometry import Pose, to_canonical
from portrait_prep.stages.models import bisenet
from portrait_prep.stages.models.mediapipe import person_segmenter
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.shoulders import outlines, parsing
from portrait_prep.stages.shoulders.line import POINTS, Face, shoulder_lines
from portrait_prep.stages.shoulders.track import fill, gate, sample, seen, smooth, steady_anchor, steady_ends

MASK_SIZE = 256
"""Side of the segmenter's input: decoding straight to it saves resizing, and its mask has no finer detail."""
TOGETHER = 31
"""Frames of which every second one, and then what others must be, is segmented in one go: in turns with each mask, the
search for lines takes twice as long, its code and data being pushed out of the processor's caches by the network's."""
KEPT = np.arange(0, POINTS, (POINTS - 1) // 8)
"""The nine points that are kept of a line as it was found."""


@dataclass(frozen=True)
class Backend:
    """One way to find lines in single frames.

    `models` are its files in the registry and `size` the side of the frames that it looks at. `begin`, called for each
    video with whether there is a GPU, returns what makes a mask or a map of classes of each of some frames; `lines`
    finds the lines in one of them, with landmarks and least width in its pixels. `provider` tells what the network runs
    on with a GPU or without one; None: it always runs on the CPU. `altered_exports` is that of the stage. `together`:
    how many frames are decoded, then sampled as `stages.shoulders.track.sample` does; None: each frame is looked at, as
    many together as the settings say. `parsed`: another stage may have run the same network on the same frames.
    """

    models: tuple[str, ...]
    size: int
    begin: Callable[[bool], Callable[[Sequence[Image]], Iterable[NDArray[Any]]]]
    lines: Callable[[NDArray[Any], NDArray[np.floating[Any]], float], NDArray[np.float64]]
    provider: Callable[[bool], str] | None = None
    altered_exports: Callable[[Path], Iterable[Path]] = lambda _: ()
    together: int | None = None
    parsed: bool = False


Maps = Callable[[NDArray[np.intp]], Iterable[NDArray[Any]]]
"""Gives the mask or map of classes of each of some frames, told by their places in a part of the video."""
PARSED = "parsing.outlines"


def _person_masks(_: bool) -> Callable[[Sequence[Image]], Iterable[NDArray[np.float32]]]:
    segmenter = person_segmenter()
    segmenter.reset()
    return lambda images: [segmenter(image) for image in images]


def _parser(gpu: bool) -> Callable[[Sequence[Image]], Iterable[NDArray[np.uint8]]]:
    return lambda images: bisenet.parse(images, gpu)


BACKENDS: Mapping[str, Backend] = {
    "selfie": Backend(("selfie_segmentation",), MASK_SIZE, _person_masks, shoulder_lines, together=TOGETHER),
    "bisenet": Backend(
        (bisenet.NAME,),
        SIZE,
        _parser,
        parsing.shoulder_lines,
        bisenet.provider,
        bisenet.altered_exports,
        parsed=True,
    ),
}


class TorsoParams(Params):
    """Parameters of the torso stage; frames are at 25 a second, px of the 512 x 512 frame."""

    incidental: ClassVar[frozenset[str]] = frozenset({"batch_size"})

    backend: Literal["selfie", "bisenet"] = Field(
        "selfie",
        description="network: selfie is built in and faster; bisenet tells clothes from hair and neck, and needs its "
        "file ('portrait-prep models fetch bisenet')",
    )
    batch_size: int = Field(4, ge=1, le=256, description="frames that bisenet looks at together, memory permitting")
    min_width: float = Field(50.0, ge=8, le=256, description="narrowest shoulder line that counts as found, px")
    gate_radius: int = Field(5, ge=0, le=50, description="frames before and behind with which a line is compared")
    max_jump: float = Field(
        0.25, gt=0, le=1000, description="jump that sets a line aside, in distances of the outer eye corners"
    )
    max_gap: int = Field(25, ge=0, le=250, description="frames over which a shoulder out of sight is interpolated")
    end_sigma: float = Field(4.0, ge=0, le=50, description="smoothing of where a line begins and ends, frames; 0 = off")
    sigma: float = Field(2.0, ge=0, le=50, description="Gaussian smoothing of the points, frames; 0 = off")
    still: float = Field(
        4.0,
        ge=0,
        le=50,
        description="with selfie, a frame between two whose lines lie closer than this takes their mean and is not "
        "looked at, px; 0 = every frame is",
    )


def process(job: Job[TorsoParams]) -> Iterator[Batch]:
    """Yield `shoulders`, `visible` and `billboard` for each frame of the normalized video.

    Raises Damaged when the video does not hold the frames that its landmarks were found in.
    """
    counts = _LineCounts()
    for there, run in groupby(_runs(job), key=lambda batch: bool(np.isfinite(batch["anchor"]).all())):
        for batch in _steady(run, job.params, counts) if there else run:
            yield _columns(batch)
    job.metrics |= counts.metrics()


def _runs(job: Job[TorsoParams]) -> Iterator[Batch]:
    """What each frame shows, in batches of frames that all have landmarks or all have none."""
    backend, params = BACKENDS[job.params.backend], job.params
    size, spared = backend.together or params.batch_size, job.has(PARSED)
    maps_of = _from_parsing if spared else _from_network(job, backend)
    job.metrics["looked_frames"] = 0
    columns = ("landmarks.landmarks", "headpose.euler", "headpose.translation", "headpose.scale")
    rows = job.read(*columns, PARSED) if spared else job.read(*columns)
    for batch in _groups(rows, size * max(ROWS_PER_GROUP // size, 1)):
        shown: Batch = {name: batch.pop(name) for name in ("landmarks", "outlines") if name in batch}
        landmarks = shown["landmarks"]
        cuts = (slice(start, start + size) for start in range(0, len(landmarks), size))
        parts = ({name: values[cut] for name, values in shown.items()} for cut in cuts)
        found = [_look(backend, maps_of(part), params, part["landmarks"]) for part in parts]
        lines, looked = map(np.concatenate, zip(*found, strict=True))
        anchor = np.array([Face.of(points).anchor for points in landmarks])
        anchor[~_has_landmarks(landmarks)] = np.nan
        job.metrics["looked_frames"] += int(looked.sum())
        yield batch | {"lines": lines, "anchor": anchor}
    if backend.provider:
        job.metrics["provider"] = _provider_of_parsing(job) if spared else backend.provider(job.gpu)


def _provider_of_parsing(job: Job[TorsoParams]) -> str:
    """What its record tells; no video is to fail here for what an optional stage left out."""
    return str(job.record("parsing").metrics.get("provider", "unknown"))


def _from_network(job: Job[TorsoParams], backend: Backend) -> Callable[[Batch], Maps]:
    """Have the network look at the frames of one part of the video after the other."""
    pictures = read_pictures(job.media("mp4"), backend.size, expected=job.frames)
    network = backend.begin(job.gpu)

    def maps_of(part: Batch) -> Maps:
        shown = list(islice(pictures, len(part["landmarks"])))
        return lambda numbers: network([shown[number]() for number in numbers])

    return maps_of


def _from_parsing(part: Batch) -> Maps:
    """Take what the network gave when the video was parsed."""
    return lambda numbers: outlines.labels_of(part["outlines"][numbers])


def _look(
    backend: Backend, maps: Maps, params: TorsoParams, landmarks: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Shoulder lines [n, 2, POINTS, 2] of frames that all have landmarks or all have none, and which were looked at.

    In image px, in which the centre of the first pixel is at (0.5, 0.5), as in the landmarks.
    """
    count, scale = len(landmarks), SIZE / backend.size
    if not _has_landmarks(landmarks).all():
        return np.full((count, 2, POINTS, 2), np.nan), np.zeros(count, np.bool_)

    def find(numbers: NDArray[np.intp]) -> NDArray[np.float64]:
        faces = landmarks[numbers] / scale - 0.5
        shown = zip(maps(numbers), faces, strict=True)
        found = [backend.lines(*seen_at, params.min_width / scale) for seen_at in shown]
        return (np.array(found) + 0.5) * scale

    return sample(find, count, params.still if backend.together else 0.0)


def _groups(batches: Iterable[Batch], most: int) -> Iterator[Batch]:
    """The same rows in batches of frames that all have landmarks or all have none.

    Of each run of such frames every batch has `most`, and the last one what is left: where the run was cut before does
    not matter.
    """
    pieces = (piece for batch in batches for piece in _cut(batch))
    for _, run in groupby(pieces, key=lambda piece: bool(_has_landmarks(piece["landmarks"][:1])[0])):
        held: Batch = {}
        for piece in run:
            held = {name: np.concatenate([held[name], rows]) for name, rows in piece.items()} if held else piece
            while len(held["landmarks"]) > most:
                yield {name: rows[:most] for name, rows in held.items()}
                held = {name: rows[most:] for name, rows in held.items()}
        yield held


def _cut(batch: Batch) -> Iterator[Batch]:
    """Cut a batch where frames with landmarks and frames without meet."""
    there = _has_landmarks(batch["landmarks"])
    bounds = sorted({0, *(np.flatnonzero(np.diff(there)) + 1).tolist(), len(there)})
    for start, stop in pairwise(bounds):
        yield {name: rows[start:stop] for name, rows in batch.items()}


def _has_landmarks(landmarks: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(landmarks).all(axis=(1, 2)))


def _steady(batches: Iterable[Batch], params: TorsoParams, counts: "_LineCounts") -> Iterator[Batch]:
    """Complete, steady lines for one run of frames with landmarks."""
    gated = gate(counts.found(batches), params.gate_radius, params.max_jump)
    complete = fill(steady_anchor(gated), params.max_gap)
    return smooth(steady_ends(counts.kept(complete), params.end_sigma), params.sigma)


def _columns(batch: Batch) -> Batch:
    """The columns of a batch of steady lines, or of frames without landmarks."""
    shoulders = batch["lines"][:, :, KEPT].astype(np.float32)
    pose = Pose(batch["euler"], batch["translation"], batch["scale"])
    return {
        "shoulders": shoulders,
        "visible": batch.get("visible", np.zeros((len(shoulders), 2), np.bool_)),
        "billboard": billboard(shoulders, pose),
    }


def billboard(shoulders: NDArray[np.float32], pose: Pose) -> NDArray[np.float32]:
    """The shoulder points [n, 2, 9, 2] in canonical space, float32 [n, 18, 3], side 0 first.

    They are given the depth of the face, flipped-image z = that of the head's translation, and then carried along with
    the head: `stages.face.geometry.to_image` gives back x and y, and a z that says no more than that.
    """
    flat = shoulders.reshape(len(shoulders), -1, 2)
    depth = np.broadcast_to(-pose.translation[:, None, 2:], (*flat.shape[:2], 1))
    return to_canonical(np.concatenate([flat, depth], axis=-1), pose).astype(np.float32)


class _LineCounts:
    """Counts of a video as it streams by: frames with landmarks, and per side the lines found and those kept."""

    def __init__(self) -> None:
        self.frames, self.found_lines, self.kept_lines = 0, np.zeros(2, int), np.zeros(2, int)

    def found(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Count lines as single frames show them."""
        for batch in batches:
            self.frames += len(batch["lines"])
            self.found_lines += seen(batch["lines"]).sum(axis=0)
            yield batch

    def kept(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Count lines that passed the gate."""
        for batch in batches:
            self.kept_lines += batch["visible"].sum(axis=0)
            yield batch

    def metrics(self) -> dict[str, list[float] | list[int]]:
        """Share of frames with landmarks in which each side is visible, and frames whose line was set aside."""
        return {
            "visible_share": (self.kept_lines / max(self.frames, 1)).tolist(),
            "gated_frames": (self.found_lines - self.kept_lines).tolist(),
        }


def _steps(batch: Batch) -> NDArray[np.float32]:
    return np.asarray(np.diff(batch["shoulders"][..., 0], axis=-1))


def _missing(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.isnan(batch["shoulders"]).all(axis=(1, 2, 3)))


def _even(batch: Batch) -> NDArray[np.bool_]:
    steps = _steps(batch)
    return np.asarray(_missing(batch) | (np.abs(steps - steps.mean(axis=-1, keepdims=True)) < 1e-3).all(axis=(1, 2)))


def _ascending(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(_missing(batch) | (_steps(batch) > 0).all(axis=(1, 2)))


def _parted(batch: Batch) -> NDArray[np.bool_]:
    left, right = batch["shoulders"][:, 0, :, 0], batch["shoulders"][:, 1, :, 0]
    return np.asarray(_missing(batch) | (left.max(axis=-1) < right.min(axis=-1)))


def _where_landmarks(batch: Batch) -> NDArray[np.bool_]:
    there = _has_landmarks(batch["landmarks"])
    values = np.concatenate([batch[name].reshape(len(there), -1) for name in ("shoulders", "billboard")], axis=1)
    nothing = np.isnan(values).all(axis=1) & ~batch["visible"].any(axis=1)
    return np.asarray(np.where(there, np.isfinite(values).all(axis=1), nothing))


METRICS = (
    Metric(
        "visible_share",
        "share",
        "share of frames with landmarks in which each shoulder is visible: image left, image right",
        title="Shoulders visible",
        decimals=0,
        kind="numbers",
        take=least,
        bounds=(
            at_least(
                "min_shoulder_share",
                0.0,
                "least share of frames in which each shoulder is visible; 0: they do not matter",
                "the shoulders are visible in {value[0]:.0%} (image left) and {value[1]:.0%} (image right) of the "
                "frames, less than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
    ),
    Metric("looked_frames", "frames", "frames that the network looked at; shoulders of others lie between theirs"),
    Metric("gated_frames", "frames", "frames whose line was set aside, by side", kind="numbers"),
    Metric("provider", "", "what the network ran on, where it may have a GPU", kind="text", optional=True),
)

STAGE = Stage(
    name="torso",
    version=2,
    packed=False,
    params=TorsoParams,
    reads=("normalize.mp4", "landmarks.landmarks", "headpose.euler", "headpose.translation", "headpose.scale"),
    reuses={PARSED: lambda params: BACKENDS[params.backend].parsed},
    columns=(
        Column(
            "shoulders",
            "float32",
            (2, 9, 2),
            "px",
            "image; side 0 = image-left, x ascending, evenly spaced in x; filled points may lie outside the frame",
        ),
        Column("visible", "bool", (2,), "", "false: that shoulder was not found and its points are filled"),
        Column(
            "billboard",
            "float32",
            (18, 3),
            "canonical px",
            "the 18 shoulder points, side 0 first, at flipped-image z = that of the head's translation",
        ),
    ),
    metrics=METRICS,
    process=process,
    models=lambda params: digests(*BACKENDS[params.backend].models),
    altered_exports=lambda params, folder: BACKENDS[params.backend].altered_exports(folder),
    gpu=lambda params: BACKENDS[params.backend].provider is not None,
    invariants=(
        Invariant("shoulder points are evenly spaced in x", ("torso.shoulders",), _even),
        Invariant("shoulder points ascend in x", ("torso.shoulders",), _ascending),
        Invariant("the image-left shoulder ends before the image-right one begins", ("torso.shoulders",), _parted),
        Invariant(
            "shoulders and billboard are NaN, and not visible, where landmarks are, and finite elsewhere",
            ("landmarks.landmarks", "torso.shoulders", "torso.visible", "torso.billboard"),
            _where_landmarks,
        ),
    ),
    distributions=("mediapipe", "onnxruntime", "opencv-contrib-python", "av", "numpy"),
)

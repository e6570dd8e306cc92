"""Stage `headpose`: rotation, translation and scale of the head, and the face without them (canonical).

The rotation is that of the best rigid fit of the landmarks to the mean face, or what the network of 3DDFA_V2 sees in
the picture; everything else follows from it and the landmarks.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.pipeline.declare.stage import Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.face import geometry, motion, pose_range
from portrait_prep.stages.face.geometry import CANONICAL_CENTRE, EYE_DISTANCE, Pose
from portrait_prep.stages.face.jitter import Jitter
from portrait_prep.stages.face.motion import FaceMotion
from portrait_prep.stages.face.points import CENTRE, COUNT, EXPRESSIVE, RIGID
from portrait_prep.stages.face.pose_range import ANGLES, ColumnRange, PoseRange
from portrait_prep.stages.models import tddfa
from portrait_prep.stages.models.registry import digests, verified
from portrait_prep.stages.streaming import smoothing

CALM = np.setdiff1d(np.arange(COUNT), EXPRESSIVE)
"""Points that the Gaussian smooths: all but eyes, irises, brows and lips."""


@dataclass(frozen=True)
class Backend:
    """One way to get the angles: those of the rigid fit, or what a network sees in the picture.

    `models` are its files in the registry, beside the mean face. `network`, called with whether there is a GPU, returns
    this process's network; None: the fit alone, for which no picture is read.
    """

    models: tuple[str, ...] = ()
    network: Callable[[bool], tddfa.PoseNetwork] | None = None


def _tddfa(model: str) -> Backend:
    return Backend((model,), lambda gpu: tddfa.pose_network(model, gpu))


BACKENDS: Mapping[str, Backend] = {
    "procrustes": Backend(),
    "tddfa": _tddfa("tddfa_mb05"),
    "tddfa_mb1": _tddfa("tddfa_mb1"),
}


class HeadposeParams(Params):
    """Parameters of the headpose stage."""

    backend: Literal["procrustes", "tddfa", "tddfa_mb1"] = Field(
        "procrustes",
        description="angles: of the best fit of the landmarks to a mean face, or by the network of 3DDFA_V2, at half "
        "(tddfa) or full width (tddfa_mb1), from its weights in models/",
    )
    mean_frames: Literal[0, 3, 5, 7, 9] = Field(
        3, description="canonical points: centred mean over so many frames, without lag; 0 is off"
    )
    gaussian_sigma: float = Field(
        2.0,
        ge=0,
        le=25,
        description="canonical points but eyes, irises, brows and lips: then a Gaussian of so many frames; 0 is off",
    )


@lru_cache(maxsize=1)
def mean_face() -> NDArray[np.float64]:
    """The mean face [478, 3] in the canonical frame, px: what poses are measured against."""
    with np.load(verified("mean_face").path, allow_pickle=False) as file:
        return np.asarray(file["points"], np.float64)


def _altered_exports(params: HeadposeParams, folder: Path) -> Iterator[Path]:
    for model in BACKENDS[params.backend].models:
        yield from tddfa.source(model).altered_exports(folder)


def process(job: Job[HeadposeParams]) -> Iterator[Batch]:
    """Yield pose and canonical points for each frame; NaN where the landmarks are."""
    mean = smoothing.mean_kernel(job.params.mean_frames)
    gaussian = smoothing.gaussian_kernel(job.params.gaussian_sigma)
    radius = len(mean) + len(gaussian) - 2
    ranges, turned, noise, moved = ColumnRange(), PoseRange(), Jitter(), FaceMotion()
    for batch, around in smoothing.with_halo(_poses(job), "canonical", radius):
        ranges.add(np.column_stack([batch["euler"], batch["scale"], batch["residual"]]))
        turned.add(batch["euler"])
        noise.add(batch["canonical"][:, RIGID])
        moved.add(batch["canonical"])
        batch["canonical"] = smooth(around, mean, gaussian).astype(np.float32)
        yield batch
    job.metrics |= ranges.metrics(*ANGLES, "scale", "residual") | turned.metrics()
    job.metrics |= {"jitter": noise.rms, **moved.metrics()}


def _poses(job: Job[HeadposeParams]) -> Iterator[Batch]:
    network = BACKENDS[job.params.backend].network
    for landmarks, euler in _with_angles(job, network(job.gpu)) if network else _without_angles(job):
        yield _pose(landmarks, euler)


def _without_angles(job: Job[HeadposeParams]) -> Iterator[tuple[NDArray[np.float32], None]]:
    for batch in job.read("landmarks.landmarks"):
        yield batch["landmarks"], None


def _with_angles(
    job: Job[HeadposeParams], network: tddfa.PoseNetwork
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Landmarks with what a network makes of the frames that they are of; raises Damaged when there are not as many."""
    frames = read_frames(job.media("mp4"), expected=job.frames)
    for batch in job.read("landmarks.landmarks"):
        landmarks = batch["landmarks"]
        looks = [_look(image, points) for points, image in zip(landmarks, frames, strict=False)]
        yield landmarks, _angles(network, looks)
    job.metrics["provider"] = network.provider


def _look(image: Image, landmarks: NDArray[np.float32]) -> NDArray[np.uint8] | None:
    return tddfa.crop(image, landmarks) if np.isfinite(landmarks).all() else None


def _angles(network: tddfa.PoseNetwork, looks: list[NDArray[np.uint8] | None]) -> NDArray[np.float64]:
    """Yaw, pitch, roll [n, 3] of what there is to see in each of n frames; NaN where that is nothing."""
    euler = np.full((len(looks), 3), np.nan)
    faces = {row: look for row, look in enumerate(looks) if look is not None}
    if faces:
        euler[list(faces)] = tddfa.euler(network(np.stack(list(faces.values()))))
    return euler


def _pose(landmarks: NDArray[np.float32], euler: NDArray[np.float64] | None) -> Batch:
    pose, residual = geometry.head_pose(landmarks, mean_face(), euler)
    return {
        "euler": pose.euler,
        "translation": pose.translation,
        "scale": pose.scale,
        "canonical": geometry.to_canonical(landmarks, pose),
        "residual": residual,
    }


def smooth(around: NDArray[np.float64], mean: smoothing.Half, gaussian: smoothing.Half) -> NDArray[np.float64]:
    """Canonical points [n + 2 radius, 478, 3] with their halo -> smoothed [n, 478, 3]."""
    averaged = smoothing.convolve(around, mean)
    halo = len(gaussian) - 1
    smoothed = averaged[halo : len(averaged) - halo].copy()
    smoothed[:, CALM] = smoothing.convolve(averaged[:, CALM], gaussian)
    return smoothed


def _nan_together(batch: Batch) -> NDArray[np.bool_]:
    rows = len(batch["landmarks"])
    there = np.isfinite(batch["landmarks"].reshape(rows, -1)).all(axis=1)
    holds = np.ones(rows, np.bool_)
    for name in COLUMNS:
        values = np.isfinite(batch[name].reshape(rows, -1))
        holds &= np.where(there, values.all(axis=1), ~values.any(axis=1))
    return holds


def _within(error: NDArray[np.floating[Any]], bound: float) -> NDArray[np.bool_]:
    """Per row: no error above the bound; NaN counts as none."""
    return np.asarray(~(np.abs(error.reshape(len(error), -1)) > bound).any(axis=1))


def _centred(batch: Batch) -> NDArray[np.bool_]:
    return _within(batch["canonical"][:, CENTRE].mean(axis=1, dtype=np.float64) - CANONICAL_CENTRE, 1e-3)


def _in_range(batch: Batch) -> NDArray[np.bool_]:
    return _within(batch["euler"] / np.array([90.0, 180.0, 180.0]), 1.0)


def _positive(batch: Batch) -> NDArray[np.bool_]:
    return ~((batch["scale"] <= 0) | (batch["residual"] < 0))


def _recomputable(batch: Batch) -> NDArray[np.bool_]:
    pose = Pose(batch["euler"], batch["translation"], batch["scale"])
    # Damaged numbers may overflow on the way: what comes of them is judged like any other.
    with np.errstate(all="ignore"):
        upright = geometry.to_canonical(batch["landmarks"], pose)
        back = geometry.to_image(upright.astype(np.float32), pose)
        eyes = _within(geometry.eye_distance(upright) - EYE_DISTANCE, 1e-3)
        return np.asarray(eyes & _within(back - batch["landmarks"], 1e-2))


COLUMNS = {
    column.name: column
    for column in (
        Column("euler", "float32", (3,), "degree", "yaw, pitch, roll; R = Rx(pitch) Ry(yaw) Rz(roll)"),
        Column("translation", "float32", (3,), "px", "mean of points 50, 280, 168 in the flipped image"),
        Column("scale", "float32", (), "canonical px / image px", "120 px / distance of the eyes, upright"),
        Column("canonical", "float32", (COUNT, 3), "px", "face without rotation, translation and scale, smoothed"),
        Column("residual", "float32", (), "px", "rms of the rigid fit to the mean face, image px"),
    )
}


def _sees_video(params: HeadposeParams) -> bool:
    return BACKENDS[params.backend].network is not None


RANGES = {
    **{angle: ("degrees", angle) for angle in ANGLES},
    "scale": ("×", "canonical px to one px of the frame; the smaller, the larger the face"),
    "residual": ("px", "rms of the rigid fit to the mean face"),
}
"""What `ColumnRange` follows: name -> unit and meaning."""
SHOWN: Mapping[str, dict[str, Any]] = {
    "scale_min": {
        "title": "Scale, least",
        "bounds": (
            at_least(
                "min_scale",
                0.4,
                "least scale (canonical px per image px) in any frame",
                "the scale falls to {value:.2f}, below {limit:g}: the face is larger than the frame allows",
                gt=0,
            ),
        ),
    },
    "scale_max": {
        "title": "Scale, greatest",
        "bounds": (
            at_most(
                "max_scale",
                4.0,
                "greatest scale in any frame: above it the face is tiny",
                "the scale rises to {value:.2f}, above {limit:g}: the face is too small or was lost",
                gt=0,
            ),
        ),
    },
    "residual_mean": {"title": "Fit residual"},
}
"""Of these, what the report shows, and what rules bound."""
METRICS = (
    *pose_range.METRICS,
    *(
        Metric(
            f"{name}_{kind}", unit, f"{word} of all frames: {meaning}", optional=True, **SHOWN.get(f"{name}_{kind}", {})
        )
        for kind, word in (("min", "least"), ("max", "greatest"), ("mean", "mean"))
        for name, (unit, meaning) in RANGES.items()
    ),
    Metric(
        "jitter",
        "canonical px",
        "rms second difference over time / √6 of the 43 points over bone, rotation, translation and scale removed, "
        "before smoothing; the eyes are 120 apart. Tracked faces come to 0.3 to 1.4",
        title="Landmark jitter",
        bounds=(
            at_most(
                "max_jitter",
                3.0,
                "most noise of the points over bone, in canonical px: the eyes are 120 px apart",
                "points that stay still on a head tremble by {value:.1f} canonical px, more than {limit:g}",
                gt=0,
            ),
        ),
        blind="trembling of the face as a whole, which is pose",
    ),
    *motion.METRICS,
    Metric("provider", "", "what the network ran on, where the backend is one", kind="text", optional=True),
)

STAGE = Stage(
    name="headpose",
    version=3,
    packed=False,
    params=HeadposeParams,
    reads=("landmarks.landmarks", "normalize.mp4"),
    reads_when={"normalize.mp4": _sees_video},
    columns=tuple(COLUMNS.values()),
    metrics=METRICS,
    process=process,
    models=lambda params: digests("mean_face", *BACKENDS[params.backend].models),
    altered_exports=_altered_exports,
    gpu=_sees_video,
    invariants=(
        Invariant(
            "every column is NaN in exactly the frames without landmarks",
            ("landmarks.landmarks", *(f"headpose.{name}" for name in COLUMNS)),
            _nan_together,
        ),
        Invariant("canonical points 50, 280, 168 have their mean at the centre", ("headpose.canonical",), _centred),
        Invariant("|yaw| <= 90, |pitch| and |roll| <= 180 degrees", ("headpose.euler",), _in_range),
        Invariant("scale > 0, residual >= 0", ("headpose.scale", "headpose.residual"), _positive),
        Invariant(
            "the pose gives an eye distance of 120 px, and its inverse the landmarks",
            ("landmarks.landmarks", "headpose.euler", "headpose.translation", "headpose.scale"),
            _recomputable,
        ),
    ),
    distributions=("numpy", "av", "opencv-contrib-python", "onnxruntime"),
)

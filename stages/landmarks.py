"""Stage `landmarks`: the 478 points of the same face in every frame, as the network gave them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import FPS, Image
from portrait_prep.pipeline.declare.metric import Metric, at_least, at_most
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.face.jitter import JUMPS, Jitter, Jumps
from portrait_prep.stages.face.points import COUNT
from portrait_prep.stages.models import blendshapes
from portrait_prep.stages.models.mediapipe import Face, face_detector, face_landmarker, face_mesh_tracker
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.streaming.gaps import fill_gaps
from portrait_prep.stages.video import mouth_cover, outside, picture_quality
from portrait_prep.stages.video.mouth_cover import MouthCover
from portrait_prep.stages.video.outside import FaceOutside
from portrait_prep.stages.video.picture_quality import PictureQuality
from portrait_prep.stages.video.tracking import FaceFollower, FaceNetwork, is_confirmed

COUNT_EVERY = 25
"""Of the frames with a face, in how many the detector looks at the whole picture: a second opinion for 4 % more time.

The mesh fits a face to whatever it once took for one; a face that is upside down or lies on its side it may hold for
long, with points that are nowhere near, where the detector sees none.
"""


@dataclass(frozen=True)
class Backend:
    """One way to find landmarks.

    `models` are its files in the registry. `network` returns this process's network, and `gives_blendshapes` says
    whether its faces have scores.
    """

    models: tuple[str, ...]
    network: Callable[[], FaceNetwork]
    gives_blendshapes: bool = False


BACKENDS: Mapping[str, Backend] = {
    "facemesh": Backend(("face_landmark_with_attention", "face_detection_short_range"), face_mesh_tracker),
    "face_landmarker": Backend(("face_landmarker",), face_landmarker, gives_blendshapes=True),
}


class LandmarksParams(Params):
    """Parameters of the landmarks stage."""

    backend: Literal["facemesh", "face_landmarker"] = Field(
        "facemesh",
        description="network: facemesh is built in and faster; face_landmarker gives blendshapes too and needs its "
        "file ('portrait-prep models fetch face_landmarker')",
    )
    max_gap: int = Field(
        5, ge=0, le=250, description="longest run of frames without a face that is interpolated; longer ones are NaN"
    )
    patience: int = Field(
        50, ge=0, le=1500, description="frames in which only another face is seen before that one is taken instead"
    )


def process(job: Job[LandmarksParams]) -> Iterator[Batch]:
    """Yield `landmarks`, `detected` and, where the network gives them, `blendshapes` for each frame of the video.

    Raises BadVideo when no frame shows a face, and Damaged when the video does not hold the frames it was made with.
    """
    (start,) = (float(batch["first_shown"][0]) for batch in job.read("normalize.first_shown"))
    search = _Search(job)
    runs: list[list[int]] = []
    noise = Jitter()
    rows = fill_gaps(search.faces(), job.params.max_gap, runs)
    while part := list(islice(rows, ROWS_PER_GROUP)):
        batch = _batch(np.stack([row for row, _ in part]))
        noise.add(batch["landmarks"])
        yield batch | {"detected": np.array([found for _, found in part])}
    if not search.found:
        raise BadVideo(f"no face was found in any of its {search.frames} frames")
    lengths = [end - start for start, end in runs]
    job.metrics |= {
        "face_share": search.found / search.frames,
        "gaps": [run for run, length in zip(runs, lengths, strict=True) if length > job.params.max_gap],
        "longest_gap": max(lengths, default=0),
        "longest_gap_times": _longest(runs, start),
        "identity_jumps": search.follower.jumps,
        "identity_jump_times": [start + frame / FPS for frame in search.jumped],
        "stray_frames": search.follower.strays,
        "faces": search.faces_at_once,
        "several_faces_share": search.crowded / search.counts,
        "face_confirmed_share": search.confirmed / search.counts,
        "jitter": noise.rms,
        **search.jumps.metrics(),
        **search.jumps.times(start),
        **search.quality.metrics(start),
        **search.outside.metrics(),
        **search.mouth.metrics(start),
    }


def _longest(runs: list[list[int]], start: float) -> list[list[float]]:
    """The longest of some runs of frames [first, stop], in seconds of the source; none of none."""
    longest = max(runs, key=lambda run: run[1] - run[0], default=None)
    return [[start + frame / FPS for frame in longest]] if longest else []


def _batch(rows: NDArray[np.float32]) -> Batch:
    """Rows of `_Search.faces` as columns."""
    points, scores = rows[:, : 3 * COUNT], rows[:, 3 * COUNT :]
    batch: Batch = {"landmarks": points.reshape(-1, COUNT, 3)}
    return batch | {"blendshapes": scores} if scores.size else batch


class _Search:
    """One pass over a video's frames: its faces, and what is counted on the way."""

    def __init__(self, job: Job[LandmarksParams]) -> None:
        self.frames = self.found = self.faces_at_once = self.counts = self.confirmed = self.crowded = 0
        self.jumped: list[int] = []
        self._strayed: int | None = None
        self.quality, self.jumps, self.mouth = PictureQuality(), Jumps(), MouthCover()
        (shown,) = (edges for batch in job.read("normalize.shown") for edges in batch["shown"])
        self.outside = FaceOutside(shown)
        self.follower = FaceFollower(BACKENDS[job.params.backend].network(), face_detector(), job.params.patience)
        self._mp4, self._expected = job.media("mp4"), job.frames

    def faces(self) -> Iterator[NDArray[np.float32] | None]:
        """Each frame's face: its points, one after another, then its scores; None where it was not found."""
        for image in read_frames(self._mp4, expected=self._expected):
            face = self._followed(image)
            self.frames += 1
            self.quality.add(image, None if face is None else face.landmarks)
            self.jumps.add(None if face is None else face.place)
            if face is not None:
                self.outside.add(image, face.landmarks)
                self.mouth.add(self.frames - 1, image, face.landmarks)
                if self.found % COUNT_EVERY == 0:
                    self._count(image, face)
                self.found += 1
            yield None if face is None else np.concatenate([face.landmarks.reshape(-1), face.blendshapes])

    def _followed(self, image: Image) -> Face | None:
        """The face; a jump to another began where only that one was seen first."""
        jumps, strays = self.follower.jumps, self.follower.strays
        face = self.follower(image)
        if self.follower.strays > strays and self._strayed is None:
            self._strayed = self.frames
        if self.follower.jumps > jumps:
            self.jumped.append(self.frames if self._strayed is None else self._strayed)
        if face is not None:
            self._strayed = None
        return face

    def _count(self, image: Image, face: Face) -> None:
        boxes = face_detector()(image)
        self.faces_at_once = max(self.faces_at_once, len(boxes))
        self.counts += 1
        self.crowded += len(boxes) > 1
        self.confirmed += is_confirmed(face.place, boxes)


def _whole(batch: Batch) -> NDArray[np.bool_]:
    finite = np.isfinite(batch["landmarks"])
    return np.asarray(finite.all(axis=(1, 2)) | ~finite.any(axis=(1, 2)))


def _seen(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(batch["landmarks"]).all(axis=(1, 2)) | ~batch["detected"])


def _scored(batch: Batch) -> NDArray[np.bool_]:
    there = np.asarray(np.isfinite(batch["landmarks"]).all(axis=(1, 2)))
    scores = batch["blendshapes"]
    within = (scores >= 0) & (scores <= 1 + np.finfo(np.float32).eps)
    return np.where(there, within.all(axis=1), np.isnan(scores).all(axis=1))


METRICS = (
    Metric(
        "face_share",
        "share",
        "share of frames in which the face was detected",
        title="Frames with a face",
        decimals=1,
        bounds=(
            at_least(
                "min_face_share",
                0.9,
                "least share of frames in which a face was detected",
                "a face was seen in {value:.1%} of the frames, less than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
    ),
    Metric("gaps", "frames", "runs of frames without it, [first, last + 1], that were not filled", kind="ranges"),
    Metric(
        "longest_gap",
        "frames",
        "longest run of frames without it",
        title="Longest gap",
        decimals=0,
        bounds=(
            at_most(
                "max_longest_gap",
                50,
                "most frames in a row without a face: 50 are two seconds",
                "no face was seen for {value} frame{s} in a row, more than {limit}",
                places="longest_gap_times",
                ge=0,
            ),
        ),
    ),
    Metric("longest_gap_times", "s", "when that is, in seconds of the source: from, to", kind="ranges"),
    Metric(
        "face_confirmed_share",
        "share",
        f"share of looks (every {COUNT_EVERY}th frame with the face) at which a second network sees it, too",
        title="Face confirmed",
        decimals=1,
        bounds=(
            at_least(
                "min_confirmed_share",
                0.5,
                "least share of looks at which the face detector, too, sees the tracked face",
                "the face detector confirms the tracked face at {value:.0%} of the looks, less than {limit:.0%}: it "
                "may be upside down, on its side or no face",
                ge=0,
                le=1,
            ),
        ),
    ),
    Metric("faces", "", "most faces in the frame at one of these looks", title="Faces at once", decimals=0),
    Metric(
        "several_faces_share",
        "share",
        "share of these looks with more than one face in the 512 px frame",
        title="Several faces",
        decimals=0,
        bounds=(
            at_most(
                "max_several_faces_share",
                0.5,
                "greatest share of looks at which more than one face is in the 512 px frame",
                "more than one face is in the picture at {value:.0%} of the looks, more than {limit:.0%}",
                ge=0,
                le=1,
            ),
        ),
        blind="a poster from a person; faces that come and go between looks",
    ),
    Metric(
        "identity_jumps",
        "",
        "times that another face was taken, after more than `patience` frames with only that one",
        title="Identity jumps",
        decimals=0,
        bounds=(
            at_most(
                "max_identity_jumps",
                0,
                "most jumps from one face to another",
                "the tracked face jumped {value} time{s} to another, more than {limit}",
                places="identity_jump_times",
                ge=0,
            ),
        ),
        blind="a change of person in the very same place and size",
    ),
    Metric("identity_jump_times", "s", "when the other one took its place, in seconds of the source", kind="numbers"),
    Metric("stray_frames", "frames", "frames in which only another face was seen"),
    Metric(
        "jitter",
        "px",
        "of all points: rms second difference over time / √6. Fast heads have it, too",
        blind="trembling from motion",
    ),
    *JUMPS,
    *picture_quality.METRICS,
    *outside.METRICS,
    *mouth_cover.METRICS,
)

STAGE = Stage(
    name="landmarks",
    version=3,
    params=LandmarksParams,
    reads=("normalize.mp4", "normalize.first_shown", "normalize.shown"),
    columns=(
        Column(
            "landmarks",
            "float32",
            (COUNT, 3),
            "px",
            "MediaPipe face mesh in the 512x512 frame, x right, y down, z negative toward the camera; NaN in long gaps",
        ),
        Column("detected", "bool", (), "", "the network returned this face in this frame"),
        Column(
            "blendshapes",
            "float32",
            (blendshapes.COUNT,),
            "0..1",
            f"scores of facial movements, left and right the subject's own: {', '.join(blendshapes.NAMES)}",
            when=lambda params: BACKENDS[params.backend].gives_blendshapes,
        ),
    ),
    metrics=METRICS,
    process=process,
    models=lambda params: digests(*BACKENDS[params.backend].models, "face_detection_full_range_sparse"),
    invariants=(
        Invariant("a frame's landmarks are all finite or all NaN", ("landmarks.landmarks",), _whole),
        Invariant(
            "a frame in which the face was detected has landmarks", ("landmarks.landmarks", "landmarks.detected"), _seen
        ),
        Invariant(
            "blendshapes are within 0..1, and NaN in exactly the frames without landmarks",
            ("landmarks.landmarks", "landmarks.blendshapes"),
            _scored,
        ),
    ),
    distributions=("mediapipe", "av", "numpy"),
)

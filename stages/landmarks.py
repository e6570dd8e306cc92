"""Stage `landmarks`: the 478 points of the same face in every frame, as the network gave them."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.errors import Damaged
from pipeline.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage
from stages.frames import Image, read_frames
from stages.gaps import fill_gaps
from stages.models.mediapipe import face_detector, face_mesh_tracker
from stages.models.registry import digests
from stages.points import COUNT
from stages.tracking import FaceFollower, is_confirmed

COUNT_EVERY = 25
"""Of the frames with a face, in how many the detector looks at the whole picture: a second opinion for 4 % more time.

The mesh fits a face to whatever it once took for one; a face that is upside down or lies on its side it may hold for
long, with points that are nowhere near, where the detector sees none.
"""


class LandmarksParams(Params):
    """Parameters of the landmarks stage."""

    max_gap: int = Field(
        5, ge=0, le=250, description="longest run of frames without a face that is interpolated; longer ones are NaN"
    )
    patience: int = Field(
        50, ge=0, le=1500, description="frames in which only another face is seen before that one is taken instead"
    )


def process(job: Job[LandmarksParams]) -> Iterator[Batch]:
    """Yield `landmarks` and `detected` for each frame of the normalized video.

    Raises BadVideo when no frame shows a face, and Damaged when the video does not hold the frames it was made with.
    """
    search = _Search(job)
    runs: list[list[int]] = []
    noise = Noise()
    rows = fill_gaps(search.faces(), job.params.max_gap, runs)
    while part := list(islice(rows, ROWS_PER_GROUP)):
        landmarks = np.stack([row for row, _ in part])
        noise.add(landmarks)
        yield {"landmarks": landmarks, "detected": np.array([found for _, found in part])}
    if not search.found:
        raise BadVideo(f"no face was found in any of its {search.frames} frames")
    lengths = [end - start for start, end in runs]
    job.metrics |= {
        "face_share": search.found / search.frames,
        "gaps": [run for run, length in zip(runs, lengths, strict=True) if length > job.params.max_gap],
        "longest_gap": max(lengths, default=0),
        "identity_jumps": search.follower.jumps,
        "stray_frames": search.follower.strays,
        "faces": search.faces_at_once,
        "face_confirmed_share": search.confirmed / search.counts,
        "jitter": noise.rms,
    }


class _Search:
    """One pass over a video's frames: its faces, and what is counted on the way."""

    def __init__(self, job: Job[LandmarksParams]) -> None:
        self.frames = self.found = self.faces_at_once = self.counts = self.confirmed = 0
        self.follower = FaceFollower(face_mesh_tracker(), face_detector(), job.params.patience)
        self._path, self._expected = job.media("mp4"), job.frames

    def faces(self) -> Iterator[NDArray[np.float32] | None]:
        for image in read_frames(self._path):
            face = self.follower(image)
            self.frames += 1
            if face is not None:
                if self.found % COUNT_EVERY == 0:
                    self._count(image, face)
                self.found += 1
            yield face
        if self.frames != self._expected:
            raise Damaged(
                f"{self._path.name} holds {self.frames} frames where {self._expected} were written: "
                "delete it and run normalize again."
            )

    def _count(self, image: Image, face: NDArray[np.float32]) -> None:
        boxes = face_detector()(image)
        self.faces_at_once = max(self.faces_at_once, len(boxes))
        self.counts += 1
        self.confirmed += is_confirmed(face, boxes)


class Noise:
    """Unsteadiness of the landmarks: rms second difference of x and y over time / sqrt(6), in px.

    That is the standard deviation of one coordinate, if its noise is white and the motion behind it smooth.
    """

    def __init__(self) -> None:
        self._tail = np.empty((0, COUNT, 2))
        self._squares = self._count = 0.0

    def add(self, landmarks: NDArray[np.float32]) -> None:
        """Take in the next frames [n, 478, 3]; differences over NaN frames do not count."""
        rows = np.concatenate([self._tail, landmarks[..., :2]])
        squares = np.diff(rows, n=2, axis=0) ** 2
        finite = np.isfinite(squares)
        self._squares += float(squares[finite].sum())
        self._count += float(finite.sum())
        self._tail = rows[-2:]

    @property
    def rms(self) -> float | None:
        """In px; None when no three frames in a row show the face."""
        return float(np.sqrt(self._squares / self._count / 6)) if self._count else None


def _whole(batch: Batch) -> NDArray[np.bool_]:
    finite = np.isfinite(batch["landmarks"])
    return np.asarray(finite.all(axis=(1, 2)) | ~finite.any(axis=(1, 2)))


def _seen(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(batch["landmarks"]).all(axis=(1, 2)) | ~batch["detected"])


STAGE = Stage(
    name="landmarks",
    version=1,
    params=LandmarksParams,
    reads=("normalize.mp4",),
    columns=(
        Column(
            "landmarks",
            "float32",
            (COUNT, 3),
            "px",
            "MediaPipe face mesh in the 512x512 frame, x right, y down, z negative toward the camera; NaN in long gaps",
        ),
        Column("detected", "bool", (), "", "the network returned this face in this frame"),
    ),
    process=process,
    models=lambda _: digests(
        "face_landmark_with_attention", "face_detection_short_range", "face_detection_full_range_sparse"
    ),
    invariants=(
        Invariant("a frame's landmarks are all finite or all NaN", ("landmarks.landmarks",), _whole),
        Invariant(
            "a frame in which the face was detected has landmarks", ("landmarks.landmarks", "landmarks.detected"), _seen
        ),
    ),
    distributions=("mediapipe", "av", "numpy"),
)

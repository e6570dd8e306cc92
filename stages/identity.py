"""Stage `identity`, optional: who is seen, as one embedding a video.

It is the mean of what a face recogniser makes of some faces spread over the video; embeddings of one person point the
same way. It is for conditioning a network on a person, and for comparing subjects (`portrait-prep identities`): no
video is rejected for it. A few faces a video keep no GPU busy: OpenCV's zoo measures 5 ms for one on a desktop's CPU.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.frames import read_pictures
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.models.sface import NAME, NUMBERS, Recogniser, aligned, five_points, recogniser, unit

APART = 25
"""Frames between two faces from which on the second is sought by itself: as a rule there is a key frame between."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Backend:
    """One way to tell who is seen: its files in the registry, and what gives this process's recogniser."""

    models: tuple[str, ...] = ()
    recogniser: Callable[[], Recogniser] | None = None


BACKENDS: Mapping[str, Backend] = {"off": Backend(), NAME: Backend((NAME,), recogniser)}


class IdentityParams(Params):
    """Parameters of the identity stage."""

    backend: Literal["off", "sface"] = Field(
        "off",
        description="one embedding of the face a video, and the persons of recordings by such: by the recogniser of "
        "OpenCV's zoo, from its file in models/ ('portrait-prep models fetch sface')",
    )
    faces: int = Field(
        16,
        ge=1,
        le=256,
        description="how many faces of a video are looked at, evenly spread over it; of a recording at most, each time "
        "that somebody is followed through a shot",
    )


def process(job: Job[IdentityParams]) -> Iterator[Batch]:
    """Yield the only row. Raises BadVideo where no face was seen in any frame."""
    opened, chosen = BACKENDS[job.params.backend].recogniser, _chosen(job)
    assert opened
    if not chosen:
        raise BadVideo("no frame shows a face")
    faces = opened()(np.stack(list(_faces(job, chosen))))
    alike = (faces @ faces.T)[np.triu_indices(len(faces), 1)]
    yield {
        "embedding": unit(faces.mean(axis=0))[np.newaxis].astype(np.float32),
        "faces": np.array([len(faces)], np.int32),
        "likeness": np.array([alike.mean() if len(alike) else np.nan], np.float32),
        "least_likeness": np.array([alike.min() if len(alike) else np.nan], np.float32),
    }


def _chosen(job: Job[IdentityParams]) -> dict[int, Points]:
    """Frame -> its five points [5, 2]: of each of equally long parts of the video the frame nearest to the middle.

    A frame where the network saw no face does not count, though its landmarks are interpolated.
    """
    parts = min(job.params.faces, job.frames)
    best: dict[int, tuple[int, int, Points]] = {}
    first = 0
    for batch in job.read("landmarks.landmarks", "landmarks.detected"):
        seen = np.flatnonzero(batch["detected"] & np.isfinite(batch["landmarks"]).all(axis=(1, 2)))
        frames = first + seen
        part = frames * parts // job.frames
        off = np.abs((2 * frames + 1) * parts - (2 * part + 1) * job.frames)
        nearest = np.lexsort((off, part))
        for row in nearest[np.unique(part[nearest], return_index=True)[1]]:
            before = best.get(int(part[row]))
            if before is None or off[row] < before[0]:
                points = five_points(batch["landmarks"][seen[[row]]])[0]
                best[int(part[row])] = int(off[row]), int(frames[row]), points
        first += len(batch["detected"])
    return {frame: points for _, frame, points in sorted(best.values(), key=lambda found: found[1])}


def _faces(job: Job[IdentityParams], chosen: dict[int, Points]) -> Iterator[NDArray[np.uint8]]:
    """The aligned faces [112, 112, 3], in order. However long the video is, few frames are decoded for each."""
    numbers = np.array(list(chosen))
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) >= APART) + 1):
        frames = range(int(run[0]), int(run[-1]) + 1)
        for frame, picture in zip(frames, read_pictures(job.media("mp4"), numbers=frames), strict=True):
            if frame in chosen:
                yield aligned(picture(), chosen[frame])


def _of_length_1(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.linalg.norm(batch["embedding"], axis=1) - 1) < 1e-5)


def _cosines(batch: Batch) -> NDArray[np.bool_]:
    least, mean, several = batch["least_likeness"], batch["likeness"], batch["faces"] > 1
    ordered = (least >= -1 - 1e-6) & (least <= mean + 1e-6) & (mean <= 1 + 1e-6)
    return np.where(several, ordered, np.isnan(least) & np.isnan(mean))


STAGE = Stage(
    name="identity",
    version=1,
    params=IdentityParams,
    on=lambda params: BACKENDS[params.backend].recogniser is not None,
    rows="video",
    columns=(
        Column("embedding", "float32", (NUMBERS,), "", "mean of the embeddings of the faces, each and all of length 1"),
        Column("faces", "int32", meaning="how many faces it is the mean of"),
        Column("likeness", "float32", (), "cosine", "of two of these faces, mean of all pairs; NaN of a single face"),
        Column(
            "least_likeness", "float32", (), "cosine", "of the two faces that are least alike; NaN of a single face"
        ),
    ),
    process=process,
    reads=("landmarks.landmarks", "landmarks.detected", "normalize.mp4"),
    models=lambda params: digests(*BACKENDS[params.backend].models),
    invariants=(
        Invariant("the embedding is of length 1", ("identity.embedding",), _of_length_1),
        Invariant(
            "likenesses are cosines, the least not above the mean",
            ("identity.faces", "identity.likeness", "identity.least_likeness"),
            _cosines,
        ),
    ),
    distributions=("numpy", "av", "opencv-contrib-python", "onnxruntime"),
)

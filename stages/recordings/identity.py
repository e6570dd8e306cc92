"""Stage `identity` of recordings, optional: whose the faces are that `scan` follows, by a face recogniser.

It looks at each face a few times, spread over the part, where `scan` saw its mouth. `people` joins faces of different
shots by it. The settings are those of the stage of this name that videos pass through.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.source_frames import frames_shown_at
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Stage
from portrait_prep.stages import identity
from portrait_prep.stages.identity import BACKENDS, IdentityParams
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.models.sface import NUMBERS, aligned, five_points
from portrait_prep.stages.recordings.faces import MOST, landmarks_in, scale_of
from portrait_prep.stages.recordings.scan import MODELS, format_of
from portrait_prep.stages.recordings.shot_frames import together
from portrait_prep.stages.sources import picture_file, require

EVERY = 5.0
"""Seconds between two looks at a face at least: what one second shows, the next shows, too."""

LEAST = 1.0
"""Seconds for which a face must be followed in the part: what flickers is not looked at."""

Looks = Mapping[int, list[int]]
"""Frame -> the places among the four of the faces to look at, in order of frames."""


def process(job: Job[IdentityParams]) -> Iterator[Batch]:
    """Yield embedding float16 [n, 4, 128], NaN wherever no face was looked at, by groups of rows.

    Raises BadVideo when the source is no video or has no frame, SourceAway while it is not there.
    """
    require(job)
    if not job.frames:
        raise BadVideo("the video has no frames")
    followed = together(job.read("scan.time", "scan.track", "scan.box", "scan.mouth"))
    try:
        found = dict(_embeddings(job, followed))
    except NotAVideo as error:
        require(job)  # what looked damaged may have gone on the way
        raise BadVideo(f"{job.source.name} {error}") from error
    for first in range(0, job.frames, ROWS_PER_GROUP):
        rows = range(first, min(first + ROWS_PER_GROUP, job.frames))
        embedding = np.full((len(rows), MOST, NUMBERS), np.nan, np.float16)
        for frame, slot in (place for place in found if place[0] in rows):
            embedding[frame - first, slot] = found[frame, slot]
        yield {"embedding": embedding}


def looks(followed: Batch, most: int) -> Looks:
    """Where to look, by `time` [n] (s), `track` [n, 4] and `mouth` [n, 4, k] of a part.

    At each face up to `most` times, each time where its mouth was seen, nearest to the middle of equally long parts of
    the time for which it is followed.
    """
    times, seen = followed["time"], np.asarray(np.isfinite(followed["mouth"]).all(axis=2))
    chosen = defaultdict[int, set[int]](set)
    for number in np.unique(followed["track"][seen]).tolist():
        frames, slots = np.nonzero(followed["track"] == number)
        begin, end = times[frames[0]], times[frames[-1]]
        if end - begin < LEAST:
            continue
        parts = min(most, ceil((end - begin) / EVERY))
        middles = begin + (np.arange(parts) + 0.5) * (end - begin) / parts
        able = seen[frames, slots]
        for nearest in np.abs(times[frames[able], None] - middles).argmin(axis=0).tolist():
            chosen[int(frames[able][nearest])].add(int(slots[able][nearest]))
    return {frame: sorted(chosen[frame]) for frame in sorted(chosen)}


def _embeddings(job: Job[IdentityParams], followed: Batch) -> Iterator[tuple[tuple[int, int], NDArray[np.float64]]]:
    """Frame and place among the four -> the embedding [128]. Few frames are decoded for each."""
    chosen, times = looks(followed, job.params.faces), followed["time"]
    opened = BACKENDS[job.params.backend].recogniser
    assert opened
    if not chosen:
        return
    picture, recogniser = picture_file(job), opened()
    facts = format_of(picture, float(times[0]), float(times[-1]) + 1)
    frame_at = {float(times[frame]): frame for frame in chosen}
    for time, shown in frames_shown_at(picture.path, facts, frame_at):
        image, frame = shown.image(scale_of(facts)), frame_at[time]
        boxes = followed["box"][frame] * np.tile(np.array(image.shape[1::-1]) / facts.display, 2)
        for slot in chosen[frame]:
            landmarks = landmarks_in(image, boxes[slot].astype(np.float32))
            if landmarks is not None:
                face = aligned(image, five_points(landmarks[np.newaxis])[0])
                yield (frame, slot), recogniser(face[np.newaxis])[0]


def _of_length_1(batch: Batch) -> NDArray[np.bool_]:
    """Of faces alone; within what float16 tells."""
    embedding = batch["embedding"].astype(np.float64)
    unseen = np.isnan(embedding).all(axis=2)
    seen = (np.abs(np.linalg.norm(embedding, axis=2) - 1) < 2e-3) & (batch["track"] >= 0)
    return np.asarray((seen | unseen).all(axis=1))


def _models(params: IdentityParams) -> dict[str, str]:
    return digests(*BACKENDS[params.backend].models, *MODELS)


STAGE: Stage[Any] = Stage(
    name=identity.STAGE.name,
    version=1,
    params=IdentityParams,
    on=identity.STAGE.on,
    columns=(
        Column(
            "embedding", "float16", (MOST, NUMBERS), "", "of each face, of length 1; NaN wherever it was not looked at"
        ),
    ),
    process=process,
    reads=("download.file", "download.sha256", "scan.time", "scan.track", "scan.box", "scan.mouth"),
    models=_models,
    invariants=(Invariant("embeddings are of faces", ("identity.embedding", "scan.track"), _of_length_1),),
    distributions=("mediapipe", "av", "opencv-contrib-python", "onnxruntime"),
)

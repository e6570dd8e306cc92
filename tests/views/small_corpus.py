"""A workspace whose columns are lots drawn by video and frame: grey videos of many lengths, one with a long gap."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages import landmarks as real_landmarks
from portrait_prep.stages import normalize as real_normalize

SIDE = 64
GAP = (100, 120)
FRAMES = {"ann-1": 701, "ann-2": 250, "bob-1": 37, "bob-2": 251, "cy-gap": 333, "cy-rejected": 60, "cy-bad": 10}
LABELS = {"ann": "hap", "bob": "sad", "cy": None}


def grey(frame: int) -> int:
    """Brightness of a frame, far from its neighbours'."""
    return 60 + 37 * frame % 151


def drawn(video_id: str, name: str) -> NDArray[Any]:
    """A whole column of a video, as it should be read."""
    rng = np.random.default_rng([*video_id.encode(), *name.encode()])
    frames = FRAMES[video_id]
    if name == "pcm":
        return rng.integers(-(2**15), 2**15, (frames, 640), np.int16)
    if name == "detected":
        return rng.random(frames) < 0.7
    if name == "classes":
        return rng.integers(0, 19, (frames, 6, 5), np.uint8)
    if name == "outlines":
        return rng.integers(0, 2**32, (frames, 2, 3), np.uint32)
    shape = {"landmarks": (478, 3), "scale": (), "box": (2, 3, 2)}[name]
    values = rng.normal(256, 50, (frames, *shape)).astype(np.float32)
    if video_id == "cy-gap":
        values[slice(*GAP)] = np.nan
    return values


def normalize(job: Job[Params]) -> Iterator[Batch]:
    """Grey frames and noise."""
    video_id = job.video.video_id
    with av.open(str(job.output("mp4")), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "12"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES[video_id]):
            image = np.full((SIDE, SIDE, 3), grey(number), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    write_wav(job.output("wav"), [drawn(video_id, "pcm")])
    job.frames = FRAMES[video_id]
    job.metrics["seconds"] = 0.1 if video_id.endswith("rejected") else job.frames / 25
    yield {"n_frames": np.array([job.frames], np.int32), "source": np.array([str(job.source)], object)}


def landmarks(job: Job[Params]) -> Iterator[Batch]:
    """Lots."""
    video_id = job.video.video_id
    if video_id.endswith("bad"):
        raise BadVideo("it is bad")
    job.metrics["gaps"] = [list(GAP)] if video_id.endswith("gap") else []
    yield {name: drawn(video_id, name) for name in ("landmarks", "detected")}


def headpose(job: Job[Params]) -> Iterator[Batch]:
    """More lots, small ones."""
    yield {name: drawn(job.video.video_id, name) for name in ("scale", "box")}


def speech(job: Job[Params]) -> Iterator[Batch]:
    """The sound once more."""
    yield {"pcm": drawn(job.video.video_id, "pcm")}


def parsing(job: Job[Params]) -> Iterator[Batch]:
    """Classes and words of bits."""
    yield {name: drawn(job.video.video_id, name) for name in ("classes", "outlines")}


STAGES: tuple[Stage[Any], ...] = (
    Stage(
        "normalize",
        1,
        Params,
        (Column("n_frames", "int32"), Column("source", "str")),
        normalize,
        rows="video",
        media=("mp4", "wav"),
        metrics=real_normalize.METRICS,
    ),
    Stage(
        "landmarks",
        1,
        Params,
        (Column("landmarks", "float32", (478, 3)), Column("detected", "bool")),
        landmarks,
        reads=("normalize.mp4",),
        metrics=real_landmarks.METRICS,
    ),
    Stage(
        "headpose",
        1,
        Params,
        (Column("scale", "float32"), Column("box", "float32", (2, 3, 2))),
        headpose,
        reads=("landmarks.landmarks",),
    ),
    Stage(
        "parsing",
        1,
        Params,
        (Column("classes", "uint8", (6, 5)), Column("outlines", "uint32", (2, 3))),
        parsing,
        reads=("landmarks.landmarks",),
    ),
    Stage("speech", 1, Params, (Column("pcm", "int16", (640,)),), speech, reads=("normalize.wav",)),
)
COLUMNS: Mapping[str, str] = {
    "landmarks.landmarks": "landmarks",
    "landmarks.detected": "detected",
    "headpose.scale": "scale",
    "headpose.box": "box",
    "parsing.classes": "classes",
    "parsing.outlines": "outlines",
    "speech.pcm": "pcm",
}
"""Frame columns as the reader names them -> as `drawn` does."""


def make(root: Path) -> Path:
    """Add and run everything, in this process."""
    workspace = Workspace(root)
    workspace.create()
    found = [
        Video(
            video_id=video_id,
            corpus="small",
            subject=video_id.partition("-")[0],
            source=f"sources/{video_id}",
            duration=frames / 25,
            four_class=LABELS[video_id.partition("-")[0]],
            fold=number % 3,
            split="train" if number % 2 else "test",
        )
        for number, (video_id, frames) in enumerate(FRAMES.items())
    ]
    write_catalogue(workspace.catalogue, merge([], found, 45.0))
    write_settings(workspace.settings, STAGES)
    session = Session(workspace, STAGES)
    session.run(session.select((), (), False), workers=0)
    return root

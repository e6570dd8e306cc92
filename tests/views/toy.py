"""Toy stages for the tests of views: the promised names of stages and columns over plain grey video, no networks.

The name of a source says what it is: `bad…` is a bad video, `lost…` has a face in no frame, `short…` is rejected.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.ids import safe_id
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.run.executor import InProcessExecutor
from portrait_prep.pipeline.run.scheduler import Scheduler
from portrait_prep.pipeline.session import Session
from portrait_prep.stages import landmarks as real_landmarks
from portrait_prep.stages import normalize as real_normalize

FRAMES = 300


def grey(frame: int) -> int:
    """Brightness of a frame, far from its neighbours'."""
    return 60 + 37 * frame % 151


def normalize(job: Job[Params]) -> Iterator[Batch]:
    """Grey frames."""
    if job.source.name.startswith("bad"):
        raise BadVideo(f"{job.source.name} cannot be decoded")
    with av.open(str(job.output("mp4")), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "25"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            image = np.full((512, 512, 3), grey(number), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    job.frames = FRAMES
    job.metrics["seconds"] = 0.5 if job.source.name.startswith("short") else FRAMES / 25
    yield {"n_frames": np.array([FRAMES], np.int32)}


def face() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Points in the square 200..300, flat."""
    rng = np.random.default_rng(0)
    return np.column_stack([rng.uniform(200, 300, (478, 2)), np.zeros(478)]).astype(np.float32)


def landmarks(job: Job[Params]) -> Iterator[Batch]:
    """The same points in every frame, or none; z is the number of the frame."""
    points = np.repeat(face()[np.newaxis], job.frames, axis=0)
    points[:, :, 2] = np.arange(job.frames)[:, np.newaxis]
    if job.source.name.startswith("lost"):
        points[:] = np.nan
    job.metrics["face_share"] = 0.0 if job.source.name.startswith("lost") else 1.0
    yield {"landmarks": points}


def torso(job: Job[Params]) -> Iterator[Batch]:
    """A shoulder that is seen at image left, one that is filled at image right; both run flat at y = 400."""
    x = np.stack([np.linspace(50, 150, 9), np.linspace(350, 450, 9)])
    line = np.stack([x, np.full((2, 9), 400.0)], axis=-1).astype(np.float32)
    yield {
        "shoulders": np.repeat(line[np.newaxis], job.frames, axis=0),
        "visible": np.repeat([[True, False]], job.frames, axis=0),
    }


TORSO = Stage(
    "torso",
    1,
    Params,
    (Column("shoulders", "float32", (2, 9, 2)), Column("visible", "bool", (2,))),
    torso,
    reads=("landmarks.landmarks",),
)
STAGES: tuple[Stage[Any], ...] = (
    Stage(
        "normalize",
        1,
        Params,
        (Column("n_frames", "int32"),),
        normalize,
        rows="video",
        metrics=real_normalize.METRICS,
        media=("mp4",),
    ),
    Stage(
        "landmarks",
        1,
        Params,
        (Column("landmarks", "float32", (478, 3)),),
        landmarks,
        reads=("normalize.mp4",),
        metrics=real_landmarks.METRICS,
    ),
    TORSO,
)


def add_videos(root: Path, names: Sequence[str], **fields: Any) -> Session:
    """A workspace with one video a name; `fields` are catalogue fields of all of them."""
    workspace = Workspace(root)
    workspace.create()
    videos = [
        Video(video_id=safe_id(name, name), corpus="toy", subject=f"of {name}", source=f"sources/{name}", duration=12.0)
        for name in names
    ]
    videos = [video.model_copy(update=fields) for video in videos]
    write_catalogue(workspace.catalogue, merge([], videos, 60.0))
    write_settings(workspace.settings, STAGES)
    return Session(workspace, STAGES)


def run(session: Session) -> None:
    """Bring everything up to date in this process."""
    Scheduler(
        session.workspace, session.planner, session.videos, InProcessExecutor(), session.select((), (), False)
    ).run()

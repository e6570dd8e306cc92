"""Workspaces whose videos are rows of a catalogue: a disc for a face, a tone for a voice; both tell of the emotion."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session

RADIUS = 60
COLOURS = ((230, 40, 40), (40, 230, 40), (40, 40, 230), (230, 230, 40), (230, 40, 230), (40, 230, 230))
RATE = 16000


@dataclass
class Cast:
    """What the videos are like, by their ids: the emotion's number, frames, and frames [first, stop) without a face."""

    emotions: Mapping[str, int] = field(default_factory=dict)
    frames: Mapping[str, int] = field(default_factory=dict)
    gaps: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def length(self, video_id: str) -> int:
        return self.frames.get(video_id, 30)

    def image(self, video_id: str, frame: int) -> NDArray[np.uint8]:
        """RGB [512, 512, 3]: the disc in the emotion's colour, on grey."""
        image = np.full((512, 512, 3), 60, np.uint8)
        x, y = centre(frame)
        return np.asarray(cv2.circle(image, (x, y), RADIUS, COLOURS[self.emotions.get(video_id, 0) % 6], cv2.FILLED))

    def sound(self, video_id: str) -> NDArray[np.int16]:
        """The tone of the emotion, int16 [640 * frames]; silence for one below 0."""
        emotion = self.emotions.get(video_id, 0)
        time = np.arange(640 * self.length(video_id)) / RATE
        return (8000 * np.sin(2 * np.pi * pitch(emotion) * time) * (emotion >= 0)).astype(np.int16)


def pitch(emotion: int) -> float:
    """Hz."""
    return 300.0 * (1 + emotion)


def centre(frame: int) -> tuple[int, int]:
    """Where the face is, px: it wanders to the right."""
    return 150 + 2 * frame, 240


def make(root: Path, videos: Sequence[Video], cast: Cast) -> Path:
    """Add these rows and run everything, in this process."""
    workspace = Workspace(root)
    workspace.create()
    write_catalogue(workspace.catalogue, merge([], videos, 120.0))
    stages = stages_of(cast)
    write_settings(workspace.settings, stages)
    session = Session(workspace, stages)
    session.run(session.select((), (), False), workers=0)
    return root


def stages_of(cast: Cast) -> tuple[Stage[Any], ...]:
    def normalize(job: Job[Params]) -> Iterator[Batch]:
        video_id = job.video.video_id
        job.frames = cast.length(video_id)
        with av.open(str(job.output("mp4")), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "25", "crf": "10"})
            stream.width = stream.height = 512
            stream.pix_fmt = "yuv420p"
            for number in range(job.frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cast.image(video_id, number))))
            container.mux(stream.encode())
        write_wav(job.output("wav"), [cast.sound(video_id)])
        job.metrics["seconds"] = job.frames / 25
        yield {"n_frames": np.array([job.frames], np.int32)}

    def landmarks(job: Job[Params]) -> Iterator[Batch]:
        gap = cast.gaps.get(job.video.video_id)
        job.metrics["gaps"] = [list(gap)] if gap else []
        angles = np.linspace(0, 2 * np.pi, 479)[:-1]
        rim = RADIUS * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
        points = np.array([np.add(rim, (*centre(frame), 0)) for frame in range(job.frames)], np.float32)
        points[slice(*(gap or (0, 0)))] = np.nan
        yield {"landmarks": points}

    points = (Column("landmarks", "float32", (478, 3)),)
    return (
        Stage("normalize", 1, Params, (Column("n_frames", "int32"),), normalize, rows="video", media=("mp4", "wav")),
        Stage("landmarks", 1, Params, points, landmarks, reads=("normalize.mp4",)),
    )


def renamed(workspace: Path, root: Path, rename: Callable[[int, Video], Video]) -> Path:
    """The same videos under other rows of the catalogue: nothing is computed, and all but the catalogue is shared."""
    shutil.copytree(workspace, root, copy_function=lambda source, name: Path(name).hardlink_to(source))
    path = Workspace(root).catalogue
    videos = [rename(number, video) for number, video in enumerate(read_catalogue(path))]
    write_catalogue(path, videos)
    return root

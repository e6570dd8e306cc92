"""One frame of a video with what the stages say of it, found without reading the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import Image
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.survey import VideoSummary
from portrait_prep.pipeline.store.shards import ShardReader
from portrait_prep.stages.face.geometry import Pose

OVERLAYS: Mapping[str, tuple[str, ...]] = {
    "landmarks": ("landmarks",),
    "headpose": ("euler", "translation", "scale"),
    "torso": ("shoulders", "visible"),
}
"""Stage -> its columns that can be drawn on a frame."""


@dataclass(frozen=True)
class Still:
    """A frame of a normalized video, RGB uint8 [512, 512, 3], and its row of columns; what is not there is None.

    `landmarks` float32 [478, 3] and `shoulders` float32 [2, 9, 2] in image px, `visible` bool [2], `pose` of one frame.
    """

    image: Image
    landmarks: NDArray[np.float32] | None = None
    shoulders: NDArray[np.float32] | None = None
    visible: NDArray[np.bool_] | None = None
    pose: Pose | None = None


@dataclass(frozen=True, slots=True)
class VideoLocation:
    """Where a video's frames and their rows are: all that a report must remember of it until it is drawn."""

    video_id: str
    shard: str
    frames: int
    stages: tuple[str, ...] = ()
    """The stages whose columns are current."""

    @classmethod
    def of(cls, summary: VideoSummary) -> "VideoLocation | None":
        """Of a video, or None when there are no normalized frames."""
        record = summary.done.get("normalize")
        if record is None or not record.frames:
            return None
        current = (name for name, state in summary.states.items() if state is State.DONE)
        return cls(summary.video.video_id, summary.video.shard, record.frames, tuple(current))

    def load(self, workspace: Workspace, frame: int) -> Still | None:
        """Read a frame and its row; None when the frame cannot be read. Damaged columns are left out."""
        image = frame_at(workspace.media(self.video_id, "mp4"), frame)
        if image is None:
            return None
        row: Batch = {}
        for stage, columns in OVERLAYS.items():
            values = self.row(workspace, stage, frame, columns)
            row |= values if are_numbers(values) else {}
        return still(image, row, 0)

    def row(self, workspace: Workspace, stage: str, frame: int, columns: Sequence[str]) -> Batch:
        """Some columns of a stage at one frame, arrays of length one; empty when they are not there or damaged."""
        if stage not in self.stages:
            return {}
        try:
            with ShardReader(workspace.shard(stage, self.shard)) as reader:
                return reader.row(self.video_id, frame, columns)
        except (Damaged, OSError, LookupError):
            return {}


def are_numbers(batch: Batch) -> bool:
    """Whether no value is missing, and none is a text."""
    return all(values.dtype != object for values in batch.values())


def still(image: Image, batch: Mapping[str, NDArray[Any]], number: int) -> Still:
    """A frame with row `number` of a batch of the columns of OVERLAYS, as many of these as there are."""
    row = {name: values[number : number + 1] for name, values in batch.items()}
    pose = Pose(row["euler"], row["translation"], row["scale"]) if "euler" in row else None
    landmarks, shoulders, visible = (
        row[name][0] if name in row else None for name in ("landmarks", "shoulders", "visible")
    )
    return Still(image, landmarks, shoulders, visible, pose)


def frame_at(path: Path, number: int) -> Image | None:
    """Frame `number` of a 25 fps video as RGB uint8 [height, width, 3], or None when it cannot be read.

    Seeks to the key frame before it, so that the cost does not grow with the length of the video.
    """
    try:
        return next(read_frames(path, numbers=range(number, number + 1)))
    except Damaged:
        return None

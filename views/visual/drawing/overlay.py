"""A video with all that was found drawn on it, and its sound: what a person watches to see whether it is right.

Frame k carries what the columns say of frame k, and sounds as samples 640k to 640k+639 of the wav: both streams begin
at zero and have the length of the normalized video. It is made one frame at a time.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np

from portrait_prep.errors import BadInput, Damaged
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.video import is_address, path_of
from portrait_prep.media.frames import read_frames
from portrait_prep.media.mp4 import write_mp4
from portrait_prep.media.picture import FPS, SIZE, Image
from portrait_prep.media.wav import WavReader
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.survey import VideoStatus
from portrait_prep.pipeline.store.shards import ShardReader, joined
from portrait_prep.views.visual.drawing.picture import annotate
from portrait_prep.views.visual.drawing.still import OVERLAYS, Still, VideoLocation, are_numbers, still

INK, SHADOW = (255, 255, 255), (0, 0, 0)


def write_overlay(session: Session, video_id: str, out: Path | None = None) -> Path:
    """Write the video with landmarks, axes of the head and shoulders, and its sound; return its path.

    H.264 and AAC in an mp4 of 512 x 512 px at 25 fps, by default `report/overlay/<video_id>.mp4`; whole or not at all.
    What is not computed, or stale, is not drawn. Raises BadInput when there is no such video, it has no frames, or the
    file cannot be written; Damaged when what is read is not as recorded.
    """
    location = _location(session, video_id)
    workspace = session.workspace
    path = out or workspace.folder("report", "overlay") / f"{video_id}.mp4"
    _check(path, session)
    sound = WavReader(workspace.media(video_id, "wav"), location.frames)
    try:
        with replacing(path) as temporary:
            write_mp4(temporary, _drawn(location, workspace), sound.blocks(1))
    except OSError as error:
        raise BadInput(f"The overlay cannot be written to {path}: {error.strerror or error}.") from error
    finally:
        sound.close()
    return path


def _check(path: Path, session: Session) -> None:
    """Raise BadInput where the file to write is a folder, or one that is not to be written over."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder: name the file to write.")
    root, target = session.workspace.root.resolve(), path.parent.resolve()
    if target.is_relative_to(root) and not target.is_relative_to(_folder(session.workspace).resolve()):
        raise BadInput(f"{path} is a file of the workspace: name another to write.")
    if not path.exists():
        return
    if not path.is_file():
        raise BadInput(f"{path} is a pipe or device: name a file to write.")
    if any(os.path.exists(source) and path.samefile(source) for source in _sources(session)):  # noqa: PTH110
        raise BadInput(f"{path} is the source of a video: name another file to write.")


def _sources(session: Session) -> Iterator[Path]:
    """The user's own files."""
    for video in session.videos:
        for source in (video.source, video.sound):
            if source is not None and not is_address(source):
                yield session.workspace.root / path_of(source)


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "report" / "overlay"


def _location(session: Session, video_id: str) -> VideoLocation:
    video_status = session.video_status(video_id)
    location = VideoLocation.of(video_status)
    if location is None:
        raise BadInput(f"{video_id} has no frames to draw on: {_way_out(video_status)}.")
    return location


def _way_out(video_status: VideoStatus) -> str:
    """What brings its frames, where anything does."""
    video = video_status.video
    if not video.worked_on:
        return f"it is a {video.defect}"
    for failure in video_status.failures:
        told = f"{failure['stage']} failed ({failure['message']})"
        retry = f"'portrait-prep run --retry-failed --only {video.video_id}' tries again"
        return f"{told}, and no retry will mend that" if failure["permanent"] else f"{told}; {retry}"
    return f"run 'portrait-prep run normalize --only {video.video_id}' first"


def _drawn(location: VideoLocation, workspace: Workspace) -> Iterator[Image]:
    """Every frame, RGB uint8 [512, 512, 3], drawn on. Raises Damaged when there are not as many as recorded."""
    frames, number = read_frames(workspace.media(location.video_id, "mp4"), expected=location.frames), 0
    for batch, count in _rows(location, workspace):
        for row, image in zip(range(count), frames, strict=False):
            frame = still(image, batch, row)
            yield _captioned(annotate(frame), frame, number)
            number += 1


def _rows(location: VideoLocation, workspace: Workspace) -> Iterator[tuple[Batch, int]]:
    """The columns that can be drawn, batch by batch, and how many frames each is of."""
    with ExitStack() as open_readers:
        streams = []
        for stage, columns in OVERLAYS.items():
            if stage in location.stages:
                reader = open_readers.enter_context(ShardReader(workspace.shard(stage, location.shard)))
                streams.append(reader.batches(location.video_id, columns))
        if not streams:
            yield {}, location.frames
        for batch in joined(streams):
            if not are_numbers(batch):
                raise Damaged(f"What is to be drawn on {location.video_id} is damaged: run 'portrait-prep audit'.")
            yield batch, len(next(iter(batch.values())))


def _captioned(canvas: Image, frame: Still, number: int) -> Image:
    """With the number of the frame, its time, and the angles of the head, at the lower edge."""
    text = f"frame {number}  {number / FPS:.2f} s"
    if frame.pose is not None:
        yaw, pitch, roll = frame.pose.euler[0].tolist()
        text += f"  yaw {yaw:+.0f} pitch {pitch:+.0f} roll {roll:+.0f}" if np.isfinite(yaw) else "  no face"
    for ink, moved in ((SHADOW, 1), (INK, 0)):
        corner = (8 + moved, SIZE - 9 + moved)
        cv2.putText(canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, 1, cv2.LINE_AA)
    return canvas

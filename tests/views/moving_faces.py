"""A workspace of faces made of a script: heads that sway, lips that open as loud as the hum, shoulders that breathe.

Pose and statistics are those of the real stages; landmarks, shoulders and sound are written here.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages import headpose, speech, stats, torso
from portrait_prep.stages.face.geometry import Pose, to_image
from portrait_prep.stages.face.points import LIPS

FRAMES = {"ann-1": 915, "ann-2": 250, "bob-gap": 1650, "cy-drawn": 60, "train.txt": 804, "test.txt": 1003}
SPLITS = {"ann-1": "train", "ann-2": "train", "bob-gap": "val", "test.txt": "test"}
STILL = "ann-2"
"""Its shoulders do not move."""
HIDDEN = "test.txt"
"""One of its shoulders is mostly out of the picture."""
DRAWN = "cy-drawn"
"""The one with a picture: the lips in red on grey; the others have only sound."""
FILMED = {DRAWN}
"""What is filmed; a test may film others."""
GAP = (805, 830)
"""Of bob-gap: frames without a face."""
COLUMNS = {"landmarks": Column("landmarks", "float32", (478, 3)), "detected": Column("detected", "bool")}


def wave(video_id: str, name: str, pace: int) -> NDArray[np.float64]:
    """Something smooth in 0..1 for each frame, drawn by video and name; it turns every `pace` frames."""
    frames = FRAMES[video_id]
    drawn = np.random.default_rng([*video_id.encode(), *name.encode()]).random(frames // pace + 2)
    return np.interp(np.arange(frames) / pace, np.arange(len(drawn)), drawn)


def pose(video_id: str) -> Pose:
    """Of the head in every frame."""
    yaw, pitch, roll, x, y, scale = (wave(video_id, name, 20) for name in ("yaw", "pitch", "roll", "x", "y", "scale"))
    euler = np.column_stack([60 * yaw - 30, 40 * pitch - 20, 30 * roll - 15])
    translation = np.column_stack([240 + 40 * x, 200 + 30 * y, 5 * x])
    return Pose(euler.astype(np.float32), translation.astype(np.float32), (1.1 + 0.2 * scale).astype(np.float32))


def landmarks(video_id: str) -> NDArray[np.float32]:
    """float32 [n, 478, 3]: the mean face, posed, its lips opened by up to 30 canonical px."""
    face = np.repeat(headpose.mean_face()[np.newaxis], FRAMES[video_id], axis=0)
    middle = face[0, LIPS, 1].mean()
    opened = np.sign(face[:, LIPS, 1] - middle) * 15 * wave(video_id, "mouth", 4)[:, np.newaxis]
    face[:, LIPS, 1] += opened
    points = to_image(face, pose(video_id)).astype(np.float32)
    if video_id == "bob-gap":
        points[slice(*GAP)] = np.nan
    return points


def pcm(video_id: str) -> NDArray[np.int16]:
    """int16 [640 n]: a hum as loud as the mouth is open, off centre."""
    times = np.arange(640 * FRAMES[video_id]) / 16000
    loudness = np.interp(times * 25, np.arange(FRAMES[video_id]) + 0.5, wave(video_id, "mouth", 4))
    hum = sum(np.sin(2 * np.pi * 200 * harmonic * times) / harmonic for harmonic in range(1, 6))
    return np.rint(500 + 8000 * loudness * hum).astype(np.int16)


def shoulders(video_id: str) -> NDArray[np.float32]:
    """float32 [n, 2, 9, 2], image px."""
    rest = np.array([np.linspace((20, 420), (180, 380), 9), np.linspace((330, 380), (490, 420), 9)])
    breath = wave(video_id, "breath", 25)[:, np.newaxis, np.newaxis, np.newaxis] * [4.0, 12.0]
    return np.asarray(rest + breath * (video_id != STILL), np.float32)


def visible(video_id: str) -> NDArray[np.bool_]:
    """bool [n, 2]: almost always; of one, the image-left shoulder hardly ever."""
    limits = {"left": 0.3 if video_id == HIDDEN else 0.97, "right": 0.97}
    return np.stack([np.asarray(wave(video_id, name, 9) < limit) for name, limit in limits.items()], axis=1)


def billboard(video_id: str) -> NDArray[np.float32]:
    """float32 [n, 18, 3]: here simply the shoulders at one depth."""
    flat = shoulders(video_id).reshape(-1, 18, 2)
    return np.concatenate([flat, np.full_like(flat[..., :1], 125)], axis=2)


def image(points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """RGB [512, 512, 3]: the outline of the lips, filled."""
    outline = cv2.convexHull(np.nan_to_num(points[LIPS, :2]).astype(np.int32))
    return np.asarray(cv2.fillPoly(np.full((512, 512, 3), 90, np.uint8), [outline], (220, 30, 30)), np.uint8)


def _normalize(job: Job[Params]) -> Iterator[Batch]:
    video_id = job.video.video_id
    job.frames = FRAMES[video_id]
    if video_id in FILMED:
        _film(job.output("mp4"), video_id)
    else:
        job.output("mp4").write_bytes(b"nothing to see")
    assert write_wav(job.output("wav"), [pcm(video_id)]) == 640 * job.frames
    job.metrics["seconds"] = job.frames / 25
    yield {"n_frames": np.array([job.frames], np.int32)}


def _film(path: Path, video_id: str) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "25", "crf": "10"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for points in landmarks(video_id):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image(points))))
        container.mux(stream.encode())


def _landmarks(job: Job[Params]) -> Iterator[Batch]:
    points = landmarks(job.video.video_id)
    job.metrics["gaps"] = [list(GAP)] if job.video.video_id == "bob-gap" else []
    yield {"landmarks": points, "detected": np.asarray(np.isfinite(points).all(axis=(1, 2)))}


def _torso(job: Job[Params]) -> Iterator[Batch]:
    video_id = job.video.video_id
    found: Batch = {"shoulders": shoulders(video_id), "billboard": billboard(video_id)}
    if video_id == "bob-gap":
        for values in found.values():
            values[slice(*GAP)] = np.nan
    yield found | {"visible": visible(video_id)}


LINES = ("shoulders", "visible", "billboard")
STAGES: tuple[Stage[Any], ...] = (
    Stage("normalize", 1, Params, (Column("n_frames", "int32"),), _normalize, rows="video", media=("mp4", "wav")),
    Stage("landmarks", 1, Params, tuple(COLUMNS.values()), _landmarks, reads=("normalize.mp4",)),
    headpose.STAGE,
    Stage(
        "torso",
        1,
        Params,
        tuple(column for column in torso.STAGE.columns if column.name in LINES),
        _torso,
        reads=("headpose.euler",),
        packed=False,
    ),
    speech.STAGE,
    stats.STAGE,
)


def rows(frames: Mapping[str, int] = FRAMES) -> list[Video]:
    """The catalogue."""
    return [
        Video(
            video_id=video_id,
            corpus="moving",
            subject=video_id.partition("-")[0],
            source=f"sources/{video_id}",
            duration=count / 25,
            split=SPLITS.get(video_id),
        )
        for video_id, count in frames.items()
    ]


def make(root: Path) -> Path:
    """Add and run everything, in this process."""
    workspace = Workspace(root)
    workspace.create()
    write_catalogue(workspace.catalogue, merge([], rows(), 45.0))
    write_settings(workspace.settings, STAGES)
    session = Session(workspace, STAGES)
    session.run(session.select((), (), False), 0)
    return root

"""A workspace of thousands of videos, written without computing anything: records as stages would leave them.

Every video has records, with measures drawn by lot and a few that are bad; the first of each shard has frames and
columns besides, a portrait that nods. Names are those that files may have.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from portrait_prep.demo.animator import crop, portrait
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.files import sha256_of
from portrait_prep.manifests.ids import safe_id
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.record import Failure, Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.wav import RATE, write_wav
from portrait_prep.pipeline.declare.settings import write_settings
from portrait_prep.pipeline.declare.stage import Batch, Column, Job, Params, Stage
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.plan import fingerprint
from portrait_prep.pipeline.store.shards import ShardWriter
from portrait_prep.stages import order
from portrait_prep.stages.face.geometry import Pose, to_canonical, to_image
from portrait_prep.stages.headpose import mean_face

FRAMES = 50
HOSTILE = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\">'\u2028\u202egpj"
FACTS = {
    "display_width": 1280,
    "display_height": 720,
    "rotation": 0,
    "mirrored": False,
    "crop_x": 380,
    "crop_y": -40,
    "crop_w": 520,
    "crop_h": 520,
    "width": 1280,
    "height": 720,
    "fps": 29.97,
    "codec": "h264",
    "framing": "face",
}
DTYPES = {int: "int32", float: "float64", bool: "bool", str: "str"}


METRICS = {stage.name: stage.metrics for stage in order.STAGES}
"""Those of the stages whose names are borrowed, with their rules."""


def _computed(_: Job[Params]) -> Iterator[Batch]:
    raise AssertionError("nothing is computed here")


def _stage(name: str, columns: Sequence[Column], reads: Sequence[str] = (), **more: Any) -> Stage[Any]:
    return Stage(name, 1, Params, tuple(columns), _computed, tuple(reads), metrics=METRICS[name], **more)


STAGES: tuple[Stage[Any], ...] = (
    _stage("download", [Column("file", "str")], rows="video"),
    _stage(
        "normalize",
        [Column("source", "str"), *(Column(name, DTYPES[type(value)]) for name, value in FACTS.items())],
        ["download.file"],
        rows="video",
        media=("mp4", "wav"),
    ),
    _stage("landmarks", [Column("landmarks", "float32", (478, 3))], ["normalize.mp4"]),
    _stage(
        "headpose",
        [
            *(Column("euler", "float32", (3,)), Column("translation", "float32", (3,)), Column("scale", "float32")),
            Column("canonical", "float32", (478, 3)),
        ],
        ["landmarks.landmarks"],
        packed=False,
    ),
    _stage(
        "torso",
        [
            *(Column("shoulders", "float32", (2, 9, 2)), Column("visible", "bool", (2,))),
            Column("billboard", "float32", (18, 3)),
        ],
        ["landmarks.landmarks"],
    ),
    _stage("speech", [], ["normalize.wav"]),
    _stage("stats", [], ["headpose.canonical", "speech.pcm"], rows="video"),
)


def make(root: Path, count: int) -> Session:
    """A workspace of `count` videos of a tenth as many subjects."""
    workspace = Workspace(root)
    workspace.create()
    videos = merge([], [_video(number, count) for number in range(count)], 240.0)
    write_catalogue(workspace.catalogue, videos)
    write_settings(workspace.settings, STAGES)
    session = Session(workspace, STAGES)
    _media(workspace)
    shards: dict[str, list[Video]] = {}
    for video in session.videos:
        shards.setdefault(video.shard, []).append(video)
    for shard, members in shards.items():
        _write(session, shard, members)
    return session


def _video(number: int, count: int) -> Video:
    rng = np.random.default_rng(number)
    subject = int(rng.pareto(1.2) * count / 200) % max(count // 10, 1)
    name = f"clip {HOSTILE} {number}" if number % 997 == 5 else f"speaker{subject:04d}_{number:05d}"
    return Video(
        video_id=safe_id(name, name),
        corpus="crowd",
        subject=HOSTILE if number % 997 == 5 else f"speaker{subject:04d}",
        split=("train", "train", "train", "validation", "test")[subject % 5],
        source=f"/data/{name}.mp4",
        duration=float(np.round(rng.lognormal(2, 0.5), 2)),
        emotion=("neutral", "happy", "sad", "angry", "surprised")[int(rng.integers(5))],
        text=f"This is <i>{number}</i>.",
        defect=f"duplicate of speaker_{number - 1}" if number % 331 == 7 else None,
    )


def _write(session: Session, shard: str, members: Sequence[Video]) -> None:
    """The files of one shard, stage by stage, each video's records on those before."""
    known: dict[str, dict[str, Record]] = {video.video_id: {} for video in members}
    for stage in STAGES:
        path = session.workspace.shard(stage.name, shard)
        path.parent.mkdir(exist_ok=True)
        with ShardWriter(path, stage, Params()) as writer:
            for place, video in enumerate(members):
                before = known[video.video_id]
                whole = set(stage.upstream) <= {name for name, record in before.items() if record.done}
                if video.worked_on and whole:
                    record = _record(session, stage, video, before, drawn=place == 0, writer=writer)
                    if record is not None:
                        before[stage.name] = record
                        writer.record(record)


def _record(
    session: Session, stage: Stage[Any], video: Video, before: dict[str, Record], drawn: bool, writer: ShardWriter
) -> Record | None:
    """What a stage says of a video; None where it has not been there yet."""
    rng = np.random.default_rng([*video.video_id.encode(), *stage.name.encode()])
    lot = rng.random()
    if lot < 0.004:
        return None
    basis = session.planner.basis(stage, video, before)
    common: dict[str, Any] = {"video_id": video.video_id, "stage": stage.name, "basis": basis}
    common |= {"fingerprint": fingerprint(stage.name, basis), "started": "2026-01-01T12:00:00"}
    if lot < 0.012:
        told = f"{Path(video.source).name} shows no face on any of {int(rng.integers(8, 17))} frames looked at"
        error = Failure(type="BadVideo", message=told, permanent=True)
        return Record(**common, outcome="failed", error=error)
    rows, digests = writer.rows(video.video_id, _rows(stage.name, video)) if drawn else (0, {})
    media = _linked(session.workspace, video) if drawn and stage.media else ()
    frames = FRAMES if drawn else 0
    return Record(
        **common,
        outcome="done",
        rows=rows,
        frames=frames,
        digests={column.name: "" for column in stage.columns} | digests | dict.fromkeys(stage.media, ""),
        media=media,
        metrics=_metrics(stage.name, video, rng),
    )


def _metrics(stage: str, video: Video, rng: np.random.Generator) -> dict[str, Any]:
    """Measures by lot, most of them good."""
    yaw, pitch, roll = (sorted(rng.normal(0, spread, 2).tolist()) for spread in (16, 9, 5))
    measures: dict[str, dict[str, Any]] = {
        "normalize": {
            "seconds": video.duration,
            "face_size": float(rng.lognormal(5.4, 0.4)),
            "faces_max": int(1 + rng.binomial(2, 0.04)),
            "upscaling": float(rng.lognormal(0, 0.3)),
        },
        "landmarks": {
            "face_share": float(1 - min(rng.exponential(0.008) * (rng.random() < 0.3), 1)),
            "longest_gap": int(rng.geometric(0.4)) - 1,
            "identity_jumps": int(rng.random() < 0.01),
            "face_confirmed_share": float(rng.beta(60, 1)),
            "cuts": int(rng.random() < 0.008),
            "blur": float(rng.beta(4, 10)),
            "face_luma": float(rng.normal(125, 28)),
        },
        "headpose": {
            "yaw_range": yaw,
            "pitch_range": pitch,
            "roll_range": roll,
            "scale_min": 0.95,
            "scale_max": float(rng.lognormal(0.1, 0.15)),
            "jitter": float(rng.lognormal(-0.5, 0.5)),
            "residual_mean": float(rng.lognormal(1, 0.2)),
        },
        "torso": {"visible_share": rng.beta(8, 1, 2).tolist()},
        "speech": {
            "rms_dbfs": float(rng.normal(-24, 5)),
            "peak_dbfs": float(-abs(rng.normal(3, 2))),
            "clipped_share": 0.0,
            "silent_share": float(rng.beta(2, 10)),
        },
        "stats": {"lag": int(rng.normal(0, 1.6)) if rng.random() < 0.7 else None, "lag_strength": float(rng.gamma(4))},
    }
    return measures.get(stage, {})


def _pose() -> Pose:
    time = np.arange(FRAMES) / 25
    euler = np.stack([12 * np.sin(3 * time), 5 * np.sin(5 * time), 3 * np.sin(2 * time)], axis=1).astype(np.float32)
    place = np.tile(np.array([[252, 232, 0]], np.float32), (FRAMES, 1))
    return Pose(euler, place, np.full(FRAMES, 1.28, np.float32))


def _rows(stage: str, video: Video) -> Iterator[Batch]:
    """All rows of one video."""
    pose = _pose()
    points = to_image(np.repeat(mean_face()[np.newaxis], FRAMES, axis=0), pose).astype(np.float32)
    x = np.stack([np.linspace(30, 170, 9), np.linspace(340, 480, 9)])
    shoulders = np.stack([x, np.full((2, 9), 470.0)], axis=-1).astype(np.float32)
    flat = np.column_stack([shoulders.reshape(-1, 2), np.zeros(18)])[np.newaxis].repeat(FRAMES, axis=0)
    facts = {"source": video.source, **FACTS}
    batches: dict[str, Batch] = {
        "download": {"file": np.array(["none.mp4"], object)},
        "normalize": {name: _cell(value) for name, value in facts.items()},
        "landmarks": {"landmarks": points},
        "headpose": {
            "euler": pose.euler,
            "translation": pose.translation,
            "scale": pose.scale,
            "canonical": to_canonical(points, pose).astype(np.float32),
        },
        "torso": {
            "shoulders": shoulders[np.newaxis].repeat(FRAMES, axis=0),
            "visible": np.tile([[True, False]], (FRAMES, 1)),
            "billboard": to_canonical(flat, pose).astype(np.float32),
        },
    }
    if stage in batches:
        yield batches[stage]


def _cell(value: Any) -> Any:
    return np.array([value], object if isinstance(value, str) else DTYPES[type(value)])


def _media(workspace: Workspace) -> None:
    """The one video and sound that all have."""
    folder = workspace.root / "media"
    folder.mkdir(exist_ok=True)
    image = crop(portrait("astronaut"), (95, 0, 260, 260), (512, 512))
    with av.open(str(folder / "one.mp4"), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "threads": "1"})
        stream.width = stream.height = 512
        stream.pix_fmt = "yuv420p"
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    time = np.arange(FRAMES * 640) / RATE
    hiss = np.random.default_rng(0).normal(0, 4000, time.size)
    samples = hiss * np.abs(np.sin(2 * np.pi * 2 * time))
    write_wav(folder / "one.wav", [samples.astype(np.int16)])


def _linked(workspace: Workspace, video: Video) -> tuple[Output, ...]:
    """The video's media: other names of the same files."""
    outputs = []
    for suffix in ("mp4", "wav"):
        one, path = workspace.root / "media" / f"one.{suffix}", workspace.media(video.video_id, suffix)
        os.link(one, path)
        outputs.append(Output(path=workspace.relative(path), bytes=one.stat().st_size, sha256=sha256_of(one)))
    return tuple(outputs)

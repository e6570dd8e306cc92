"""Toy stages `scan`, `voice` and `identity` for whole recordings: they read what is found from SCRIPTS, by the file's
name. To the last, who sits in the same place is the same person; it is off, as it is by default.

The files are real videos of one frame a second, as long as their scripts.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from portrait_prep.media.probe import duration
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import BadVideo, Batch, Column, Job, Params, Stage
from portrait_prep.stages import download
from portrait_prep.stages.identity import IdentityParams
from portrait_prep.stages.models.sface import NUMBERS
from portrait_prep.stages.sound.lip_sync import BANDS
from tests.clips import write_clip
from tests.stages.recordings.made import MOST_FACES, PICTURE, Face, Scene, columns

ONE, TWO = Face(), (Face(x=300, end=6), Face(x=760, begin=6))
SCRIPTS: dict[str, tuple[Scene, ...]] = {
    "short": (Scene(8, (ONE,)), Scene(4), Scene(12, TWO)),
    "long": (Scene(280, (ONE,), begin=260), Scene(100, (ONE,)), Scene(100), Scene(400, TWO, end=12)),
    "half": (Scene(300, (ONE,), begin=290), Scene(200, (ONE,), end=20)),
    "dull": (Scene(10),),
    "scrap": (Scene(7, (ONE,)), Scene(2, (Face(person=1),))),
    "brief": (Scene(7, (ONE,)), Scene(4, (ONE,))),
}
DAZZLED = "short"
"""One at whose faces the recogniser cannot look."""
FAILS_AT = {"half": 300.0}
"""A recording whose parts from then on cannot be read."""


@cache
def found_in(name: str) -> Batch:
    """All columns of a recording."""
    return columns(*SCRIPTS[name], seed=len(name))


def write_recording(folder: Path, name: str, copy_of: str = "", size: tuple[int, int] = (64, 48)) -> Path:
    """A file as long as the script of a recording; faces lie within it where its size (width, height) is PICTURE."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = sum(scene.seconds for scene in SCRIPTS[copy_of or name])
    image = np.full((*size[::-1], 3), 90 + len(copy_of or name), np.uint8)
    return write_clip(folder / f"{name}.mp4", [float(second) for second in range(round(seconds))], image)


def scan(job: Job[Params]) -> Iterator[Batch]:
    """What lies in the part."""
    if duration(job.source) is None:
        raise BadVideo(f"{job.source.name} is no video")
    start, end = job.video.start or 0.0, job.video.end or np.inf
    if start >= FAILS_AT.get(job.source.stem, np.inf):
        raise BadVideo("it is damaged")
    whole = found_in(job.source.stem)
    own = (whole["time"] >= start) & (whole["time"] < end)
    job.frames = int(own.sum())
    job.metrics |= {"display_width": PICTURE[0], "display_height": PICTURE[1]}
    yield {column.name: whole[column.name][own] for column in SCAN.columns}


def voice(job: Job[Params]) -> Iterator[Batch]:
    """What is heard at the frames of the part."""
    whole = found_in(job.source.stem)
    for batch in job.read("scan.time"):
        own = np.searchsorted(whole["time"], batch["time"])
        yield {"voice": whole["voice"][own], "bands": whole["bands"][own]}


def identity(job: Job[IdentityParams]) -> Iterator[Batch]:
    """Of faces in each 50th frame; the file DAZZLED is too much for it."""
    if job.source.stem == DAZZLED:
        raise BadVideo("it dazzles")
    for batch in job.read("scan.track", "scan.box"):
        embedding = np.full((len(batch["track"]), MOST_FACES, NUMBERS), np.nan, np.float16)
        for row, slot in np.argwhere(batch["track"][::50] >= 0) * (50, 1):
            embedding[row, slot] = np.arange(NUMBERS) == batch["box"][row, slot, 0] // 20
        yield {"embedding": embedding}


SCAN = Stage(
    name="scan",
    version=1,
    params=Params,
    columns=(
        Column("time", "float64", unit="s"),
        Column("cut", "float32"),
        Column("blend", "float32"),
        Column("track", "int32", (MOST_FACES,)),
        Column("box", "float32", (MOST_FACES, 4), unit="px"),
        Column("mouth", "float32", (MOST_FACES, 3)),
        Column("shape", "float32", (MOST_FACES, 6)),
        Column("likeness", "float32", (MOST_FACES,)),
    ),
    metrics=(Metric("display_width", "px", "width"), Metric("display_height", "px", "height")),
    process=scan,
    reads=("download.sha256",),
    catalogue=("start", "end"),
)
VOICE = Stage(
    name="voice",
    version=1,
    params=Params,
    columns=(Column("voice", "float32"), Column("bands", "float32", (BANDS,))),
    process=voice,
    reads=("scan.time",),
)
IDENTITY = Stage(
    name="identity",
    version=1,
    params=IdentityParams,
    on=lambda params: params.backend != "off",
    columns=(Column("embedding", "float16", (MOST_FACES, NUMBERS)),),
    process=identity,
    reads=("scan.track", "scan.box"),
)
TOYS: tuple[Stage[Any], ...] = (download.STAGE, SCAN, VOICE, IDENTITY)

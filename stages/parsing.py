"""Stage `parsing`, optional: which of 19 classes each pixel of a frame shows, on a coarse grid.

The network sees frames of 512 x 512. Of its map the stage keeps every fourth pixel of every fourth row, and the
outlines of person and clothes at full size, from which `torso` finds the shoulders without running the network again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.media.frames import read_frames
from portrait_prep.media.picture import SIZE, Image
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.models import bisenet
from portrait_prep.stages.models.registry import digests
from portrait_prep.stages.shoulders.outlines import SHAPE, outlines_of
from portrait_prep.stages.shoulders.parsing import Labels

CLASSES = 19
"""Those of CelebAMask-HQ, in the order of https://github.com/zllrunning/face-parsing.PyTorch."""


@dataclass(frozen=True)
class Backend:
    """One way to parse frames: its files in the registry, and what maps some of them, on a GPU or without one.

    `provider` tells what it runs on with a GPU or without one; `altered_exports` is that of the stage.
    """

    models: tuple[str, ...] = ()
    parse: Callable[[Sequence[Image], bool], Labels] | None = None
    provider: Callable[[bool], str] | None = None
    altered_exports: Callable[[Path], Iterable[Path]] = lambda _: ()


BACKENDS: Mapping[str, Backend] = {
    "off": Backend(),
    "bisenet": Backend((bisenet.NAME,), bisenet.parse, bisenet.provider, bisenet.altered_exports),
}


class ParsingParams(Params):
    """Parameters of the parsing stage."""

    incidental: ClassVar[frozenset[str]] = frozenset({"batch_size"})

    backend: Literal["off", "bisenet"] = Field(
        "off",
        description="a map of classes (skin, eyes, lips, hair, clothes, …) of each frame; bisenet needs its file "
        "('portrait-prep models fetch bisenet')",
    )
    side: int = Field(128, ge=16, le=256, description="side of the maps: the pixels of 512 x 512 that lie nearest")
    outlines: bool = Field(
        True,
        description="keep where person and clothes are at 512 x 512, some 0.5 kB a frame: torso's bisenet then takes "
        "them and does not look again",
    )
    batch_size: int = Field(4, ge=1, le=256, description="frames that are looked at together, memory permitting")


def process(job: Job[ParsingParams]) -> Iterator[Batch]:
    """Yield `classes`, and `outlines` where they are wanted, for each frame of the normalized video.

    Raises Damaged when the video does not hold as many frames as it was written with.
    """
    backend, params = BACKENDS[job.params.backend], job.params
    assert backend.parse
    assert backend.provider
    kept = np.arange(params.side) * SIZE // params.side
    pictures = read_frames(job.media("mp4"), SIZE, expected=job.frames)
    while frames := list(islice(pictures, params.batch_size)):
        labels = backend.parse(frames, job.gpu)
        batch: Batch = {"classes": labels[:, kept[:, None], kept]}
        yield batch | ({"outlines": outlines_of(labels)} if params.outlines else {})
    job.metrics["provider"] = backend.provider(job.gpu)


def _are_classes(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray((batch["classes"] < CLASSES).all(axis=(1, 2)))


def _are_worn(batch: Batch) -> NDArray[np.bool_]:
    person, clothes = batch["outlines"].swapaxes(0, 1)
    return np.asarray((clothes & ~person == 0).all(axis=(1, 2)))


def _side(params: Any) -> tuple[int, ...]:
    return (params.side, params.side)


STAGE = Stage(
    name="parsing",
    version=1,
    params=ParsingParams,
    on=lambda params: BACKENDS[params.backend].parse is not None,
    reads=("normalize.mp4",),
    columns=(
        Column(
            "classes",
            "uint8",
            (-1, -1),
            "class",
            "of CelebAMask-HQ, in BiSeNet's order: 0 background, 1 skin, … 18 hat; row y, column x",
            sized=_side,
        ),
        Column(
            "outlines",
            "uint32",
            SHAPE,
            "bits",
            "person and clothes at 512 x 512, [2, row, x // 32]: pixel x is bit x % 32",
            when=lambda params: params.outlines,
        ),
    ),
    metrics=(Metric("provider", "", "what the network ran on", kind="text"),),
    process=process,
    models=lambda params: digests(*BACKENDS[params.backend].models),
    altered_exports=lambda params, folder: BACKENDS[params.backend].altered_exports(folder),
    gpu=lambda params: BACKENDS[params.backend].provider is not None,
    invariants=(
        Invariant("each pixel is of one of 19 classes", ("parsing.classes",), _are_classes),
        Invariant("clothes are part of the person", ("parsing.outlines",), _are_worn),
    ),
    distributions=("onnxruntime", "av", "numpy"),
)

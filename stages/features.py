"""Stage `features`: what a network of speech hears in each frame, wav2vec 2.0 or HuBERT; off unless it is chosen."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from portrait_prep.errors import BadSetting
from portrait_prep.media.wav import FULL_SCALE, RATE, SAMPLES_PER_FRAME, WavReader
from portrait_prep.pipeline.declare.metric import Metric
from portrait_prep.pipeline.declare.stage import ROWS_PER_GROUP, BadVideo, Batch, Column, Invariant, Job, Params, Stage
from portrait_prep.stages.models.wav2vec2 import EPSILON, PUBLISHED, SpeechModel
from portrait_prep.stages.models.wav2vec2_size import STEP, Sound

ROWS = SAMPLES_PER_FRAME // STEP
"""Rows of the network that begin in one video frame: 2."""

OFF = "off"
LAST = -1


@dataclass(frozen=True)
class Backend:
    """One kind of network; `models`: the published one, by its name in the registry."""

    models: tuple[str, ...] = ()


BACKENDS: Mapping[str, Backend] = {OFF: Backend(), **{kind: Backend((name,)) for kind, name in PUBLISHED.items()}}


class FeaturesParams(Params):
    """Settings of the features stage."""

    incidental: ClassVar[frozenset[str]] = frozenset({"model"})

    backend: Literal["off", "wav2vec2", "hubert"] = Field(
        "off",
        description="network of speech; it needs PyTorch and its file ('portrait-prep models fetch hubert_base_ls960', "
        "wav2vec2_base_960h)",
    )
    model: str = Field(
        "",
        max_length=1000,
        description="folder of another model of this kind, with config.json and model.safetensors or "
        "pytorch_model.bin: its whole path, or its name in W/models; empty: the published base model",
    )
    layer: int = Field(
        LAST,
        ge=LAST,
        le=128,
        description="hidden state to keep: 0 = before the first layer, k = after layer k; -1 = what comes out at last",
    )
    reach: float = Field(
        0.0,
        ge=0,
        le=86400,
        description="seconds to either side that a row looks at in each layer; 0 = all of the sound, as published, "
        "which takes long where that is more than ten minutes",
    )


def process(job: Job[FeaturesParams]) -> Iterator[Batch]:
    """Yield hidden float16 [n, 2, D]: rows 2 k and 2 k + 1 of the network on the whole sound begin in frame k.

    Row i is of samples 320 i to 320 i + 399. n frames have 2 n - 1 rows, since 80 samples are missing to the last one:
    it repeats the one before. Silence is a sound as any other. Raises BadVideo when there is no frame or float16 cannot
    hold what comes out, Damaged when the wav is not as it was written, MissingPrerequisite as `SpeechModel` does.
    """
    if not job.frames:
        raise BadVideo("the video has no frames")
    path, params = job.media("wav"), job.params
    model = _model(params)
    encoder = model.opened(job.gpu)
    sound = _sound(WavReader(path, job.frames), model.normalizes)
    reach = math.ceil(params.reach * RATE / STEP)
    layer = None if params.layer == LAST else params.layer
    rows = encoder.rows(sound, layer, reach, folder=path.parent)
    for hidden in _by_frame(rows):
        yield {"hidden": _halved(hidden)}
    job.metrics["provider"] = encoder.provider


def _by_frame(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """Rows as they come, [m, D], an odd number in all, to [n, 2, D]; the last one twice."""
    held: NDArray[np.float32] | None = None
    for block in blocks:
        rows = block if held is None else np.concatenate((held, block))
        whole = len(rows) // ROWS * ROWS
        yield rows[:whole].reshape(-1, ROWS, rows.shape[1])
        held = rows[whole:]
    if held is not None:
        yield np.repeat(held, ROWS, axis=0)[np.newaxis]


def _halved(hidden: NDArray[np.float32]) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        halved = hidden.astype(np.float16)
    if not np.isfinite(halved).all():
        raise BadVideo("the network gives numbers that float16 cannot hold: choose another layer")
    return halved


def _sound(wav: WavReader, normalizes: bool) -> Sound:
    """The wave in -1..1, or with mean 0 and deviation 1 over all of it; sums are whole numbers."""
    mean, deviation = 0.0, 1.0
    if normalizes:
        samples, total, power = wav.frames * SAMPLES_PER_FRAME, 0, 0
        for block in wav.blocks(ROWS_PER_GROUP):
            wide = block.astype(np.int64)
            total, power = total + int(wide.sum()), power + int((wide**2).sum())
        mean = total / samples / FULL_SCALE
        deviation = ((power * samples - total**2) / (samples * FULL_SCALE) ** 2 + EPSILON) ** 0.5

    def read(first: int, samples: int) -> NDArray[np.float32]:
        frame, offset = divmod(first, SAMPLES_PER_FRAME)
        pcm = wav.read(frame, -(-(offset + samples) // SAMPLES_PER_FRAME)).reshape(-1)[offset : offset + samples]
        return ((pcm / FULL_SCALE - mean) / deviation).astype(np.float32)

    return Sound(wav.frames * SAMPLES_PER_FRAME, read)


def _model(params: FeaturesParams) -> SpeechModel:
    return SpeechModel.find(params.backend, params.model)


def _digests(params: FeaturesParams) -> dict[str, str]:
    if params.backend == OFF:
        return {}
    model = _model(params)
    if params.layer > (layers := model.size.num_hidden_layers):
        raise BadSetting(
            f"[features] layer is {params.layer}, and this {params.backend} has {layers}: set 0 to {layers}, or -1."
        )
    return model.digests


def _finite(batch: Batch) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(batch["hidden"]).all(axis=(1, 2)))


STAGE = Stage(
    name="features",
    version=1,
    params=FeaturesParams,
    columns=(
        Column(
            "hidden",
            "float16",
            (ROWS, -1),
            "",
            "hidden state of wav2vec 2.0 or HuBERT: rows 2k and 2k+1, of samples 640k to 640k+399 and 640k+320 to "
            "640k+719; the last row of a video repeats the one before",
            sized=lambda params: (ROWS, _model(params).size.hidden_size),
        ),
    ),
    metrics=(Metric("provider", "", "what the network ran on", kind="text"),),
    process=process,
    packed=False,
    reads=("normalize.wav",),
    on=lambda params: params.backend != OFF,
    models=_digests,
    gpu=lambda params: params.backend != OFF,
    invariants=(Invariant("hidden is finite", ("features.hidden",), _finite),),
    distributions=("torch", "numpy"),
)

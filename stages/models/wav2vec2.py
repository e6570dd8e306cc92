"""wav2vec 2.0 and HuBERT: finding a model that the user brings, and opening it.

A model is a published base one, a single file of the registry, or a folder as Hugging Face transformers stores it:
`config.json` beside `model.safetensors` or `pytorch_model.bin`, base or large. It needs PyTorch and nothing else;
without it, and without a model, everything else works.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.stages.models.registry import digest_at, folders, verified
from portrait_prep.stages.models.wav2vec2_size import KERNELS, STRIDES, Size, Sound

if TYPE_CHECKING:
    from portrait_prep.stages.models.wav2vec2_encoder import Encoder

PUBLISHED = {"wav2vec2": "wav2vec2_base_960h", "hubert": "hubert_base_ls960"}
"""Kind of model -> the published one, by its name in the registry."""
REPOSITORIES = {"wav2vec2": "facebook/wav2vec2-base-960h", "hubert": "facebook/hubert-base-ls960"}

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which they are looked for."""
ALIKE: Mapping[str, Any] = {
    "conv_kernel": list(KERNELS),
    "conv_stride": list(STRIDES),
    "conv_pos_batch_norm": False,
    "feat_proj_layer_norm": True,
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
    "add_adapter": False,
    "adapter_attn_dim": None,
}
"""What `config.json` of any of these networks says, by default of the others; what differs is a `Size`."""
LEAST_BYTES, MOST_BYTES = 2, 16
"""A parameter in a file, and beside it what served its training: float16, and two of float64."""
BESIDE = 1 << 24
"""Further bytes that a file may have, of a small network: names, and what writes down speech."""
EPSILON = 1e-7
"""Added to the variance of a wave before it is divided by its root, as transformers' Wav2Vec2FeatureExtractor does."""


@dataclass(frozen=True)
class SpeechModel:
    """A model as it lies there. `normalizes`: whether it wants waves with mean 0 and deviation 1."""

    kind: str
    weights: Path
    size: Size = field(default_factory=Size)
    normalizes: bool = True

    @classmethod
    def find(cls, kind: str, folder: str = "") -> Self:
        """The published model of a kind; given a folder, by its whole path or its name where models lie, the one in it.

        Reads no weights but to check the published ones. Raises MissingPrerequisite where there is none of this kind.
        """
        if not folder:
            return cls(kind, verified(PUBLISHED[kind]).path)
        return cls.within(_folder(folder), kind)

    @classmethod
    def within(cls, folder: Path, kind: str) -> Self:
        """The model in a folder. Raises as `find` does."""
        config = _read(folder, CONFIG, kind)
        expected = {"model_type": kind, **ALIKE}
        if others := [name for name, value in expected.items() if config.get(name, value) != value]:
            kinds = ", ".join(f"{name} {config[name]}" for name in others)[:200]
            raise MissingPrerequisite(
                f"{folder} holds a model of another kind ({kinds}): "
                f"give the folder of {REPOSITORIES[kind]} or its like."
            )
        try:
            size = Size.model_validate(config)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "sizes"
            raise MissingPrerequisite(
                f"{folder / CONFIG} does not describe a network of this kind ({where}: {first['msg']}): "
                f"give the folder of {REPOSITORIES[kind]} or its like."
            ) from error
        wishes = _read(folder, PREPROCESSOR, kind) if (folder / PREPROCESSOR).exists() else {}
        return cls(kind, _weights(folder, size), size, wishes.get("do_normalize") is not False)

    @property
    def digests(self) -> dict[str, str]:
        """Name -> sha256 of all that decides what comes out: the same wherever the model lies."""
        told = f"{self.size.model_dump_json(exclude_defaults=True)} {self.normalizes}"
        return {self.kind: digest_at(self.weights), f"{self.kind} config": hashlib.sha256(told.encode()).hexdigest()}

    def opened(self, gpu: bool = False) -> Encoder:
        """This process's network, made once. Raises MissingPrerequisite where it cannot be, or PyTorch is missing."""
        return _opened(self, digest_at(self.weights), gpu)


def features(wave: NDArray[np.float32], folder: Path) -> NDArray[np.float32]:
    """HuBERT's last hidden state of a wave with mean 0 and deviation 1 at 16 kHz: float32 [samples] to [rows, hidden].

    Row i is of samples 320 i to 320 i + 399, and of all others by attention: 48000 samples make 149 rows. Raises
    MissingPrerequisite where the folder holds no such model, or PyTorch is missing.
    """
    model = SpeechModel.within(folder, "hubert")
    sound = Sound(len(wave), lambda first, samples: np.ascontiguousarray(wave[first : first + samples], np.float32))
    return np.concatenate(list(model.opened().rows(sound)))


@lru_cache(maxsize=1)
def _opened(model: SpeechModel, _sha256: str, gpu: bool) -> Encoder:
    try:
        from portrait_prep.stages.models.wav2vec2_encoder import Encoder  # noqa: PLC0415  PyTorch takes seconds
    except ImportError as error:
        raise MissingPrerequisite(
            f"The network {model.kind} needs PyTorch: pip install 'portrait-prep[torch]'."
        ) from error
    return Encoder(model.size, model.weights, model.kind, gpu)


def _folder(named: str) -> Path:
    """Where it is: a worker may stand elsewhere, from where a relative path would lead to something else."""
    places = [place / named for place, _ in folders()]
    if Path(named).is_absolute():
        places.append(Path(named))
    with suppress(OSError):  # such as a name that is too long
        for place in places:
            if place.is_dir():
                return place
    raise MissingPrerequisite(
        f"There is no folder '{named}' where models lie: put it into models/ of the workspace, or give its whole path."
    )


def _read(folder: Path, name: str, kind: str) -> dict[str, Any]:
    try:
        content: Any = from_json(regular(folder / name, MOST_TEXT).read_bytes())
        if not isinstance(content, dict):
            raise TypeError("it is no object")
    except (OSError, ValueError, TypeError) as error:
        raise MissingPrerequisite(
            f"{folder} holds no {name} of a model: give the folder of {REPOSITORIES[kind]} or its like."
        ) from error
    return content


def _weights(folder: Path, size: Size) -> Path:
    """The file of weights, as large as those of the network may be: so much is read of it, and no more made of it."""
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise MissingPrerequisite(f"{folder} holds neither {' nor '.join(WEIGHTS)}: get one of them.")
    found, least, most = path.stat().st_size, LEAST_BYTES * size.parameters, MOST_BYTES * size.parameters + BESIDE
    if not least <= found <= most:
        raise MissingPrerequisite(
            f"{path} is damaged or no file of weights of the network that {CONFIG} describes (it has {found} bytes, "
            f"and such files {least} to {most}): get the published file again."
        )
    return path

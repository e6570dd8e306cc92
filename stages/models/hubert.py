"""HuBERT's features of speech, from a folder with a model as Hugging Face transformers stores it.

`config.json` beside `model.safetensors` or `pytorch_model.bin`, of facebook/hubert-base-ls960 or one of its kind. It
needs PyTorch and nothing else; without it, and without a folder, everything else works.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.file import MOST_TEXT, regular
from portrait_prep.stages.models.weights import load_weights

if TYPE_CHECKING:
    from portrait_prep.stages.models.hubert_network import Hubert

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which they are looked for."""
KIND = {
    "model_type": "hubert",
    "feat_extract_norm": "group",
    "do_stable_layer_norm": False,
    "conv_bias": False,
    "conv_pos_batch_norm": False,
    "feat_proj_layer_norm": True,
    "hidden_act": "gelu",
    "feat_extract_activation": "gelu",
}
"""What `config.json` says of the base network, by default of the others; the large ones are built another way."""


def features(wave: NDArray[np.float32], folder: Path) -> NDArray[np.float32]:
    """The last hidden state of a wave with mean 0 and deviation 1 at 16 kHz: float32 [samples] to [frames, width].

    Frame i is of samples 320 i to 320 i + 399, and of all others by attention: 48000 samples make 149 frames. Raises
    MissingPrerequisite where the folder holds no model of this kind, or PyTorch is missing.
    """
    try:
        import torch  # noqa: PLC0415  takes seconds and is rarely needed
    except ImportError as error:
        raise MissingPrerequisite("HuBERT needs PyTorch: pip install 'portrait-prep[torch]'.") from error
    with torch.inference_mode():
        found = _opened(folder)(torch.from_numpy(np.ascontiguousarray(wave, np.float32))[np.newaxis])
    return np.asarray(found[0].numpy(), np.float32)


def check(folder: Path) -> None:
    """Raise MissingPrerequisite unless a folder says that it holds a model of this kind; reads no weights."""
    _config(folder)
    _weights(folder)


@lru_cache(maxsize=1)
def _opened(folder: Path) -> Hubert:
    """This process's network, made once. Raises as `features` does."""
    from portrait_prep.stages.models.hubert_network import Hubert, Size  # noqa: PLC0415  it needs PyTorch

    config = _config(folder)
    network = Hubert(Size(**{each.name: config[each.name] for each in fields(Size) if each.name in config}))
    load_weights(network, _weights(folder))
    return network.eval()


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: Any = from_json(regular(folder / CONFIG, MOST_TEXT).read_bytes())
        if not isinstance(config, dict):
            raise TypeError("it is no object")
    except (OSError, ValueError, TypeError) as error:
        raise MissingPrerequisite(
            f"{folder} holds no {CONFIG} of a model: give the folder of facebook/hubert-base-ls960."
        ) from error
    if others := [name for name, value in KIND.items() if config.get(name, value) != value]:
        kinds = ", ".join(f"{name} {config[name]}" for name in others)
        raise MissingPrerequisite(
            f"{folder} holds a model of another kind ({kinds}): give the folder of facebook/hubert-base-ls960."
        )
    return config


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise MissingPrerequisite(f"{folder} holds neither {' nor '.join(WEIGHTS)}: get one of them.")

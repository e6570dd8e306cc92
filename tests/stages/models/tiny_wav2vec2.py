"""A small wav2vec 2.0 or HuBERT of known weights, in files as transformers writes them; needs PyTorch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from portrait_prep.stages.models.wav2vec2_network import Wav2Vec2
from portrait_prep.stages.models.wav2vec2_size import Size

TINY: dict[str, Any] = {
    "model_type": "hubert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
LARGE = TINY | {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
"""Built as the large networks are."""


def tiny_weights(config: Mapping[str, Any] = TINY) -> dict[str, Any]:
    """Waves of rising pitch in place of lots: every machine makes the same; norms are about 1, as in trained ones."""
    shapes = {name: tensor.shape for name, tensor in Wav2Vec2(Size.model_validate(dict(config))).state_dict().items()}
    shapes["masked_spec_embed"] = torch.Size([config["hidden_size"]])
    weights = dict[str, Any]()
    for number, (name, shape) in enumerate(sorted(shapes.items())):
        place = torch.arange(shape.numel(), dtype=torch.float64)
        values = torch.sin(place**2 * (1 + number) / 7) / 2 + name.endswith("norm.weight")
        weights[name] = values.float().view(shape)
    return weights


def write_safetensors(path: Path, weights: Mapping[str, Any]) -> None:
    """By the published format, metadata and all."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    content = b""
    for name, tensor in weights.items():
        values = tensor.numpy().tobytes()
        offsets = [len(content), len(content) + len(values)]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        content += values
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + content)


def write_model(folder: Path, config: Mapping[str, Any] = TINY) -> Path:
    """The folder, filled."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    write_safetensors(folder / "model.safetensors", tiny_weights(config))
    return folder

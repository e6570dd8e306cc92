"""A small HuBERT of known weights, in files as transformers writes them; needs PyTorch."""

import json
from pathlib import Path
from typing import Any

import torch

from portrait_prep.stages.models.hubert_network import Hubert, Size

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


def tiny_weights() -> dict[str, Any]:
    """Waves of rising pitch in place of lots: every machine makes the same; norms are about 1, as in trained ones."""
    sizes = {name: value for name, value in TINY.items() if name != "model_type"}
    weights = dict[str, Any]()
    for number, (name, tensor) in enumerate(sorted(Hubert(Size(**sizes)).state_dict().items())):
        place = torch.arange(tensor.numel(), dtype=torch.float64)
        values = torch.sin(place**2 * (1 + number) / 7) / 2 + name.endswith("norm.weight")
        weights[name] = values.float().view(tensor.shape)
    return weights


def write_safetensors(path: Path, weights: dict[str, Any]) -> None:
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


def write_model(folder: Path) -> Path:
    """The folder, filled."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TINY))
    write_safetensors(folder / "model.safetensors", tiny_weights())
    return folder

"""The network written out plainly over the whole sound, from its published weights: no chunk, no module of ours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

STRIDES = (5, 2, 2, 2, 2, 2, 2)


def hidden_states(
    wave: NDArray[np.float32], weights: Mapping[str, Tensor], config: Mapping[str, Any]
) -> list[NDArray[np.float32]]:
    """Of a normalized wave [samples]: what the first layer gets, what each layer gives, what comes out in the end."""
    with torch.inference_mode():
        x = _rows(torch.from_numpy(wave)[None, None], weights)
        before = config.get("do_stable_layer_norm", False)
        x = x + _positions(x, weights, config)
        states = [x if before else _norm(x, weights, "encoder.layer_norm")]
        for number in range(config["num_hidden_layers"]):
            part = {
                name.removeprefix(f"encoder.layers.{number}."): tensor
                for name, tensor in weights.items()
                if name.startswith(f"encoder.layers.{number}.")
            }
            states.append(_layer(states[-1], part, config["num_attention_heads"], before))
        states.append(_norm(states[-1], weights, "encoder.layer_norm") if before else states[-1])
    return [state[0].numpy() for state in states]


def _rows(x: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    for number, stride in enumerate(STRIDES):
        name = f"feature_extractor.conv_layers.{number}"
        x = functional.conv1d(x, weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), stride)
        norm = weights.get(f"{name}.layer_norm.weight"), weights.get(f"{name}.layer_norm.bias")
        if f"{name}.conv.bias" in weights:
            x = functional.layer_norm(x.mT, x.shape[1:2], *norm).mT
        elif number == 0:
            x = functional.group_norm(x, x.shape[1], *norm)
        x = functional.gelu(x)
    return _linear(_norm(x.mT, weights, "feature_projection.layer_norm"), weights, "feature_projection.projection")


def _positions(x: Tensor, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> Tensor:
    name = "encoder.pos_conv_embed.conv"
    length, direction = (weights[f"{name}.parametrizations.weight.original{number}"] for number in (0, 1))
    kernel = length * direction / direction.pow(2).sum(dim=(0, 1), keepdim=True).sqrt()
    half, groups = config["num_conv_pos_embeddings"] // 2, config["num_conv_pos_embedding_groups"]
    around = functional.conv1d(x.mT, kernel, weights[f"{name}.bias"], padding=half, groups=groups)
    return functional.gelu(around[..., : x.shape[1]]).mT


def _layer(x: Tensor, weights: Mapping[str, Tensor], heads: int, before: bool) -> Tensor:
    inner = _norm(x, weights, "layer_norm") if before else x
    query, key, value = (
        _linear(inner, weights, f"attention.{name}_proj").reshape(1, x.shape[1], heads, -1).transpose(1, 2)
        for name in "qkv"
    )
    seen = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    x = x + _linear(seen, weights, "attention.out_proj")
    x = x if before else _norm(x, weights, "layer_norm")
    inner = _norm(x, weights, "final_layer_norm") if before else x
    wide = functional.gelu(_linear(inner, weights, "feed_forward.intermediate_dense"))
    x = x + _linear(wide, weights, "feed_forward.output_dense")
    return x if before else _norm(x, weights, "final_layer_norm")


def _norm(x: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def _linear(x: Tensor, weights: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

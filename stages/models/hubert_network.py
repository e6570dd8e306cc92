"""HuBERT, base size, with the parameter names of Hugging Face transformers; needs PyTorch.

The network of https://arxiv.org/abs/2106.07447 as `HubertModel` of transformers stores it: seven convolutions turn the
wave into frames of 320 samples, a grouped convolution tells them where they are, and a transformer that normalizes
after each of its steps looks at them all at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations


@dataclass(frozen=True)
class Size:
    """What differs between networks of this kind; the names are those of transformers' `config.json`."""

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    conv_dim: Sequence[int] = (512,) * 7
    conv_kernel: Sequence[int] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: Sequence[int] = (5, 2, 2, 2, 2, 2, 2)
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    layer_norm_eps: float = 1e-5


class Convolution(nn.Module):
    """A convolution without bias and GELU; the first one has each of its channels normalized over time."""

    def __init__(self, inner: int, outer: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inner, outer, kernel, stride, bias=False)
        self.layer_norm = nn.GroupNorm(outer, outer) if inner == 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, samples] to [n, outer, (samples - kernel) // stride + 1]."""
        return functional.gelu(self.layer_norm(self.conv(x)))


class Ears(nn.Module):
    """From the wave to frames."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        widths = (1, *size.conv_dim)
        shapes = zip(widths, widths[1:], size.conv_kernel, size.conv_stride, strict=False)
        self.conv_layers = nn.Sequential(*(Convolution(*shape) for shape in shapes))

    def forward(self, wave: Tensor) -> Tensor:
        """[n, samples] to [n, frames, conv_dim]."""
        return torch.transpose(self.conv_layers(wave[:, None]), 1, 2)


class Projection(nn.Module):
    """From the width of the convolutions to that of the transformer."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(size.conv_dim[-1], size.layer_norm_eps)
        self.projection = nn.Linear(size.conv_dim[-1], size.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, conv_dim] to [n, frames, hidden]."""
        return torch.as_tensor(self.projection(self.layer_norm(x)))


class Position(nn.Module):
    """What is around a frame, to be added to it."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, kernel, groups = size.hidden_size, size.num_conv_pos_embeddings, size.num_conv_pos_embedding_groups
        convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=groups)
        self.conv = parametrizations.weight_norm(convolution, dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, hidden] to the same; an even kernel makes a frame too many, the last."""
        return functional.gelu(self.conv(x.transpose(1, 2))[..., : x.shape[1]]).transpose(1, 2)


class Attention(nn.Module):
    """Each frame looks at all."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.hidden_size
        self.heads = size.num_attention_heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, hidden] to the same."""
        query, key, value = (
            part(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        return torch.as_tensor(self.out_proj(seen.transpose(1, 2).flatten(2)))


class FeedForward(nn.Module):
    """Each frame by itself."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(size.hidden_size, size.intermediate_size)
        self.output_dense = nn.Linear(size.intermediate_size, size.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, hidden] to the same."""
        return torch.as_tensor(self.output_dense(functional.gelu(self.intermediate_dense(x))))


class Layer(nn.Module):
    """Attention and feed-forward, each beside a shortcut and normalized afterwards."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.attention = Attention(size)
        self.layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self.feed_forward = FeedForward(size)
        self.final_layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, hidden] to the same."""
        x = self.layer_norm(x + self.attention(x))
        return torch.as_tensor(self.final_layer_norm(x + self.feed_forward(x)))


class Transformer(nn.Module):
    """Frames that know of each other."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.pos_conv_embed = Position(size)
        self.layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self.layers = nn.Sequential(*(Layer(size) for _ in range(size.num_hidden_layers)))

    def forward(self, x: Tensor) -> Tensor:
        """[n, frames, hidden] to the same."""
        return torch.as_tensor(self.layers(self.layer_norm(x + self.pos_conv_embed(x))))


class Hubert(nn.Module):
    """What transformers calls `last_hidden_state`."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.feature_extractor = Ears(size)
        self.feature_projection = Projection(size)
        self.encoder = Transformer(size)
        self.masked_spec_embed = nn.Parameter(torch.zeros(size.hidden_size))
        """Stands in for frames that are masked in training; of no use here, and in every file."""

    def forward(self, wave: Tensor) -> Tensor:
        """[n, samples], normalized, to [n, frames, hidden]; 48000 samples make 149 frames."""
        return torch.as_tensor(self.encoder(self.feature_projection(self.feature_extractor(wave))))

"""The network of wav2vec 2.0 and HuBERT, with the parameter names of Hugging Face transformers; needs PyTorch.

https://arxiv.org/abs/2006.11477 and https://arxiv.org/abs/2106.07447, as `Wav2Vec2Model` and `HubertModel` of
transformers store them: seven convolutions turn the wave into rows, one each 320 samples, a grouped convolution tells
rows where they are, and the layers of a transformer look at them all at once. The parts are to be called one by one, on
stretches of a sound: `stages.models.wav2vec2_encoder` joins them for sounds of any length.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from portrait_prep.stages.models.wav2vec2_size import KERNELS, STRIDES, Size


class Convolution(nn.Module):
    """A convolution and GELU, with a norm between them in some."""

    def __init__(self, size: Size, number: int) -> None:
        super().__init__()
        inner, outer = (1, *size.conv_dim)[number : number + 2]
        self.conv = nn.Conv1d(inner, outer, KERNELS[number], STRIDES[number], bias=size.conv_bias)
        self.layer_norm: nn.Module = nn.Identity()
        if size.feat_extract_norm == "layer":
            self.layer_norm = nn.LayerNorm(outer)
        elif number == 0:
            self.layer_norm = nn.GroupNorm(outer, outer)

    def forward(self, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """[inner, n] to [outer, (n - kernel) // stride + 1].

        `mean` and `variance` [outer] of what the first convolution gives over the whole sound stand in for those of
        the stretch in a group norm; nothing else takes note of them.
        """
        x = self.conv(x)
        if isinstance(self.layer_norm, nn.GroupNorm):
            norm = self.layer_norm
            x = functional.batch_norm(x[None], mean, variance, norm.weight, norm.bias, eps=norm.eps)[0]
        elif isinstance(self.layer_norm, nn.LayerNorm):
            x = self.layer_norm(x.T).T
        return functional.gelu(x)


class FeatureExtractor(nn.Module):
    """From the wave to rows."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList(Convolution(size, number) for number in range(len(KERNELS)))

    def first(self, wave: Tensor) -> Tensor:
        """What the first convolution gives before its norm: [5 n + 5] to [n, channels]."""
        convolution = self.conv_layers[0]
        assert isinstance(convolution, Convolution)
        return torch.as_tensor(convolution.conv(wave[None])).T

    def forward(self, wave: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """[320 n + 80] to [n, conv_dim]."""
        x = wave[None]
        for convolution in self.conv_layers:
            x = convolution(x, mean, variance)
        return x.T


class FeatureProjection(nn.Module):
    """From the width of the convolutions to that of the transformer."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(size.conv_dim[-1], size.layer_norm_eps)
        self.projection = nn.Linear(size.conv_dim[-1], size.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[n, conv_dim] to [n, hidden]."""
        return torch.as_tensor(self.projection(self.layer_norm(x)))


class Position(nn.Module):
    """What is around a row, to be added to it."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, kernel, groups = size.hidden_size, size.num_conv_pos_embeddings, size.num_conv_pos_embedding_groups
        self.conv = parametrizations.weight_norm(nn.Conv1d(width, width, kernel, groups=groups), dim=2)

    def forward(self, x: Tensor) -> Tensor:
        """[half + n + half, hidden], zeros before and after the sound, to [n, hidden]; half: of the kernel."""
        half = self.conv.kernel_size[0] // 2
        return functional.gelu(self.conv(x.T)[:, : len(x) - 2 * half]).T


class Attention(nn.Module):
    """Each row looks at all."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.hidden_size
        self.heads = size.num_attention_heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, seen: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """[n, hidden] to the same; `seen`: keys and values [m, hidden] of all rows that are looked at, in pieces.

        The softmax over all pieces is built up piece by piece: https://arxiv.org/abs/2112.05682.
        """
        query = self._of_heads(self.q_proj(x)) * (x.shape[1] // self.heads) ** -0.5
        top = query.new_full((*query.shape[:2], 1), -torch.inf)
        total, summed = torch.zeros_like(top), torch.zeros_like(query)
        for keys, values in seen:
            scores = query @ self._of_heads(keys).mT
            higher = torch.maximum(top, scores.amax(-1, keepdim=True))
            weights, kept = scores.sub_(higher).exp_(), (top - higher).exp()
            total = total * kept + weights.sum(-1, keepdim=True)
            summed = summed * kept + weights @ self._of_heads(values)
            top = higher
        return torch.as_tensor(self.out_proj((summed / total).transpose(0, 1).flatten(1)))

    def _of_heads(self, x: Tensor) -> Tensor:
        """[n, hidden] to [heads, n, hidden / heads]."""
        return x.reshape(len(x), self.heads, -1).transpose(0, 1)


class FeedForward(nn.Module):
    """Each row by itself."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(size.hidden_size, size.intermediate_size)
        self.output_dense = nn.Linear(size.intermediate_size, size.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """[n, hidden] to the same."""
        return torch.as_tensor(self.output_dense(functional.gelu(self.intermediate_dense(x))))


class Layer(nn.Module):
    """Attention and feed-forward, each beside a shortcut and normalized before or afterwards."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.before = size.do_stable_layer_norm
        self.attention = Attention(size)
        self.layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self.feed_forward = FeedForward(size)
        self.final_layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What [n, hidden] shows to the rows that look at it: twice the same shape."""
        x = self.layer_norm(x) if self.before else x
        return self.attention.k_proj(x), self.attention.v_proj(x)

    def forward(self, x: Tensor, seen: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
        """[n, hidden] to the same; `seen` as in `Attention`."""
        if self.before:
            x = x + self.attention(self.layer_norm(x), seen)
            return torch.as_tensor(x + self.feed_forward(self.final_layer_norm(x)))
        x = self.layer_norm(x + self.attention(x, seen))
        return torch.as_tensor(self.final_layer_norm(x + self.feed_forward(x)))


class Transformer(nn.Module):
    """Rows that know of each other."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.before = size.do_stable_layer_norm
        self.pos_conv_embed = Position(size)
        self.layer_norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.num_hidden_layers))

    def placed(self, x: Tensor) -> Tensor:
        """What the first layer gets, hidden state 0: as `Position`, [half + n + half, hidden] to [n, hidden]."""
        half = self.pos_conv_embed.conv.kernel_size[0] // 2
        x = x[half : len(x) - half] + self.pos_conv_embed(x)
        return x if self.before else torch.as_tensor(self.layer_norm(x))

    def layer(self, number: int) -> Layer:
        """One of the layers, from 0."""
        layer = self.layers[number]
        assert isinstance(layer, Layer)
        return layer

    def finished(self, x: Tensor) -> Tensor:
        """What the last layer gives, [n, hidden], as transformers' `last_hidden_state` has it."""
        return torch.as_tensor(self.layer_norm(x)) if self.before else x


class Wav2Vec2(nn.Module):
    """All of the network."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.feature_extractor = FeatureExtractor(size)
        self.feature_projection = FeatureProjection(size)
        self.encoder = Transformer(size)

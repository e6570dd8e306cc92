"""What differs between networks of the kind of wav2vec 2.0, and what they hear; it needs no PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""Of the seven convolutions, in all published networks."""
MOST_PARAMETERS = 4_000_000_000
"""Twice as many as the largest published network of this kind has."""
STEP, FIELD = 320, 400
"""Samples from one row to the next, and those that a row is of: what these convolutions come to."""


class Size(BaseModel):
    """The names are those of transformers' `config.json`, the defaults those of the base networks.

    The bounds keep a file that anybody may have written from asking for all of the memory.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    hidden_size: int = Field(768, ge=1, le=8192)
    num_hidden_layers: int = Field(12, ge=1, le=128)
    num_attention_heads: int = Field(12, ge=1, le=128)
    intermediate_size: int = Field(3072, ge=1, le=32768)
    conv_dim: tuple[Annotated[int, Field(strict=True, ge=1, le=2048)], ...] = Field(
        (512,) * 7, strict=False, min_length=7, max_length=7
    )
    conv_bias: bool = False
    feat_extract_norm: str = Field("group", pattern="^(group|layer)$")
    """`group`: the first convolution has each of its channels normalized over all of the sound, the others nothing.
    `layer`: each convolution has every row normalized over its channels."""
    do_stable_layer_norm: bool = False
    """Whether layers normalize before each of their steps (the large networks) or after it."""
    num_conv_pos_embeddings: int = Field(128, ge=1, le=1024)
    num_conv_pos_embedding_groups: int = Field(16, ge=1, le=1024)
    layer_norm_eps: float = Field(1e-5, gt=0, lt=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.hidden_size % self.num_attention_heads or self.hidden_size % self.num_conv_pos_embedding_groups:
            raise ValueError("hidden_size is no multiple of its heads and groups")
        if self.parameters > MOST_PARAMETERS:
            raise ValueError("it is larger than any network of this kind")
        return self

    @property
    def parameters(self) -> int:
        """How many there are in its matrices: nearly all, and never more than all."""
        width, channels = self.hidden_size, (1, *self.conv_dim)
        convolutions = sum(map(prod, zip(KERNELS, channels, self.conv_dim, strict=False)))
        position = width * width // self.num_conv_pos_embedding_groups * self.num_conv_pos_embeddings
        layer = 4 * width**2 + 2 * width * self.intermediate_size
        return convolutions + channels[-1] * width + position + self.num_hidden_layers * layer


@dataclass(frozen=True)
class Sound:
    """A wave at 16 kHz as the network wants it: `read(first, n)` gives float32 [n] of its `samples`."""

    samples: int
    read: Callable[[int, int], NDArray[np.float32]]

    @property
    def rows(self) -> int:
        """How many rows a network makes of it: row i is of samples 320 i to 320 i + 399."""
        return max(0, (self.samples - FIELD) // STEP + 1)

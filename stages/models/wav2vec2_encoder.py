"""wav2vec 2.0 and HuBERT on sounds of any length, in little memory: what comes out is that of the whole; needs PyTorch.

Two things reach over all of a sound: the norm of the first convolution, whose mean and variance a first pass measures,
and attention. So the sound goes through the network layer by layer and not chunk by chunk: a layer is through all rows
before the next one begins, and rows, keys and values lie in files without a name once they are many. Time grows with
the square of the length, by attention; memory does not grow.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from portrait_prep.stages.models.engines import PYTORCH
from portrait_prep.stages.models.wav2vec2_network import Layer, Wav2Vec2
from portrait_prep.stages.models.wav2vec2_size import FIELD, KERNELS, STEP, STRIDES, Size, Sound
from portrait_prep.stages.models.weights import load_weights
from portrait_prep.stages.streaming.moments import Moments

log = logging.getLogger(__name__)

HEARD = 100
"""Rows that the convolutions make at a time: they are 64 times as many within the first one."""
MEASURED = 1600
"""What the first one gives at a time to be measured: half a second."""
SEEN = 500
"""Rows that a layer takes at a time."""
IN_MEMORY = 1 << 25
"""Bytes of each store that stay in memory: three minutes of a base network."""
UNUSED = ("masked_spec_embed",)
"""Stands in for rows that are masked in training."""

Block = tuple[int, int]
"""The first of some rows, and the first after them."""


class Encoder:
    """A network with its weights, on the first GPU that CUDA sees where one is wanted and can be used, else on the CPU.

    Raises MissingPrerequisite where the weights cannot be loaded.
    """

    def __init__(self, size: Size, weights: Path, kind: str, gpu: bool = False) -> None:
        self._size, self._weights, self._kind = size, weights, kind
        self._network, self._device = self._loaded(), "cpu"
        if gpu and not torch.cuda.is_available():
            log.warning("%s runs on the CPU: PyTorch sees no GPU", kind)
        elif gpu:
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.deterministic = True
            self._device = "cuda"

    @property
    def provider(self) -> str:
        """What it runs on now."""
        return PYTORCH if self._device == "cuda" else f"PyTorch on {self._device}"

    def rows(
        self, sound: Sound, layer: int | None = None, reach: int = 0, folder: Path | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """A hidden state of a sound, float32 [n, hidden] at a time.

        It is what layer `layer` gives, from 1; 0: what the first one gets; None: what comes out at last, where large
        networks have one more norm, transformers' `last_hidden_state`.
        Row i is of samples 320 i to 320 i + 399, and of all others by attention: there are (samples - 80) // 320. A row
        looks at `reach` rows to either side, at least; 0: at all. Files lie in `folder`; None: where temporary ones do.
        """
        with torch.inference_mode(), _one_thread():
            hidden = self._hidden(sound, layer, reach, folder)
        return (hidden.read(*block).numpy() for block in _blocks(sound.rows, SEEN))

    def _loaded(self) -> Wav2Vec2:
        network = Wav2Vec2(self._size)
        load_weights(network, self._weights, self._kind, UNUSED)
        return network.eval()

    def _hidden(self, sound: Sound, layer: int | None, reach: int, folder: Path | None) -> "Rows":
        """All rows; on the CPU from now on where the GPU fails."""
        if self._device == "cuda":
            try:
                return self._computed(sound, layer, reach, folder)
            except (RuntimeError, MemoryError) as error:
                log.warning(
                    "%s goes on on the CPU: CUDA fails (%s)", self._kind, next(iter(str(error).split("\n")), "")
                )
            self._network, self._device = self._loaded(), "cpu"
        return self._computed(sound, layer, reach, folder)

    def _computed(self, sound: Sound, layer: int | None, reach: int, folder: Path | None) -> "Rows":
        network, count = self._network.to(self._device), sound.rows
        rows, keys, values = (Rows(count, self._size.hidden_size, self._device, folder) for _ in range(3))
        moments = self._moments(sound)
        for first, stop in _blocks(count, HEARD):
            wave = self._wave(sound, first * STEP, (stop - first - 1) * STEP + FIELD)
            keys.write(first, network.feature_projection(network.feature_extractor(wave, *moments)))
        half = self._size.num_conv_pos_embeddings // 2
        for first, stop in _blocks(count, SEEN):
            rows.write(first, network.encoder.placed(keys.read(first - half, stop + half)))
        for number in range(self._size.num_hidden_layers if layer is None else layer):
            _pass(network.encoder.layer(number), rows, keys, values, reach or count)
        if layer is None:
            for first, stop in _blocks(count, SEEN):
                rows.write(first, network.encoder.finished(rows.read(first, stop)))
        rows.device = "cpu"  # nothing more is computed of them
        return rows

    def _moments(self, sound: Sound) -> tuple[Tensor, Tensor]:
        """Mean and variance [channels] over the sound of what the first convolution gives, where a norm needs them."""
        found, kernel, stride = Moments.none((self._size.conv_dim[0],)), KERNELS[0], STRIDES[0]
        count = (sound.samples - kernel) // stride + 1 if self._size.feat_extract_norm == "group" else 0
        for first, stop in _blocks(count, MEASURED):
            wave = self._wave(sound, first * stride, (stop - first - 1) * stride + kernel)
            found += Moments.of(self._network.feature_extractor.first(wave).cpu().numpy())
        mean, variance = (torch.from_numpy(each).float() for each in (found.mean, found.m2 / max(found.count, 1)))
        return mean.to(self._device), variance.to(self._device)

    def _wave(self, sound: Sound, first: int, samples: int) -> Tensor:
        return torch.from_numpy(sound.read(first, samples)).to(self._device)


class Rows:
    """Rows float32 [count, width], in memory while they are few, else in a file without a name in `folder`.

    They are read to `device`, and written from any.
    """

    def __init__(self, count: int, width: int, device: str, folder: Path | None) -> None:
        self._file = SpooledTemporaryFile(IN_MEMORY, dir=None if folder is None else str(folder))  # noqa: SIM115 (it closes with its last reader)
        self.count, self.device, self._width = count, device, width

    def write(self, first: int, rows: Tensor) -> None:
        """Put rows [n, width] in their place."""
        self._file.seek(first * self._width * 4)
        self._file.write(rows.cpu().numpy().tobytes())

    def read(self, first: int, stop: int) -> Tensor:
        """Rows `first` to `stop - 1`, [n, width]; zeros before the first one and after the last one."""
        start, end = max(first, 0), min(stop, self.count)
        self._file.seek(start * self._width * 4)
        content = bytearray(self._file.read((end - start) * self._width * 4))
        rows = torch.frombuffer(content, dtype=torch.float32).reshape(end - start, self._width).to(self.device)
        return functional.pad(rows, (0, 0, start - first, stop - end))


def _pass(layer: Layer, rows: Rows, keys: Rows, values: Rows, reach: int) -> None:
    """Take all rows through one layer."""
    blocks = list(_blocks(rows.count, SEEN))
    for first, stop in blocks:
        for store, found in zip((keys, values), layer.keys_and_values(rows.read(first, stop)), strict=True):
            store.write(first, found)
    for first, stop in blocks:
        near = (block for block in blocks if block[0] < stop + reach and block[1] > first - reach)
        seen = ((keys.read(*block), values.read(*block)) for block in near)
        rows.write(first, layer(rows.read(first, stop), seen))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let PyTorch compute on one thread, in whatever process: sums in another order have other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _blocks(count: int, most: int) -> Iterator[Block]:
    return ((first, min(first + most, count)) for first in range(0, count, most))

"""Sound as wav2vec 2.0 hears it: less the mean of the whole clip, over its deviation."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from views.reading.reader import Reader

FULL_SCALE = 1 << 15
"""PCM16 over this is -1..1."""
EPSILON = 1e-7
"""Added to the variance, as `Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm` of Hugging Face's transformers does."""
BLOCK = 1000
"""Frames at a time: few enough that the sum of the squares is exact."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """Mean and deviation (population) of the samples of a clip, -1..1."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, reader: Reader, number: int) -> "Loudness":
        """Of video `number`, whose sound is streamed once. Raises what `Reader.sound` raises."""
        frames = reader.videos[number].frames
        count = total = squares = 0
        for first in range(0, frames, BLOCK):
            samples = reader.sound(number, first, min(BLOCK, frames - first)).reshape(-1).astype(np.float64)
            count, total, squares = count + samples.size, total + int(samples.sum()), squares + int(samples @ samples)
        variance = (count * squares - total * total) / (count * FULL_SCALE) ** 2
        return cls(total / (count * FULL_SCALE), math.sqrt(variance))

    def normalized(self, pcm: NDArray[np.int16]) -> NDArray[np.float32]:
        """float32 of the same shape, (x - mean) / sqrt(variance + 1e-7). Digital silence gives zeros."""
        gain = 1 / math.sqrt(self.deviation**2 + EPSILON)
        sound = np.multiply(pcm, np.float32(gain / FULL_SCALE), dtype=np.float32)
        return np.subtract(sound, np.float32(self.mean * gain), out=sound)

"""Mel spectrograms, by the definitions that librosa and torchaudio share, in plain NumPy."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from portrait_prep.media.wav import FULL_SCALE, RATE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mel:
    """A mel spectrogram; calling it makes one of samples.

    `n_fft`: length of the transform and of its window, a periodic Hann window; even. `hop`: samples from frame to
    frame, at most `n_fft`. `bands`: triangles between `f_min` and `f_max` (Hz; None: half the rate), evenly spaced on a
    `scale`: `htk`, 2595 log10(1 + f / 700) (Young et al., The HTK Book), or `slaney`, linear up to 1 kHz and
    logarithmic above (Slaney, Auditory Toolbox 2, 1998). `norm`: each triangle has area 1 (True; as librosa does) or
    height 1 (False; torchaudio).
    `power`: 2, the squares of the spectrum's magnitudes are summed; 1, the magnitudes.

    `align` says where frames lie. `sample`: frame i is centred on sample i * hop, and n samples make n // hop + 1
    frames (librosa and torchaudio with `center=True`). `hop`: frame i is centred on the middle of hop i, and n samples
    make n // hop frames (HiFi-GAN and VITS), so that frames and hops are the same stretches of time. What windows
    reach beyond the ends is `pad`ded: `reflect` mirrors the sound, `constant` is silence.
    """

    rate: int = RATE
    n_fft: int = 400
    hop: int = 160
    bands: int = 64
    f_min: float = 0.0
    f_max: float | None = None
    scale: Literal["htk", "slaney"] = "htk"
    norm: bool = False
    power: Literal[1, 2] = 2
    align: Literal["sample", "hop"] = "sample"
    pad: Literal["reflect", "constant"] = "reflect"

    def __call__(self, samples: NDArray[Any]) -> Floats:
        """Of samples [n], 16-bit integers or numbers in -1..1: float64 [bands, frames]. Raises ValueError if n is 0."""
        sound = np.asarray(samples, np.float64).reshape(-1)
        if not sound.size:
            raise ValueError("there is no sound to make a spectrogram of")
        if np.issubdtype(np.asarray(samples).dtype, np.integer):
            sound = sound / FULL_SCALE
        padded = np.pad(sound, self._margins(sound.size), self.pad)
        windows = sliding_window_view(padded, self.n_fft)[:: self.hop][: self.frames(sound.size)]
        spectrum = np.fft.rfft(windows * hann(self.n_fft))
        energy = spectrum.real**2 + spectrum.imag**2
        return filters(self) @ (energy if self.power == 2 else np.sqrt(energy)).T

    def frames(self, samples: int) -> int:
        """How many frames so many samples make."""
        return samples // self.hop + (self.align == "sample")

    def _margins(self, samples: int) -> tuple[int, int]:
        if self.align == "sample":
            return self.n_fft // 2, self.n_fft // 2
        before = (self.n_fft - self.hop) // 2
        last = max(self.frames(samples) - 1, 0) * self.hop - before
        return before, max(last + self.n_fft - samples, 0)


def log_mel(samples: NDArray[Any], mel: Mel, floor: float = 1e-5) -> NDArray[np.float32]:
    """Natural logarithm of a mel spectrogram, float32 [bands, frames]; what lies below `floor` is raised to it.

    HiFi-GAN's and VITS's `log(clamp(x, min=1e-5))`, there of magnitudes (`power=1`).
    """
    spectrogram = mel(samples)
    return np.log(np.maximum(spectrogram, floor, out=spectrogram), out=spectrogram).astype(np.float32)


def decibel_mel(samples: NDArray[Any], mel: Mel, floor: float = 1e-10) -> NDArray[np.float32]:
    """A mel spectrogram in dB re 1, float32 [bands, frames]: 10 log10 of a power, 20 log10 of a magnitude.

    What lies below `floor` is raised to it: with 1e-10 and power, the least value is -100 dB. torchaudio's
    `AmplitudeToDB` and librosa's `power_to_db(ref=1)`, both with `top_db=None`.
    """
    spectrogram = mel(samples)
    np.log10(np.maximum(spectrogram, floor, out=spectrogram), out=spectrogram)
    return np.multiply(spectrogram, 20 / mel.power, out=spectrogram).astype(np.float32)


@lru_cache(maxsize=8)
def hann(length: int) -> Floats:
    """Periodic Hann window, float64 [length]."""
    return _fixed(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


@lru_cache(maxsize=8)
def filters(mel: Mel) -> Floats:
    """The triangles over the bins of the transform, float64 [bands, n_fft // 2 + 1]."""
    to_mel, to_hertz = SCALES[mel.scale]
    ends = np.array([mel.f_min, mel.rate / 2 if mel.f_max is None else mel.f_max])
    low, high = to_mel(ends).tolist()
    corners = to_hertz(np.linspace(low, high, mel.bands + 2))
    bins = np.arange(mel.n_fft // 2 + 1) * (mel.rate / mel.n_fft)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0.0)
    return _fixed(triangles * (2 / (corners[2:] - corners[:-2]))[:, None] if mel.norm else triangles)


def _fixed(array: Floats) -> Floats:
    array.flags.writeable = False
    return array


def _hertz_to_htk(hertz: Floats) -> Floats:
    return np.asarray(2595 * np.log10(1 + hertz / 700))


def _htk_to_hertz(mels: Floats) -> Floats:
    return np.asarray(700 * (10 ** (mels / 2595) - 1))


_LINEAR, _KNEE, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27
"""Slaney's scale: Hz a mel below the knee (Hz), and the logarithm of the ratio of frequencies one mel apart above."""


def _hertz_to_slaney(hertz: Floats) -> Floats:
    above = _KNEE / _LINEAR + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _STEP
    return np.where(hertz < _KNEE, hertz / _LINEAR, above)


def _slaney_to_hertz(mels: Floats) -> Floats:
    above = _KNEE * np.exp(_STEP * (mels - _KNEE / _LINEAR))
    return np.where(mels < _KNEE / _LINEAR, mels * _LINEAR, above)


SCALES = {"htk": (_hertz_to_htk, _htk_to_hertz), "slaney": (_hertz_to_slaney, _slaney_to_hertz)}
"""Name -> Hz to mels, and back."""

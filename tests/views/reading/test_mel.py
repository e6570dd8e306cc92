"""Mel spectrograms against their definition, summed up sample by sample, and against known values."""

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.views.reading.mel import Mel, decibel_mel, filters, log_mel

RATE = 16_000
TORCHAUDIO = Mel(n_fft=400, hop=160, bands=64)
"""What torchaudio's MelSpectrogram does unless told otherwise."""


def by_definition(sound: NDArray[np.float64], mel: Mel, frame: int) -> NDArray[np.float64]:
    """One frame: a Fourier sum of each bin, and each triangle as text books give it."""
    centre = frame * mel.hop + (0 if mel.align == "sample" else mel.hop // 2)
    times = np.arange(centre - mel.n_fft // 2, centre - mel.n_fft // 2 + mel.n_fft)
    last = len(sound) - 1
    mirrored = np.where(times < 0, -times, np.where(times > last, 2 * last - times, times))
    inside = (times >= 0) & (times <= last)
    values = sound[mirrored] if mel.pad == "reflect" else np.where(inside, sound[np.clip(times, 0, last)], 0.0)
    phase = np.arange(mel.n_fft) / mel.n_fft
    values = values * np.sin(np.pi * phase) ** 2
    bins = range(mel.n_fft // 2 + 1)
    spectrum = np.array([abs((values * np.exp(-2j * np.pi * number * phase)).sum()) ** mel.power for number in bins])
    hertz = np.array([number * mel.rate / mel.n_fft for number in bins])
    return np.array([(triangle(hertz, corners, mel.norm) * spectrum).sum() for corners in all_corners(mel)])


def all_corners(mel: Mel) -> list[tuple[float, float, float]]:
    top = mel.rate / 2 if mel.f_max is None else mel.f_max
    low, high = to_mel(mel.f_min, mel.scale), to_mel(top, mel.scale)
    edges = [to_hertz(low + (high - low) * number / (mel.bands + 1), mel.scale) for number in range(mel.bands + 2)]
    return list(zip(edges[:-2], edges[1:-1], edges[2:], strict=True))


def to_mel(hertz: float, scale: str) -> float:
    if scale == "htk":
        return 1127.01048 * math.log(1 + hertz / 700)
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)


def to_hertz(mels: float, scale: str) -> float:
    if scale == "htk":
        return 700 * (math.exp(mels / 1127.01048) - 1)
    return mels * 200 / 3 if mels < 15 else 1000 * 6.4 ** ((mels - 15) / 27)


def triangle(hertz: NDArray[np.float64], corners: tuple[float, float, float], norm: bool) -> NDArray[np.float64]:
    height = 2 / (corners[2] - corners[0]) if norm else 1.0
    return np.interp(hertz, corners, [0, height, 0], left=0, right=0)


def noise(samples: int) -> NDArray[np.float64]:
    return np.random.default_rng(samples).uniform(-1, 1, samples)


@pytest.mark.parametrize(
    ("mel", "samples"),
    [
        (TORCHAUDIO, 1700),
        (Mel(n_fft=1024, hop=256, bands=64, scale="slaney", norm=True, pad="constant"), 2500),
        (Mel(n_fft=640, hop=160, bands=80, scale="slaney", norm=True, power=1, align="hop"), 1600),
        (Mel(rate=44_100, n_fft=512, hop=200, bands=20, f_min=50, f_max=7600, align="hop", pad="constant"), 1999),
    ],
)
def test_it_is_what_the_definition_says(mel: Mel, samples: int) -> None:
    sound = noise(samples)
    found = mel(sound)
    assert found.shape == (mel.bands, mel.frames(samples))
    expected = np.stack([by_definition(sound, mel, frame) for frame in range(mel.frames(samples))], axis=1)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-9 * expected.max())


@given(
    samples=st.integers(1, 3000),
    hop=st.integers(1, 300),
    half=st.integers(1, 256),
    align=st.sampled_from(["sample", "hop"]),
    pad=st.sampled_from(["reflect", "constant"]),
)
@settings(max_examples=60, deadline=None)
def test_any_sound_gives_as_many_frames_as_told(
    samples: int, hop: int, half: int, align: Literal["sample", "hop"], pad: Literal["reflect", "constant"]
) -> None:
    mel = Mel(n_fft=2 * max(half, hop), hop=hop, bands=4, align=align, pad=pad)
    found = mel(noise(samples))
    assert found.shape == (4, mel.frames(samples))
    assert np.isfinite(found).all()


def test_three_seconds_make_301_or_188_frames() -> None:
    sound = np.zeros(48_000, np.int16)
    for hop, frames in ((160, 301), (256, 188)):
        found = decibel_mel(sound, Mel(hop=hop, bands=64))
        assert found.shape == (64, frames)
        assert found.dtype == np.float32
        assert np.unique(found).tolist() == [-100.0]


def test_a_tone_lies_in_the_band_of_its_pitch_and_a_click_in_its_hop() -> None:
    mel = Mel(n_fft=640, hop=160, bands=80, align="hop")
    for hertz in (300, 1000, 5000):
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
        peaks = decibel_mel(tone, mel).argmax(axis=0)
        expected = np.argmin([abs(corners[1] - hertz) for corners in all_corners(mel)])
        assert (abs(peaks[3:-3] - expected) <= 1).all()
    for hop in range(4, 20):
        click = np.zeros(6400)
        click[hop * 160 + 80] = 1.0
        assert mel(click).sum(axis=0).argmax() == hop


def test_triangles_have_height_or_area_one() -> None:
    fine = Mel(n_fft=1 << 15, bands=40)
    np.testing.assert_allclose(filters(fine).max(axis=1), 1, atol=0.02)
    for scale in ("htk", "slaney"):
        of_area = filters(Mel(n_fft=1 << 15, bands=40, scale=scale, norm=True))
        np.testing.assert_allclose(of_area.sum(axis=1) * RATE / (1 << 15), 1, atol=0.01)
    # Without gaps: between the first peak and the last, heights add up to one.
    first, last = (int(all_corners(fine)[band][1] / RATE * (1 << 15)) for band in (0, -1))
    inner = filters(fine).sum(axis=0)[first + 1 : last]
    np.testing.assert_allclose(inner, 1, atol=1e-9)


def test_whole_numbers_are_of_16_bits() -> None:
    pcm = np.random.default_rng(1).integers(-(2**15), 2**15, 4000, np.int16)
    np.testing.assert_array_equal(TORCHAUDIO(pcm), TORCHAUDIO(pcm / 32768))
    with pytest.raises(ValueError, match="no sound"):
        TORCHAUDIO(pcm[:0])


def test_logarithms_have_a_floor() -> None:
    silence = np.zeros(1000)
    assert np.unique(log_mel(silence, TORCHAUDIO)).tolist() == [np.float32(np.log(1e-5))]
    loud, ten_times = noise(1000), 10 * noise(1000)
    magnitudes = Mel(power=1)
    np.testing.assert_allclose(decibel_mel(ten_times, magnitudes) - decibel_mel(loud, magnitudes), 20, atol=1e-4)
    np.testing.assert_allclose(decibel_mel(ten_times, TORCHAUDIO) - decibel_mel(loud, TORCHAUDIO), 20, atol=1e-4)
    np.testing.assert_allclose(log_mel(loud, magnitudes), np.log(magnitudes(loud)), atol=1e-6)

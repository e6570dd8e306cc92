"""The synthetic voice by itself."""

import numpy as np

from portrait_prep.demo.voice import RATE, Voice


def test_it_lasts_as_long_as_it_should_and_repeats() -> None:
    samples = Voice(2.5, 200, 1).samples()
    assert samples.dtype == np.int16
    assert len(samples) == 2.5 * RATE
    assert np.array_equal(samples, Voice(2.5, 200, 1).samples())
    assert not np.array_equal(samples, Voice(2.5, 200, 2).samples())
    assert 10_000 < np.abs(samples.astype(int)).max() < 2**15 - 1


def test_a_shut_mouth_is_silent() -> None:
    voice = Voice(6, 120, 3)
    opening = voice.opening(np.arange(6 * RATE) / RATE)
    assert 0.5 < opening.max() <= 1
    shut = np.abs(voice.samples()[opening < 1e-6])
    assert len(shut) > RATE // 2
    assert shut.max() == 0


def test_its_pitch_is_the_one_asked_for() -> None:
    samples = Voice(4, 120, 5).samples().astype(float)
    windowed = samples[RATE : 2 * RATE]
    spectrum = np.abs(np.fft.rfft(windowed)) ** 2
    correlation = np.fft.irfft(spectrum)
    lags = np.arange(RATE // 300, RATE // 80)
    assert abs(RATE / lags[np.argmax(correlation[lags])] - 120) < 15

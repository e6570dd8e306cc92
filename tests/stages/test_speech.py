import itertools
import math
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.errors import Damaged
from portrait_prep.media.wav import RATE, Pcm
from portrait_prep.media.wav import SAMPLES_PER_FRAME as SAMPLES
from portrait_prep.pipeline.declare.stage import BadVideo, Batch
from portrait_prep.stages.speech import BINS, FLOOR, STAGE, FilterBank, SpeechParams
from tests.memory_job import MemoryJob, collect


def write_wav(path: Path, pcm: Pcm, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(pcm.astype("<i2").tobytes())
    return path


def job(folder: Path, pcm: Pcm, frames: int | None = None) -> MemoryJob[SpeechParams]:
    path = write_wav(folder / "v.wav", pcm)
    return MemoryJob(
        SpeechParams(), folder, frames=len(pcm) // SAMPLES if frames is None else frames, files={"wav": path}
    )


def speech_of(folder: Path, pcm: Pcm) -> tuple[Batch, dict[str, Any]]:
    sound = job(folder, pcm)
    return collect(STAGE, sound), sound.metrics


def noise(frames: int, seed: int = 0, level: float = 3000) -> Pcm:
    return (np.random.default_rng(seed).standard_normal(frames * SAMPLES) * level).astype(np.int16)


def tone(frames: int, hertz: float, amplitude: float = 0.5) -> Pcm:
    seconds = np.arange(frames * SAMPLES) / RATE
    return np.round(32767 * amplitude * np.sin(2 * np.pi * hertz * seconds)).astype(np.int16)


def kaldi_fbank(pcm: Pcm) -> NDArray[np.float64]:
    """Kaldi's definition written out plainly (feature-window.cc, mel-computations.cc), float64 [frames, 80]."""
    window, shift, size = 800, 320, 1024
    signal = pcm / 32768
    mirrored = np.concatenate((signal[::-1], signal, signal[::-1]))
    starts = len(signal) + np.arange((len(signal) + shift // 2) // shift) * shift + shift // 2 - window // 2
    frames = mirrored[starts[:, None] + np.arange(window)]
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate((frames[:, :1], frames[:, :-1]), axis=1)
    povey = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / (window - 1))) ** 0.85
    power = np.abs(np.fft.rfft(frames * povey, size)) ** 2

    def mel(hertz: Any) -> Any:
        return 1127 * np.log(1 + np.asarray(hertz) / 700)

    corners = np.linspace(mel(20), mel(8000), 82)
    bins = mel(np.arange(size // 2) * RATE / size)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    weights = np.maximum(np.minimum(rising, falling), 0)
    energies: NDArray[np.float64] = np.log(np.maximum(power[:, : size // 2] @ weights, np.finfo(np.float32).eps))
    return energies


def in_pieces(pcm: Pcm, lengths: Sequence[int]) -> NDArray[np.float32]:
    bank, frames, rest, cycle = FilterBank(), [], pcm, itertools.cycle(lengths)
    while len(rest):
        length = next(cycle)
        frames.append(bank.accept(rest[:length]))
        rest = rest[length:]
    frames.append(bank.accept(pcm[:0], last=True))
    return np.concatenate(frames)


@pytest.mark.parametrize("frames", [1, 2, 249, 250, 251, 500, 613])
def test_each_video_frame_has_its_sound_and_two_filter_bank_frames(tmp_path: Path, frames: int) -> None:
    pcm = noise(frames)
    columns, _ = speech_of(tmp_path, pcm)
    np.testing.assert_array_equal(columns["pcm"].reshape(-1), pcm)
    assert columns["fbank"].shape == (frames, 2, BINS)
    np.testing.assert_array_equal(columns["fbank"].reshape(-1, BINS), FilterBank().accept(pcm, last=True))


def test_filter_bank_is_kaldis_by_its_definition() -> None:
    pcm = np.clip(noise(20).astype(np.int64) + tone(20, 700), -32768, 32767).astype(np.int16)
    np.testing.assert_allclose(FilterBank().accept(pcm, last=True), kaldi_fbank(pcm), atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1, 7000),
    lengths=st.lists(st.integers(1, 3000), min_size=1, max_size=6),
    seed=st.integers(0, 9),
)
def test_borders_of_the_pieces_leave_no_trace(samples: int, lengths: list[int], seed: int) -> None:
    pcm = noise(11, seed)[:samples]
    np.testing.assert_array_equal(in_pieces(pcm, lengths), FilterBank().accept(pcm, last=True))


@pytest.mark.parametrize("samples", [160, 640, 17919, 17920, 18000])
def test_frames_are_counted_as_kaldi_counts_them(samples: int) -> None:
    pcm = noise(30)[:samples]
    bank = FilterBank()
    before = len(bank.accept(pcm))
    assert before + len(bank.accept(pcm[:0], last=True)) == (samples + 160) // 320
    if samples == 17920:
        assert before == 55  # the last of 56 waits for the end


def test_silence_lies_on_the_floor_and_has_no_level(tmp_path: Path) -> None:
    columns, metrics = speech_of(tmp_path, np.zeros(30 * SAMPLES, np.int16))
    np.testing.assert_allclose(columns["fbank"], -15.9424, atol=1e-4)
    assert math.isclose(FLOOR, -15.9424, abs_tol=1e-4)
    assert metrics == {
        "rms_dbfs": None,
        "peak_dbfs": None,
        "clipped_share": 0.0,
        "silent_share": 1.0,
        "has_sound": False,
    }


def test_a_tone_of_1_khz_peaks_in_bin_27(tmp_path: Path) -> None:
    columns, metrics = speech_of(tmp_path, tone(50, 1000))
    middle = columns["fbank"][5:-5].reshape(-1, BINS)
    assert (middle.argmax(axis=1) == 27).all()
    np.testing.assert_allclose(middle.max(axis=1), 7.83, atol=5e-3)
    assert metrics["rms_dbfs"] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.01)
    assert metrics["peak_dbfs"] == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert metrics["has_sound"]


def test_nothing_leads_and_nothing_lags(tmp_path: Path) -> None:
    pcm = np.zeros(600 * SAMPLES, np.int16)
    clicks = [0, 100, 246, 249, 252, 499, 599]
    for frame in clicks:
        pcm[frame * SAMPLES + 160] = 20000  # the centre of the frame's first 20 ms
    columns, _ = speech_of(tmp_path, pcm)
    loudest = columns["fbank"].mean(axis=2)
    for frame in clicks:
        near = loudest[max(frame - 1, 0) : frame + 2].reshape(-1)
        assert near.argmax() == (0 if frame == 0 else 2)


def test_levels_tell_clipping_and_silence_apart(tmp_path: Path) -> None:
    pcm = np.zeros(10 * SAMPLES, np.int16)
    pcm[:SAMPLES] = 32767
    pcm[SAMPLES : 2 * SAMPLES] = -32768
    pcm[2 * SAMPLES : 3 * SAMPLES] = 1  # -90 dBFS
    _, metrics = speech_of(tmp_path, pcm)
    assert metrics["clipped_share"] == pytest.approx(0.2)
    assert metrics["silent_share"] == pytest.approx(0.8)
    assert metrics["peak_dbfs"] == 0.0
    assert metrics["rms_dbfs"] == pytest.approx(10 * math.log10(0.2), abs=0.01)


def test_the_threshold_of_silence_is_a_setting(tmp_path: Path) -> None:
    quiet = job(tmp_path, np.full(4 * SAMPLES, 16, np.int16))  # -66.2 dBFS
    assert not (collect(STAGE, quiet), quiet.metrics["has_sound"])[1]
    quiet.params = SpeechParams(silence_dbfs=-70)
    assert (collect(STAGE, quiet), quiet.metrics["has_sound"])[1]


def test_long_sound_comes_in_bounded_batches(tmp_path: Path) -> None:
    lengths = [len(batch["pcm"]) for batch in STAGE.process(job(tmp_path, noise(1300)))]
    assert sum(lengths) == 1300
    assert max(lengths) <= 251


def test_batches_come_before_the_end_is_read(tmp_path: Path) -> None:
    sound = job(tmp_path, noise(1000))
    first = next(STAGE.process(sound))
    assert len(first["pcm"]) > 0
    assert not sound.metrics


@pytest.mark.parametrize("frames", [9, 11])
def test_a_wav_of_another_length_is_damage(tmp_path: Path, frames: int) -> None:
    with pytest.raises(Damaged, match="640 samples"):
        collect(STAGE, job(tmp_path, noise(10), frames=frames))


def test_a_wav_cut_short_is_damage(tmp_path: Path) -> None:
    sound = job(tmp_path, noise(10))
    path = sound.media("wav")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(Damaged, match="normalize again"):
        collect(STAGE, sound)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 2)])
def test_a_wav_of_another_form_is_damage(tmp_path: Path, rate: int, channels: int) -> None:
    path = write_wav(tmp_path / "v.wav", noise(10), rate, channels)
    frames = 10 // channels
    with pytest.raises(Damaged, match="16 kHz mono"):
        collect(STAGE, MemoryJob(SpeechParams(), tmp_path, frames=frames, files={"wav": path}))


def test_what_is_no_wav_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "v.wav"
    path.write_bytes(b"not a wav")
    with pytest.raises(Damaged):
        collect(STAGE, MemoryJob(SpeechParams(), tmp_path, frames=1, files={"wav": path}))


def test_a_video_without_frames_is_bad(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="no frames"):
        collect(STAGE, job(tmp_path, noise(0)))


def test_the_invariant_finds_what_is_no_fbank(tmp_path: Path) -> None:
    columns, _ = speech_of(tmp_path, noise(4))
    (invariant,) = STAGE.invariants
    assert invariant.holds(columns).all()
    columns["fbank"][1, 0, 3] = np.nan
    columns["fbank"][3, 1, 0] = -20
    assert invariant.holds(columns).tolist() == [True, False, True, False]

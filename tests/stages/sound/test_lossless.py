"""The sound at the rate of its source: as long as the video to the sample, and in step with the wav."""

import wave
from dataclasses import replace
from math import gcd
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import resample_poly

from portrait_prep.errors import Damaged
from portrait_prep.manifests.record import Basis, Output, Record
from portrait_prep.manifests.video import Video
from portrait_prep.media.flac import measure_flac, samples_of
from portrait_prep.media.probe_sound import AudioTrack
from portrait_prep.media.wav import RATE
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.normalize import STAGE
from portrait_prep.stages.sound.audio_source import WORKSPACE, AudioSource, PcmFormat, audio_of_file
from portrait_prep.stages.sound.lossless import own_format, write_lossless
from portrait_prep.stages.sources import SourceFile
from tests.clips import clicks, make, steady, write_clip
from tests.stages.normalized import FACE, QUICK, normalize, peak_near

KEEP = QUICK.model_copy(update={"keep_sound": True})
SECONDS = 1.6


def noise(rate: int, channels: int, seconds: float = SECONDS) -> NDArray[np.int16]:
    """As much below 2 kHz as any rate holds, the same in all channels but for the level."""
    drawn = np.random.default_rng(1).normal(size=round(4000 * seconds))
    heard = resample_poly(drawn, rate // gcd(rate, 4000), 4000 // gcd(rate, 4000))[:, np.newaxis]
    return np.asarray(np.clip(heard * 5000 * np.linspace(1, 0.5, channels), -32000, 32000), np.int16)


def kept(folder: Path) -> tuple[int, str, NDArray[np.int32]]:
    """Rate, format of a sample and samples of the flac, which is mono."""
    with av.open(str(folder / "v.flac")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.channels) == ("flac", 1)
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        return stream.sample_rate, stream.codec_context.format.name, samples


def lag(one: NDArray[Any], other: NDArray[Any]) -> tuple[int, float]:
    """By how many samples the other is later, and the correlation there."""
    spectra = [np.fft.rfft(samples.astype(float), 2 * len(one)) for samples in (one, other)]
    products = np.fft.irfft(np.conj(spectra[0]) * spectra[1])
    at = int(products.argmax())
    power = float(np.sqrt((one.astype(float) ** 2).sum() * (other.astype(float) ** 2).sum()))
    return (at if at < len(one) else at - len(products)), float(products[at]) / power


def check_in_step(wav: NDArray[np.int16], folder: Path, rate: int, frames: int, most: int = 0) -> None:
    """It is as long as the video, and says the same as the wav at the same time, but for so many samples at most."""
    found, _, samples = kept(folder)
    assert (found, len(samples)) == (rate, round(frames / 25 * rate))
    common = gcd(rate, RATE)
    again = resample_poly(samples.astype(float), RATE // common, rate // common)
    by, likeness = lag(wav, np.resize(again, len(wav)))
    assert abs(by) <= most
    assert likeness > 0.9


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from([8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000]),
    channels=st.sampled_from([1, 2, 6]),
    zero=st.floats(-0.3, 0.7),
    shift=st.sampled_from([0.0]) | st.floats(-0.3, 0.3),
)
def test_it_is_in_step_with_the_wav(tmp_path: Path, rate: int, channels: int, zero: float, shift: float) -> None:
    """Wherever on the clock of the sound the first frame is shown, and however it is moved: to a sample of the wav, and
    to one of the source where that has fewer."""
    make("-i", raw(tmp_path, rate, channels), "-c:a", "copy", tmp_path / "a.mka")
    audio = replace(audio_of_file(SourceFile(tmp_path / "a.mka", "a"), zero), shift=shift)
    interleaved = audio.read(26 / 25, audio.channels)
    assert interleaved is not None
    wav = np.rint(interleaved.reshape(-1, audio.channels).mean(axis=1)).astype(np.int16)
    write_lossless(audio, 26, "none" if audio.channels == 1 else "mean", "", tmp_path / "v.flac")
    check_in_step(wav, tmp_path, rate, 26, most=1 + (RATE // rate if rate < RATE else 0))


def raw(folder: Path, rate: int, channels: int) -> Path:
    """Noise in a WAV file."""
    with wave.open(str(folder / "raw.wav"), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(noise(rate, channels).astype("<i2").tobytes())
    return folder / "raw.wav"


@pytest.mark.parametrize(("rate", "offset", "interval"), [(44100, 0.0, (0.373, 1.1)), (48000, 0.13, (0.0, 1.2))])
def test_so_it_is_of_an_interval_and_of_sound_that_begins_late(
    tmp_path: Path, rate: int, offset: float, interval: tuple[float, float]
) -> None:
    path = tmp_path / "a.mkv"
    how: dict[str, Any] = {"rate": rate, "audio_codec": "pcm_s16le"}
    write_clip(path, steady(25, SECONDS), FACE, sound=noise(rate, 6), sound_start=offset, **how)
    got = normalize(path, tmp_path / "out", KEEP, start=interval[0], end=interval[1], sound_shift=0.05)
    check_in_step(got.sound, tmp_path / "out", rate, len(got.frames))


def test_without_a_change_it_is_the_source_bit_for_bit(tmp_path: Path) -> None:
    sound = noise(44100, 1)
    path = write_clip(tmp_path / "a.mkv", steady(25, SECONDS), FACE, sound=sound, rate=44100, audio_codec="pcm_s16le")
    normalize(path, tmp_path / "out", KEEP)
    rate, kind, samples = kept(tmp_path / "out")
    assert (rate, kind) == (44100, "s16")
    np.testing.assert_array_equal(samples, sound[:, 0])


def test_the_wav_and_the_picture_are_the_same_with_it_and_without(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 1), FACE, sound=noise(48000, 2), rate=48000)
    one, other = normalize(path, tmp_path / "1", KEEP), normalize(path, tmp_path / "2")
    assert (one.wav, one.mp4.read_bytes()) == (other.wav, other.mp4.read_bytes())
    assert not (tmp_path / "2/v.flac").exists()


@pytest.mark.parametrize(
    ("name", "encoded", "kind"),
    [
        ("a.flac", ("-c:a", "flac", "-sample_fmt", "s32"), "s32"),
        ("a.wav", ("-c:a", "pcm_f32le"), "s32"),
        ("a.flac", ("-c:a", "flac", "-sample_fmt", "s16"), "s16"),
        ("a.m4a", ("-c:a", "aac"), "s16"),
    ],
)
def test_it_has_24_bits_where_the_source_stores_more_than_16(
    tmp_path: Path, name: str, encoded: tuple[str, ...], kind: str
) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 1), FACE)
    make("-f", "lavfi", "-i", "sine=r=48000:d=1:f=440,volume=0.001", *encoded, tmp_path / name)
    normalize(path, tmp_path / "out", KEEP, sound=str(tmp_path / name))
    rate, found, samples = kept(tmp_path / "out")
    assert (rate, found) == (48000, kind)
    # 3 of 32768 steps high: of 16 bits there would be seven levels.
    assert (len(np.unique(samples)) > 100) == (kind == "s32")


@pytest.mark.parametrize("channels", [(1.0, -1.0), (1.0, 1.0)])
def test_its_channels_are_mixed_as_those_of_the_wav(tmp_path: Path, channels: tuple[float, float]) -> None:
    sound = np.asarray(noise(48000, 1) * np.array(channels), np.int16)
    path = write_clip(tmp_path / "a.mkv", steady(25, SECONDS), FACE, sound=sound, rate=48000, audio_codec="pcm_s16le")
    got = normalize(path, tmp_path / "out", KEEP)
    assert got.metrics["downmix"] == ("left" if channels[1] < 0 else "mean")
    np.testing.assert_allclose(kept(tmp_path / "out")[2], sound[:, 0], atol=1)


def test_without_a_track_it_is_silence_like_the_wav(tmp_path: Path) -> None:
    got = normalize(write_clip(tmp_path / "a.mp4", steady(25, 1), FACE), tmp_path / "out", KEEP)
    rate, _, samples = kept(tmp_path / "out")
    assert (rate, len(samples)) == (RATE, 640 * len(got.frames))
    assert not samples.any()


def test_a_rate_that_changes_half_way_is_that_of_the_beginning(tmp_path: Path) -> None:
    parts = []
    for number, encoded_rate in enumerate(("44100", "48000")):
        path = write_clip(tmp_path / f"{number}.mp4", steady(25, 2), FACE, sound=clicks(2, 48000, [1.0]))
        encoded = ("-c:v", "copy", "-c:a", "aac", "-ac", "1", "-ar", encoded_rate, "-output_ts_offset", str(2 * number))
        make("-i", path, *encoded, tmp_path / f"{number}.ts")
        parts.append((tmp_path / f"{number}.ts").read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    got = normalize(tmp_path / "a.ts", tmp_path / "out", KEEP)
    rate, _, samples = kept(tmp_path / "out")
    assert (rate, len(samples)) == (44100, samples_of(len(got.frames), 44100))
    for second in (1, 3):
        wav, flac = peak_near(got.sound, RATE * second, RATE), peak_near(samples.astype(np.int16), rate * second, rate)
        assert flac / rate == pytest.approx(wav / RATE, abs=2e-3)  # at the change the filters lose a millisecond
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == []


def test_a_rate_that_flac_does_not_have_is_brought_down() -> None:
    silent = AudioSource("a", None, (), 0.0, separate=False)
    assert own_format(silent) == WORKSPACE
    fast = replace(silent, tracks=(track(rate=2_822_400, bits=16),))
    assert own_format(fast) == PcmFormat(655_350, "s16")


def track(rate: int, bits: int) -> AudioTrack:
    return AudioTrack(0, "dsd_lsbf", rate, 1, 0.0, default=True, bits=bits)


@pytest.mark.parametrize("frames", [2, 26, 1501])
def test_what_is_long_takes_as_many_samples_as_it_has_frames(tmp_path: Path, frames: int) -> None:
    silent = AudioSource("a", None, (), 0.0, separate=False)
    write_lossless(silent, frames, "none", "", tmp_path / "a.flac")
    assert measure_flac(tmp_path / "a.flac") == (RATE, 640 * frames)


def test_the_audit_reads_it_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = write_clip(tmp_path / "a.mp4", steady(25, 1), FACE, sound=noise(48000, 1, 1.0), rate=48000)
    got = normalize(path, tmp_path / "media", KEEP)
    output = Output(path="media/v.flac", bytes=1, sha256="")
    record = Record(
        video_id="v",
        stage="normalize",
        outcome="done",
        fingerprint="",
        basis=Basis(version=1),
        digests={"flac": ""},
        frames=len(got.frames),
        media=(output,),
    )
    video = Video(video_id="v", corpus="folder", subject="s", source=str(path))
    assert STAGE.proof is not None
    assert list(STAGE.proof(workspace, video, record)) == []
    make("-i", tmp_path / "media/v.flac", "-t", "0.5", tmp_path / "media/short.flac")
    (tmp_path / "media/short.flac").replace(tmp_path / "media/v.flac")
    ((problem, _),) = STAGE.proof(workspace, video, record)
    assert problem == "the flac holds 24000 samples, not the 48000 of 25 frames"
    (tmp_path / "media/v.flac").write_bytes(b"")
    with pytest.raises(Damaged, match=r"v\.flac is empty"):
        list(STAGE.proof(workspace, video, record))

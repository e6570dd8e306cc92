"""The stage `voice`: what is heard lies at the frames during which it sounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from portrait_prep.pipeline.declare.stage import BadVideo, Batch
from portrait_prep.stages.models.silero import BLOCK, CONTEXT, LEAD, STEP
from portrait_prep.stages.recordings import hearing
from portrait_prep.stages.recordings.hearing import BEFORE, LATENESS, LENGTH, SHIFT, WINDOW, hear
from portrait_prep.stages.recordings.voice import STAGE, VoiceParams
from portrait_prep.stages.speech import FilterBank
from tests.clips import SHARED, make, portrait, steady, write_clip
from tests.memory_job import MemoryJob, claims_hold, collect
from tests.side_by_side import write_wav

RATE = 16000
FACE = portrait(64, 64)
BURSTS = ((0.5, 1.3), (2.0, 2.4))

Array = NDArray[Any]


class LoudIsVoice:
    """Stands for the network: the probability is the share of loud samples, and it is late by a step, as that is."""

    def __call__(self, spans: NDArray[np.float32]) -> NDArray[np.float32]:
        steps = np.abs(spans[:, CONTEXT:]).reshape(len(spans), LEAD + BLOCK, STEP) > 0.05
        return np.asarray(steps.mean(axis=2).astype(np.float32)[:, LEAD - 1 : -1])


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "voice_detector", LoudIsVoice)


def bursts(seconds: float, channels: Sequence[float] = (1.0,), spans: Sequence[tuple[float, float]] = BURSTS) -> Array:
    """Square waves of 1 kHz in those spans: int16 [samples, channels]."""
    time = np.arange(round(seconds * RATE)) / RATE
    on = np.any([(time >= begin) & (time < end) for begin, end in spans], axis=0)
    wave = 12000 * on * np.where((np.arange(len(time)) // 8) % 2, 1, -1)
    return np.asarray(wave[:, np.newaxis] * np.array(channels), np.int16)


def overlap(times: Array, ends: Array, spans: Sequence[tuple[float, float]] = BURSTS) -> Array:
    """The share of each frame in which there is a burst."""
    shares = [np.clip(np.minimum(ends, end) - np.maximum(times, begin), 0, None) for begin, end in spans]
    return np.asarray(np.sum(shares, axis=0) / (ends - times))


def listened(path: Path, times: Array, folder: Path, **params: Any) -> tuple[Batch, dict[str, Any]]:
    columns = {"scan.time": times, "download.file": np.array(["v"], object)}
    job = MemoryJob(VoiceParams(**params), folder, source=path, frames=len(times), columns=columns)
    found = collect(STAGE, job)
    assert claims_hold(STAGE, found)
    return found, job.metrics


@pytest.mark.usefixtures("simple")
@pytest.mark.parametrize(
    ("fps", "suffix", "codec"),
    [
        *((fps, "mkv", "pcm_s16le") for fps in (24000 / 1001, 25, 50, 60)),
        *((25, suffix, codec) for suffix, codec in (("mp4", "aac"), ("mov", "pcm_s16le"), ("ts", "mp2"))),
    ],
)
def test_voice_lies_at_the_frames_during_which_it_sounds(tmp_path: Path, fps: float, suffix: str, codec: str) -> None:
    path = write_clip(tmp_path / f"a.{suffix}", steady(fps, 3), FACE, sound=bursts(3), rate=RATE, audio_codec=codec)
    times = np.arange(round(3 * fps)) / fps
    found, metrics = listened(path, times, tmp_path)
    expected = overlap(times, times + 1 / fps)
    # A codec rings before and after a sound that stops at once, and a step of the network may be longer than a frame.
    close = np.abs(found["voice"] - expected) < 0.1
    assert close[np.isin(expected, (0, 1))].mean() > 0.9
    middle = (times * (found["voice"] > 0.5)).sum() / (found["voice"] > 0.5).sum()
    assert middle == pytest.approx((times * (expected > 0.5)).sum() / (expected > 0.5).sum(), abs=0.02)
    assert metrics["voice_share"] == pytest.approx(1.2 / 3, abs=0.03)


@pytest.mark.usefixtures("simple")
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(("picture", "sound"), [(0.0, 0.7), (0.7, 0.0), (0.0, 0.0)])
def test_times_are_those_of_players_wherever_the_tracks_begin(
    tmp_path: Path, suffix: str, picture: float, sound: float
) -> None:
    shown = [picture + time for time in steady(25, 4)]
    path = write_clip(
        tmp_path / f"a.{suffix}", shown, FACE, sound=bursts(3), sound_start=sound, rate=RATE, audio_codec="aac"
    )
    times = np.array(shown)
    found, _ = listened(path, times, tmp_path)
    expected = overlap(times - sound, times - sound + 0.04)
    assert np.abs(found["voice"] - expected).mean() < 0.03
    assert ((found["voice"] > 0.5) == (expected > 0.5)).mean() > 0.97


@pytest.mark.usefixtures("simple")
def test_frames_of_varying_length_hear_what_sounds_during_each(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", steady(25, 3), FACE, sound=bursts(3), rate=RATE, audio_codec="pcm_s16le")
    times = np.array([0.0, 0.1, 0.5, 0.9, 1.4, 1.44, 2.2, 2.5])
    found, _ = listened(path, times, tmp_path)
    expected = overlap(times, np.append(times[1:], 2.5 + np.median(np.diff(times))))
    np.testing.assert_allclose(found["voice"], expected, atol=0.06)
    one, _ = listened(path, np.array([1.0]), tmp_path)
    assert one["voice"].tolist() == [1.0]


@pytest.mark.usefixtures("simple")
def test_without_a_sound_track_nobody_speaks_and_the_metrics_say_so(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 1), FACE)
    found, metrics = listened(path, np.array(steady(25, 1)), tmp_path)
    assert not found["voice"].any()
    assert found["bands"].shape == (25, 8)
    assert metrics == {"voice_share": 0.0, "sound_track": None, "sound_track_why": "there is none"}


@pytest.mark.usefixtures("simple")
def test_where_the_sound_is_over_nobody_speaks(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(1, 140), FACE, sound=bursts(1.0), rate=RATE)
    times = np.array([0.0, 1.0, 2.0, 63.0, 64.0, 65.0, 130.0, 139.0])
    found, metrics = listened(path, times, tmp_path)
    assert found["voice"][0] == pytest.approx(0.5, abs=0.02)
    assert not found["voice"][2:].any()
    assert metrics["sound_track"] == 1


@pytest.mark.usefixtures("simple")
def test_of_channels_in_opposite_phase_one_is_heard(tmp_path: Path) -> None:
    sound = bursts(3, channels=(1.0, -1.0))
    path = write_clip(tmp_path / "a.mkv", steady(25, 3), FACE, sound=sound, rate=RATE, audio_codec="pcm_s16le")
    times = np.array(steady(25, 3))
    found, _ = listened(path, times, tmp_path)
    assert np.abs(found["voice"] - overlap(times, times + 0.04)).max() < 0.4, "no more than part of a step"


@pytest.mark.usefixtures("simple")
def test_a_format_of_sound_that_changes_on_the_way_moves_nothing(tmp_path: Path) -> None:
    for number, channels in enumerate(((1.0,), (1.0, 1.0))):
        write_wav_of(tmp_path / f"{number}.wav", bursts(3, channels))
        make(
            *("-f", "lavfi", "-i", "color=s=64x64:r=25:d=3", "-i", tmp_path / f"{number}.wav", "-c:v", "mpeg2video"),
            *("-c:a", "mp2", "-output_ts_offset", str(3 * number), "-muxdelay", "0", tmp_path / f"{number}.ts"),
        )
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join((tmp_path / f"{number}.ts").read_bytes() for number in (0, 1)))
    times = np.array(steady(25, 6))
    found, _ = listened(path, times, tmp_path)
    twice = (*BURSTS, *((begin + 3, end + 3) for begin, end in BURSTS))
    assert ((found["voice"] > 0.5) == (overlap(times, times + 0.04, twice) > 0.5)).mean() > 0.95


def write_wav_of(path: Path, sound: Array) -> None:
    """A wav of one channel, or the same in two."""
    write_wav(path, sound[:, 0])
    if sound.shape[1] == 2:
        make("-i", path, "-ac", "2", path.with_suffix(".2.wav"))
        path.with_suffix(".2.wav").replace(path)


def test_the_bands_are_those_of_the_normalized_sound(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sound = (3000 * random.standard_normal((3 * RATE, 1)) * np.repeat(random.random(75), 640)[:, None]).astype(np.int16)
    path = write_clip(tmp_path / "a.mkv", steady(25, 3), FACE, sound=sound, rate=RATE, audio_codec="pcm_s16le")
    found, _ = listened(path, np.array(steady(25, 3)), tmp_path)
    energies = np.exp(FilterBank().accept(sound[:, 0], last=True).astype(np.float64))
    expected = energies.reshape(75, 2, 8, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(found["bands"][1:-1], expected[1:-1], rtol=1e-3)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [("mp4", "aac", 44100), pytest.param("mkv", "libopus", 48000, marks=pytest.mark.slow)],
)
def test_where_a_part_begins_does_not_matter(tmp_path: Path, suffix: str, codec: str, rate: int) -> None:
    """With the network itself, which tells some music from speech by a hair."""
    random = np.random.default_rng(1)
    time = np.arange(12 * rate) / rate
    notes = 110 * 2 ** (random.integers(0, 24, 300)[(time * 4).astype(int)] / 12)
    hum = sum(np.sin(2 * np.pi * h * np.cumsum(notes) / rate) / h for h in range(1, 9))
    sound = (4000 * hum * (1 + np.sin(2 * np.pi * 4 * time)))[:, np.newaxis].astype(np.int16)
    path = write_clip(
        tmp_path / f"a.{suffix}", steady(2, 70), FACE, sound=sound, sound_start=58, rate=rate, audio_codec=codec
    )
    times = np.arange(70 * 25) / 25
    whole, _ = listened(path, times, tmp_path)
    part, _ = listened(path, times[1650:1700], tmp_path)
    np.testing.assert_allclose(part["voice"], whole["voice"][1650:1700], atol=1e-5)
    np.testing.assert_allclose(part["bands"], whole["bands"][1650:1700], rtol=1e-4)


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_any_part_hears_what_the_whole_does(data: st.DataObject) -> None:
    total = 3 * WINDOW / RATE
    pcm = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-4000, 4000, 3 * WINDOW + LENGTH, np.int16)

    def listen(start: float, seconds: float) -> NDArray[np.int16]:
        first, count = round(start * RATE), round(seconds * RATE)
        return np.concatenate([np.zeros(max(-first, 0), np.int16), pcm[max(first, 0) : max(first + count, 0)]])

    begin = data.draw(st.floats(0, total - 1))
    end = data.draw(st.floats(begin + 0.1, total))
    edges = np.linspace(begin, end, 7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hearing, "voice_detector", LoudIsVoice)
        patch.setattr(hearing, "_powers", lambda pcm: np.abs(pcm[BEFORE:-LATENESS].reshape(-1, SHIFT, 1)).mean(axis=1))
        part, whole = hear(listen, begin, end), hear(listen, 0, total)
    for few, many in ((part.speaks, whole.speaks), (part.bands, whole.bands)):
        np.testing.assert_allclose(few.mean(edges[:-1], edges[1:]), many.mean(edges[:-1], edges[1:]), rtol=1e-6)


def test_a_track_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", steady(25, 1), FACE, sound=bursts(1), rate=RATE, audio_codec="pcm_s16le")
    with pytest.raises(BadVideo, match="has 1 sound track"):
        listened(path, np.array(steady(25, 1)), tmp_path, sound_track=2)


@pytest.mark.parametrize("content", [b"", b"words " * 1000])
def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(BadVideo, match=r"^a\.mp4 is "):
        listened(tmp_path / "a.mp4", np.array([0.0]), tmp_path)


def test_a_part_that_ends_with_a_window_hears_no_other() -> None:
    asked = []

    def listen(start: float, seconds: float) -> NDArray[np.int16]:
        asked.append(start + seconds)
        return np.empty(0, np.int16)

    hear(listen, 0.0, sum([0.04] * 1600))
    assert len(asked) == 1
    with pytest.raises(BadVideo, match="no frames"):
        listened(Path(), np.empty(0), Path())


def test_people_who_talk_are_heard_and_pauses_are_not(tmp_path: Path) -> None:
    clip = SHARED / "data" / "clips" / "fullhd_demo1.mp4"
    if not clip.is_file():
        pytest.skip("the shared clips are not here")
    make(
        *("-f", "lavfi", "-t", "3", "-i", "anullsrc=r=48000:cl=stereo", "-i", clip, "-filter_complex"),
        *("[0:a][1:a][0:a]concat=n=3:v=0:a=1[a]", "-map", "[a]", "-c:a", "aac", tmp_path / "a.mp4"),
    )
    times = np.arange(16 * 25) / 25
    found, metrics = listened(tmp_path / "a.mp4", times, tmp_path)
    voiced = times[found["voice"] > 0.5]
    assert voiced[0] == pytest.approx(3.1, abs=0.2)
    assert 12.4 < voiced[-1] < 13.1
    assert metrics["voice_share"] > 0.55

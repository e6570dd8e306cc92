"""Sound from a file of its own, as RAVDESS and IEMOCAP have it."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import resample_poly

from portrait_prep.errors import Damaged, SourceAway
from portrait_prep.media.wav import RATE
from portrait_prep.pipeline.declare.stage import BadVideo
from tests.clips import clicks, make, steady, write_clip
from tests.side_by_side import spoken, write_wav
from tests.stages.normalized import DOWNLOADED, FACE, SECOND, normalize, overwritten, peak_near, tone

SPEECH = spoken((0.0, 2.5, "F"))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, whose own sound is a loud tone."""
    folder = tmp_path_factory.mktemp("filmed")
    return write_clip(folder / "a.mp4", steady(30, 6), FACE, sound=tone((1.0, 1.0), seconds=6), rate=16000)


def clicking(path: Path, seconds: float, *times: float) -> Path:
    return write_wav(path, clicks(seconds, RATE, times)[:, 0])


@pytest.mark.parametrize("start", [None, 0.0, 1.37, 4.0])
def test_it_begins_at_the_start_of_the_video_and_takes_the_place_of_its_own(
    tmp_path: Path, filmed: Path, start: float | None
) -> None:
    sound = clicking(tmp_path / "clean.wav", 1.5, 0.01, 0.8)
    end = None if start is None else start + 1.2
    got = normalize(filmed, tmp_path / "out", sound=str(sound), start=start, end=end)
    assert len(got.frames) == (150 if start is None else 30)
    assert got.numbers[0] == round(30 * (start or 0))
    assert np.flatnonzero(np.abs(got.sound.astype(int)) > 15000).tolist() == [160, 12800]
    assert not got.sound[round(1.5 * SECOND) :].any(), "filled up with silence"


def test_its_facts_are_those_of_the_sound_file(tmp_path: Path, filmed: Path) -> None:
    make("-f", "lavfi", "-i", "sine=r=44100:d=2", "-ac", "2", "-c:a", "flac", tmp_path / "b.flac")
    got = normalize(filmed, tmp_path / "out", sound=str(tmp_path / "b.flac"))
    facts = {name: got.row[name] for name in ("has_audio", "silent", "audio_codec", "audio_rate", "audio_channels")}
    assert facts == {
        "has_audio": True,
        "silent": False,
        "audio_codec": "flac",
        "audio_rate": 44100,
        "audio_channels": 2,
    }
    assert (got.row["audio_tracks"], got.row["audio_start"]) == (1, 0.0)
    assert (got.row["sound"], got.row["sound_sha256"]) == (str(tmp_path / "b.flac"), "def")
    plain = normalize(filmed, tmp_path / "plain")
    assert (plain.row["sound"], plain.row["sound_sha256"], plain.row["audio_codec"]) == (None, None, "aac")


def test_a_picture_without_sound_is_heard_through_its_sound_file(tmp_path: Path) -> None:
    mute = write_clip(tmp_path / "a.mp4", steady(25, 1), FACE)
    got = normalize(mute, tmp_path / "out", sound=str(clicking(tmp_path / "a.wav", 1, 0.5)))
    assert got.row["has_audio"]
    assert not got.row["silent"]
    assert got.metrics["sound_offset"] is None
    silence = normalize(mute, tmp_path / "2", sound=str(write_wav(tmp_path / "b.wav", np.zeros(16000, np.int16))))
    assert (silence.row["has_audio"], silence.row["silent"]) == (True, True)


@pytest.mark.parametrize(("start", "later"), [(None, 0.0), (0.0, 0.5), (0.3, 0.2)])
def test_where_the_picture_begins_later_than_the_interval_so_does_the_sound(
    tmp_path: Path, start: float | None, later: float
) -> None:
    """Times are those of players: their zero is where the earlier of the two tracks begins."""
    times = [0.5 + time for time in steady(25, 2)]
    own = tone((1.0,), seconds=2.5)
    path = write_clip(tmp_path / "a.mkv", times, FACE, sound=own, rate=16000, audio_codec="pcm_s16le")
    sound = clicking(tmp_path / "a.wav", 2, 1.0)
    got = normalize(path, tmp_path / "out", sound=str(sound), start=start)
    expected = (1.0 - later) * SECOND
    assert abs(peak_near(got.sound, expected, 4000) - expected) <= 16


@pytest.mark.parametrize(("channels", "level", "mixed"), [((1.0, 1.0), 20000, "mean"), ((1.0, -1.0), 20000, "left")])
def test_its_channels_are_mixed(
    tmp_path: Path, filmed: Path, channels: tuple[float, float], level: int, mixed: str
) -> None:
    clip = write_clip(
        tmp_path / "a.mkv", steady(25, 1.2), FACE, sound=tone(channels), rate=16000, audio_codec="pcm_s16le"
    )
    make("-i", clip, "-vn", "-c:a", "copy", tmp_path / "a.wav")
    got = normalize(filmed, tmp_path / "out", start=0.5, end=1.5, sound=str(tmp_path / "a.wav"))
    assert np.abs(got.sound[2000:14000].astype(int)).max() == pytest.approx(level, rel=0.02)
    assert got.metrics["downmix"] == mixed


def wav(tmp_path: Path) -> bytes:
    return write_wav(tmp_path / "whole.wav", tone((1.0,), seconds=1)[:, 0]).read_bytes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", r"^clean\.wav is empty"),
        (lambda data: b"words " * 1000, r"^clean\.wav is not a readable sound file"),
        (lambda data: data[: len(data) // 2], r"^clean\.wav is cut short"),
        (lambda data: data[:40] + bytes(4), r"^clean\.wav holds no sound"),
    ],
)
def test_a_sound_file_that_is_no_good_is_refused_by_its_name(
    tmp_path: Path, filmed: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    (tmp_path / "clean.wav").write_bytes(spoil(wav(tmp_path)))
    with pytest.raises(BadVideo, match=reason):
        normalize(filmed, tmp_path / "out", sound=str(tmp_path / "clean.wav"))


def test_a_file_without_a_track_of_sound_is_refused(tmp_path: Path, filmed: Path) -> None:
    write_clip(tmp_path / "mute.mp4", steady(25, 1), FACE)
    with pytest.raises(BadVideo, match=r"^mute\.mp4 holds no sound"):
        normalize(filmed, tmp_path / "out", sound=str(tmp_path / "mute.mp4"))


def test_of_a_damaged_picture_and_damaged_sound_the_right_one_is_named(tmp_path: Path) -> None:
    """Both are stream 0 of their files."""
    noise = np.random.default_rng(0).integers(-9000, 9000, (32000, 1)).astype(np.int16)
    path = write_clip(tmp_path / "a.mp4", steady(25, 3), FACE)
    write_clip(tmp_path / "n.mkv", steady(25, 2), FACE, sound=noise, rate=16000, audio_codec="pcm_s16le")
    make("-i", tmp_path / "n.mkv", "-vn", "-c:a", "flac", tmp_path / "good.flac")
    data = (tmp_path / "good.flac").read_bytes()
    (tmp_path / "bad.flac").write_bytes(data[:20000] + bytes(12000) + data[32000:])
    normalize(path, tmp_path / "1", sound=str(tmp_path / "good.flac"))
    with pytest.raises(BadVideo, match=r"^bad\.flac is damaged: \d+ pieces of its sound"):
        normalize(path, tmp_path / "2", sound=str(tmp_path / "bad.flac"))
    path.write_bytes(overwritten(path.read_bytes(), 0.5, 400))
    with pytest.raises(BadVideo, match=r"^a\.mp4 is damaged: \d+ of 75 frames"):
        normalize(path, tmp_path / "3", sound=str(tmp_path / "good.flac"))


@pytest.mark.parametrize(("damaged", "refused"), [(1, False), (3, True)])
def test_of_the_sound_up_to_a_hundredth_may_be_damaged(
    tmp_path: Path, filmed: Path, damaged: int, refused: bool
) -> None:
    """There are 95 packets of sound: one is 1 %, three are 3 %."""
    data = bytearray(filmed.read_bytes())
    with av.open(str(filmed)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
    assert len(packets) == 95
    for packet in packets[10 :: len(packets) // 3][:damaged]:
        assert packet.pos is not None
        data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "a.mp4").write_bytes(data)
    told = pytest.raises(BadVideo, match=r"^a\.mp4 is damaged: 3 pieces of its sound") if refused else nullcontext()
    with told:
        normalize(tmp_path / "a.mp4", tmp_path / "out")


def test_a_sound_file_that_is_away_is_no_bad_video(tmp_path: Path, filmed: Path) -> None:
    with pytest.raises(SourceAway, match=r"gone\.wav is not there: bring it back"):
        normalize(filmed, tmp_path / "out", sound=str(tmp_path / "gone.wav"))


def test_files_that_were_fetched_are_read_where_they_lie(tmp_path: Path, filmed: Path) -> None:
    sources = tmp_path / "out/sources"
    sources.mkdir(parents=True)
    (sources / "v.mp4").write_bytes(filmed.read_bytes())
    clicking(sources / "v.sound.wav", 1, 0.5)
    fetched: dict[str, Any] = {
        "source": "https://example.org/a.zip#x/a.mp4",
        "sound": "https://example.org/a.zip#x/03.wav",
        "downloaded": {**DOWNLOADED, "file": "v.mp4", "sound_file": "v.sound.wav"},
    }
    got = normalize(filmed, tmp_path / "out", end=1.0, **fetched)
    assert peak_near(got.sound, 8000) == 8000
    (sources / "v.sound.wav").write_bytes(b"words " * 1000)
    with pytest.raises(BadVideo, match=r"^03\.wav is not a readable sound file"):
        normalize(filmed, tmp_path / "out", **fetched)
    (sources / "v.sound.wav").unlink()
    with pytest.raises(Damaged, match="is gone"):
        normalize(filmed, tmp_path / "out", **fetched)


def shifted(samples: NDArray[np.int16], seconds: float) -> NDArray[np.int16]:
    pause = np.zeros(round(abs(seconds) * RATE), np.int16)
    return np.concatenate([pause, samples]) if seconds > 0 else samples[len(pause) :]


@pytest.mark.parametrize("seconds", [0.0, 0.12, -0.2])
def test_how_far_it_is_from_the_picture_s_own_sound_is_told(tmp_path: Path, seconds: float) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 2.5), FACE, sound=SPEECH[:, None], rate=16000)
    sound = write_wav(tmp_path / "a.wav", shifted(SPEECH // 2, seconds))
    got = normalize(path, tmp_path / "out", sound=str(sound))
    assert got.metrics["sound_offset"] == pytest.approx(seconds, abs=0.0051)
    assert got.metrics["sound_likeness"] > 0.9


def test_of_an_interval_too_and_without_words_in_common_nothing_is_told(tmp_path: Path) -> None:
    own = np.concatenate([np.zeros(2 * RATE, np.int16), SPEECH])[:, None]
    path = write_clip(tmp_path / "a.mp4", steady(25, 4.5), FACE, sound=own, rate=16000)
    same, other = write_wav(tmp_path / "a.wav", SPEECH), write_wav(tmp_path / "b.wav", SPEECH[::-1].copy())
    same_times = normalize(path, tmp_path / "1", sound=str(same), start=2.0, end=4.5)
    assert same_times.metrics["sound_offset"] == pytest.approx(0.0, abs=0.0051)
    assert normalize(path, tmp_path / "2", sound=str(other), start=2.0, end=4.5).metrics["sound_offset"] is None
    assert normalize(path, tmp_path / "3", start=2.0, end=4.5).metrics["sound_likeness"] is None


@pytest.mark.parametrize(
    ("first", "second"),
    [(("1", "48000"), ("2", "48000")), (("2", "48000"), ("1", "48000")), (("1", "44100"), ("1", "48000"))],
)
def test_channels_and_rates_may_change_half_way(
    tmp_path: Path, first: tuple[str, str], second: tuple[str, str]
) -> None:
    parts = []
    for number, (channels, rate) in enumerate((first, second)):
        path = write_clip(tmp_path / f"{number}.mp4", steady(25, 2), FACE, sound=clicks(2, 48000, [1.0]))
        encoded = ("-c:v", "copy", "-c:a", "aac", "-ac", channels, "-ar", rate, "-output_ts_offset", str(2 * number))
        make("-i", path, *encoded, tmp_path / f"{number}.ts")
        parts.append((tmp_path / f"{number}.ts").read_bytes())
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    got = normalize(tmp_path / "a.ts", tmp_path / "out")
    assert len(got.numbers) == pytest.approx(100, abs=2)
    loud = [peak_near(got.sound, SECOND * at, SECOND) / SECOND for at in (1, 3)]
    assert loud == [pytest.approx(1, abs=0.05), pytest.approx(3, abs=0.05)]


TAIL = 64
"""Samples at the end of a sound that the filter which resamples reaches over."""


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("seconds", [0.2, -0.28, -0.1234, 1.3])
def test_it_is_moved_by_just_so_many_samples(tmp_path: Path, rate: int, seconds: float) -> None:
    """Beyond the ends of what the source has there is silence."""
    own = resample_poly(SPEECH.astype(float), rate // 100, RATE // 100)[:, None].astype(np.int16)
    path = write_clip(tmp_path / "a.mkv", steady(25, 2.5), FACE, sound=own, rate=rate, audio_codec="pcm_s16le")
    still = normalize(path, tmp_path / "1")
    moved = normalize(path, tmp_path / "2", sound_shift=seconds)
    by = round(seconds * RATE)
    assert not moved.sound[: max(by, 0)].any()
    rest = len(moved.sound) - abs(by) - TAIL
    np.testing.assert_array_equal(moved.sound[max(by, 0) :][:rest], still.sound[max(-by, 0) :][:rest])
    assert not moved.sound[len(moved.sound) + min(by, 0) + TAIL :].any()
    assert moved.mp4.read_bytes() == still.mp4.read_bytes()
    assert (moved.metrics["sound_shift"], still.metrics["sound_shift"]) == (seconds, None)
    assert moved.row["audio_start"] == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [0.2, -0.28, 1.6])
def test_an_interval_is_given_what_the_source_has_around_it(tmp_path: Path, seconds: float) -> None:
    own = np.random.default_rng(0).integers(-9000, 9000, (44100 * 5, 1)).astype(np.int16)
    path = write_clip(tmp_path / "a.mkv", steady(25, 5), FACE, sound=own, rate=44100, audio_codec="pcm_s16le")
    longer = normalize(path, tmp_path / "1", start=2.0, end=4.8).sound
    moved = normalize(path, tmp_path / "2", start=2.0, end=4.0, sound_shift=seconds).sound
    by = round(seconds * RATE)
    np.testing.assert_array_equal(moved[max(by, 0) :], longer[max(-by, 0) : 2 * RATE - by])
    assert np.count_nonzero(moved[: max(by, 0)]) >= 0.99 * by


def test_what_was_moved_on_purpose_is_not_held_against_the_picture_s_own_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 2.5), FACE, sound=SPEECH[:, None], rate=16000)
    got = normalize(path, tmp_path / "out", sound=str(write_wav(tmp_path / "a.wav", SPEECH)), sound_shift=0.4)
    assert (got.metrics["sound_offset"], got.metrics["sound_shift"]) == (None, 0.4)
    assert not got.sound[: round(0.4 * RATE)].any()
    assert got.metrics["sound_likeness"] > 0.9

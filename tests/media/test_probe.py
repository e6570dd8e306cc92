import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe import Orientation, duration, probe
from tests.clips import SHARED, clicks, make, portrait, steady, write_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 30 frames a second, 64x48, index first, sound from 0.2 s on."""
    folder = tmp_path_factory.mktemp("probe")
    write_clip(folder / "raw.mp4", steady(30, 2), portrait(64, 48), sound=clicks(1.5, 48000, [1.0]), sound_start=0.2)
    make("-i", folder / "raw.mp4", "-c", "copy", "-movflags", "+faststart", folder / "clip.mp4")
    return folder / "clip.mp4"


def test_the_plain_facts(clip: Path) -> None:
    facts = probe(clip)
    assert (facts.codec, facts.width, facts.height, facts.display) == ("h264", 64, 48, (64, 48))
    assert facts.fps == pytest.approx(30)
    assert not facts.variable_rate
    assert not facts.interlaced
    np.testing.assert_allclose(facts.times - facts.start, steady(30, 2), atol=1e-4)
    assert facts.duration == pytest.approx(2, abs=0.02)
    assert duration(clip) == pytest.approx(2, abs=0.02)
    assert facts.audio is not None
    assert (facts.audio.codec, facts.audio.rate, facts.audio.channels) == ("aac", 48000, 1)
    assert facts.audio.start == pytest.approx(0.2, abs=0.025)


@pytest.mark.parametrize("suffix", ["mkv", "mov", "avi", "ts"])
def test_other_containers(tmp_path: Path, suffix: str) -> None:
    clock = Fraction(1, 24) if suffix == "avi" else Fraction(1, 90000)
    facts = probe(write_clip(tmp_path / f"a.{suffix}", steady(24, 1), portrait(64, 64), clock=clock))
    assert len(facts.times) == 24
    assert facts.fps == pytest.approx(24, abs=0.02)
    assert not facts.variable_rate
    assert facts.audio is None


def test_a_variable_rate_is_noticed_and_millisecond_clocks_are_not_one(tmp_path: Path) -> None:
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.3]
    assert probe(write_clip(tmp_path / "a.mp4", times, portrait(64, 64))).variable_rate
    coarse = write_clip(tmp_path / "b.mkv", steady(30, 1), portrait(64, 64), clock=Fraction(1, 1000))
    assert not probe(coarse).variable_rate
    assert probe(coarse).fps == pytest.approx(30, abs=0.06)


@pytest.mark.parametrize(
    ("turn", "rotation", "mirrored"),
    [((), 0, False), (("90",), 270, False), (("180",), 180, False), (("-90",), 90, False), (("0", "hflip"), 0, True)],
)
def test_the_display_matrix(tmp_path: Path, clip: Path, turn: tuple[str, ...], rotation: int, mirrored: bool) -> None:
    options = [*(("-display_rotation", turn[0]) if turn else ()), *(["-display_hflip"] if "hflip" in turn else [])]
    make(*options, "-i", clip, "-c", "copy", tmp_path / "turned.mp4")
    facts = probe(tmp_path / "turned.mp4")
    assert (facts.orientation.rotation, facts.orientation.mirrored) == (rotation, mirrored)
    assert facts.display == ((48, 64) if rotation in (90, 270) else (64, 48))


@given(st.builds(Orientation, st.booleans(), st.booleans(), st.booleans()))
def test_rotation_and_mirroring_say_all_there_is(orientation: Orientation) -> None:
    picture = np.arange(6).reshape(2, 3)
    shown = picture.T if orientation.transposed else picture
    shown = shown[:, ::-1] if orientation.flip_x else shown
    shown = shown[::-1] if orientation.flip_y else shown
    turned = np.rot90(picture, -orientation.rotation // 90)
    np.testing.assert_array_equal(shown, turned[:, ::-1] if orientation.mirrored else turned)


def test_pixels_that_are_not_square(tmp_path: Path, clip: Path) -> None:
    make("-i", clip, "-vf", "setsar=3/2", tmp_path / "wide.mp4")
    facts = probe(tmp_path / "wide.mp4")
    assert facts.sample_aspect == Fraction(3, 2)
    assert facts.display == (96, 48)


def test_pixels_wider_than_any_picture_are_told(tmp_path: Path, clip: Path) -> None:
    make("-i", clip, "-vf", "setsar=3/2", tmp_path / "wide.mp4")
    content = (tmp_path / "wide.mp4").read_bytes()
    place = content.index(b"pasp") + 4
    damaged = content[:place] + struct.pack(">II", 1_000_000, 1) + content[place + 8 :]
    (tmp_path / "wide.mp4").write_bytes(damaged)
    with pytest.raises(NotAVideo, match="its pixels of 1000000 to 1 would make a picture of 64000000 x 48"):
        probe(tmp_path / "wide.mp4")


def test_interlaced(tmp_path: Path, clip: Path) -> None:
    make("-i", clip, "-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1", tmp_path / "fields.mp4")
    assert probe(tmp_path / "fields.mp4").interlaced


def test_the_default_of_several_tracks(tmp_path: Path, clip: Path) -> None:
    tone = ["-f", "lavfi", "-i", "sine=duration=1:sample_rate=44100"]
    made = tmp_path / "two.mkv"
    make("-i", clip, *tone, "-map", "0", "-map", "1", "-disposition:a:0", "0", "-disposition:a:1", "default", made)
    facts = probe(made)
    assert [track.rate for track in facts.tracks] == [48000, 44100]
    assert facts.audio is not None
    assert facts.audio.rate == 44100


def test_an_interval(clip: Path) -> None:
    facts = probe(clip, 0.5, 1.5)
    assert (facts.start - facts.origin, facts.duration) == pytest.approx((0.5, 1.0))
    assert len(facts.times) == 30
    assert probe(clip, 1.5, 99).duration == pytest.approx(0.5, abs=0.02)
    with pytest.raises(NotAVideo, match=r"no video frame from 5.00 s on: it ends at 2.0\d s"):
        probe(clip, 5, 6)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"just some words\n" * 99, "is not a readable video"),
        (cut, "is cut short"),
        (lambda data: data[:2000], "is cut short"),
        (lambda data: data.replace(b"moov", b"junk"), r"is cut short: its index \(moov\) is missing"),
        (lambda data: bytes(len(data)), "is not a readable video"),
    ],
)
def test_what_is_no_whole_video_is_refused_with_the_reason(
    tmp_path: Path, clip: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(spoil(clip.read_bytes()))
    with pytest.raises(NotAVideo, match=reason):
        probe(path)


COPIES: dict[str, list[str]] = {
    "mkv": ["-c", "copy"],
    "webm": ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"],
    "avi": ["-c", "copy"],
}


@pytest.mark.parametrize("suffix", COPIES)
@pytest.mark.parametrize("missing", [1, 0.01, 0.4])
def test_whatever_is_missing_at_the_end_of_a_file_that_knows_its_size(
    tmp_path: Path, clip: Path, suffix: str, missing: float
) -> None:
    path = tmp_path / f"a.{suffix}"
    make("-i", clip, *COPIES[suffix], path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"more behind its end")
    assert len(probe(path).times) == 60
    path.write_bytes(whole[: len(whole) - int(max(missing, missing * len(whole) * (missing < 1)))])
    with pytest.raises(NotAVideo, match=r"is cut short( or damaged)?"):
        probe(path)


def test_a_size_left_open_says_nothing(tmp_path: Path, clip: Path) -> None:
    make("-i", clip, "-c", "copy", "-f", "matroska", "-live", "1", tmp_path / "a.mkv")
    assert len(probe(tmp_path / "a.mkv").times) == 60
    make("-i", clip, "-c", "copy", tmp_path / "a.avi")
    whole = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(whole[:4] + bytes(4) + whole[8:])
    assert len(probe(tmp_path / "a.avi").times) == 60


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "flv"])
def test_a_file_that_starts_late_is_whole(tmp_path: Path, clip: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    make("-i", clip, "-c", "copy", "-output_ts_offset", "5", path)
    assert len(probe(path).times) == 60
    assert probe(path).duration == pytest.approx(2, abs=0.05)
    assert duration(path) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "name", "reason"),
    [
        (["-vn", "-c", "copy"], "sound.mp4", "has no video track, only sound"),
        (["-frames:v", "1", "-f", "image2"], "still.png", "is a still image"),
        (["-frames:v", "1", "-f", "image2", "-c:v", "mjpeg"], "still.mp4", "is a still image"),
    ],
)
def test_sound_alone_and_pictures_are_no_videos(
    tmp_path: Path, clip: Path, arguments: list[str], name: str, reason: str
) -> None:
    make("-i", clip, *arguments, tmp_path / name)
    with pytest.raises(NotAVideo, match=reason):
        probe(tmp_path / name)
    assert duration(tmp_path / name) is None


def test_a_missing_file_is_the_system_s_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        probe(tmp_path / "nowhere.mp4")
    assert duration(tmp_path / "nowhere.mp4") is None


def test_a_trimmed_start_is_not_a_cut(tmp_path: Path, clip: Path) -> None:
    make("-ss", "0.5", "-i", clip, "-c", "copy", "-movflags", "+faststart", tmp_path / "later.mp4")
    facts = probe(tmp_path / "later.mp4")
    assert facts.duration == pytest.approx(1.5, abs=0.05)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real clips of ../shared")
@pytest.mark.parametrize("path", sorted((SHARED / "data/clips").glob("*.mp4")), ids=lambda path: path.stem)
def test_real_clips(path: Path) -> None:
    facts = probe(path)
    assert facts.duration == pytest.approx(duration(path), abs=0.05)
    assert len(facts.times) == pytest.approx(facts.duration * facts.fps, abs=1.01)
    assert not facts.variable_rate

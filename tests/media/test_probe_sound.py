from pathlib import Path

import pytest

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe_sound import probe_sound
from tests.clips import make, portrait, steady, write_clip


def sounding(path: Path, *options: str) -> Path:
    """Three seconds of noise."""
    make("-f", "lavfi", "-i", "anoisesrc=d=3:r=16000:seed=1", *options, path)
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "mp3"), ("a.m4a", "aac")]
)
def test_a_sound_file(tmp_path: Path, name: str, codec: str) -> None:
    sound = probe_sound(sounding(tmp_path / name))
    (track,) = sound.tracks
    assert (track.codec, track.rate, track.channels) == (codec, 16000, 1)
    assert track.start == pytest.approx(sound.origin, abs=1e-6)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a"])
def test_a_sound_file_that_was_cut(tmp_path: Path, name: str) -> None:
    path = sounding(tmp_path / name, "-movflags", "+faststart") if name == "a.m4a" else sounding(tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(NotAVideo, match="is cut short"):
        probe_sound(path)


def test_a_sound_file_written_as_it_came_says_nothing_of_its_size(tmp_path: Path) -> None:
    path = sounding(tmp_path / "a.wav", "-fflags", "+bitexact", "-flags:a", "+bitexact")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert probe_sound(path).tracks


def test_a_video_without_sound_is_no_sound_file(tmp_path: Path) -> None:
    with pytest.raises(NotAVideo, match="holds no sound"):
        probe_sound(write_clip(tmp_path / "a.mp4", steady(25, 1), portrait(64, 64)))

"""Whatever a file of the world holds, reading it raises nothing but our own errors, and comes to an end."""

import errno
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import av
import pytest

from portrait_prep.errors import BadInput
from portrait_prep.media.container import NotAVideo, guarded, opened
from portrait_prep.media.probe import duration, probe
from portrait_prep.media.probe_sound import probe_sound, sound_channels, sound_digest, sound_seconds
from portrait_prep.media.source_frames import frames_between, picture_at, sample_frames
from portrait_prep.media.source_sound import read_samples
from tests.clips import make, portrait, steady, write_clip
from tests.media.mutants import SEEDS, TITLE, mutants, write_seeds

LONGEST = 60.0
"""Seconds for one file, on a busy machine."""


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {path.name: path for path in write_seeds(tmp_path_factory.mktemp("seeds"))}


def probe_and_look(path: Path) -> None:
    facts = probe(path)
    for frame in islice(sample_frames(path, facts, 4), 3):
        assert frame.image().shape[2] == 3
    list(islice(frames_between(path, facts, 0.0, 0.2, 10.0), 3))


LOOKS: tuple[Callable[[Path], object], ...] = (
    probe_and_look,
    probe_sound,
    duration,
    sound_channels,
    sound_seconds,
    sound_digest,
    lambda path: picture_at(path, 0.1, (32, 32)),
    lambda path: read_samples(path, 0.0, 0.3),
)


def raised(look: Callable[[Path], object], path: Path) -> Exception | None:
    try:
        look(path)
    except Exception as error:
        return error
    return None


def look_at_all(seed: Path, path: Path, count: int) -> int:
    """Spoil a file in so many ways and look at each; how many could still be read as a video or a sound."""
    readable = 0
    for number, data in enumerate(mutants(seed, count)):
        path.write_bytes(data)
        begun = time.perf_counter()
        for look in LOOKS:
            error = raised(look, path)
            ours = isinstance(error, NotAVideo) or (
                isinstance(error, OSError) and not isinstance(error, av.FFmpegError)
            )
            if error is not None and not (ours and len(str(error).splitlines()) == 1):
                raise AssertionError(f"mutant {number} of {seed.name}") from error
            readable += error is None and look in (probe_and_look, probe_sound)
        assert time.perf_counter() - begun < LONGEST, (seed.name, number)
    return readable


@pytest.mark.parametrize("name", SEEDS)
def test_what_is_spoilt_is_refused_in_our_own_words(tmp_path: Path, seeds: dict[str, Path], name: str) -> None:
    readable = look_at_all(seeds[name], tmp_path / name, 24)
    assert readable > 0  # else nothing behind the first door would be tried


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SEEDS)
def test_thousands_that_are_spoilt(tmp_path: Path, seeds: dict[str, Path], name: str) -> None:
    look_at_all(seeds[name], tmp_path / name, 400)


WORDS = {
    "GBK": "\u65b0\u95fb\u65b0\u95fb\u65b0\u95fb\u65b0".encode("gbk").ljust(len(TITLE)),
    "Shift-JIS": "\u30cb\u30e5\u30fc\u30b9\u3067\u3059".encode("shift_jis").ljust(len(TITLE)),
    "Latin-1": b"caf\xe9 d\xe9j\xe0 vu ..",
    "cut in a character": b"ends with half \xe2"[-15:],
    "UTF-16": "\u65b0\u95fb abc".encode("utf-16").ljust(len(TITLE), b"\xff"),
    "surrogates": b"\xed\xa0\x80\xed\xb0\x80 <lone>.",
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    "name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.ts", "a.flv", "a.mxf", "a.wav", "a.mp3"]
)
def test_tags_of_any_bytes_are_no_reason(tmp_path: Path, seeds: dict[str, Path], name: str, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(seeds[name].read_bytes().replace(TITLE.encode(), WORDS[words][: len(TITLE)].ljust(len(TITLE))))
    assert probe_sound(path).tracks
    if name not in ("a.wav", "a.mp3"):
        assert len(probe(path).times) == 15
        assert duration(path) == pytest.approx(0.6, abs=0.1)


def test_tags_of_streams_and_chapters_are_of_any_bytes_too(tmp_path: Path, seeds: dict[str, Path]) -> None:
    (tmp_path / "chapters").write_text(f";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/10\nSTART=0\nEND=3\ntitle={TITLE}\n")
    for suffix in ("mkv", "mp4", "mov"):
        path = tmp_path / f"a.{suffix}"
        streams = ("-metadata:s:v", f"title={TITLE}", "-metadata:s:a", f"handler_name={TITLE}", "-map_chapters", "1")
        make("-i", seeds["a.mp4"], "-i", tmp_path / "chapters", "-c", "copy", *streams, path)
        assert TITLE.encode() in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(TITLE.encode(), b"\xd0\xc2\xce\xc5" * 3 + b"\xff\xff\xff"))
        assert len(probe(path).times) == 15


TWO_SOUNDS = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "copy")


def renamed(path: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
    return path


@pytest.mark.parametrize(
    ("name", "options", "old", "new"),
    [
        ("vorbis.mkv", ("-c:a:0", "aac", "-c:a:1", "libvorbis"), b"A_VORBIS", b"A_XORBIS"),
        ("opus.mkv", ("-c:a:0", "libopus", "-c:a:1", "aac"), b"A_OPUS", b"A_APAC"),
        ("apac.mov", ("-c:a:0", "aac", "-c:a:1", "alac"), b"alac", b"apac"),
        ("apac.mp4", ("-c:a:0", "alac", "-c:a:1", "aac"), b"alac", b"zzzz"),
        (
            "default.mkv",
            ("-c:a:0", "libvorbis", "-disposition:a:1", "default", "-c:a:1", "aac"),
            b"A_VORBIS",
            b"A_XORBIS",
        ),
    ],
)
def test_the_track_that_can_be_decoded_is_taken(
    tmp_path: Path, seeds: dict[str, Path], name: str, options: tuple[str, ...], old: bytes, new: bytes
) -> None:
    make("-i", seeds["a.mp4"], *TWO_SOUNDS, *options, tmp_path / name)
    path = renamed(tmp_path / name, old, new)
    facts = probe(path)
    assert facts.audio is not None
    assert (facts.audio.codec, len(facts.tracks), facts.undecodable_tracks) == ("aac", 1, 1)
    assert [track.codec for track in probe_sound(path).tracks] == ["aac"]
    assert sound_channels(path) == 1


def test_sound_that_no_decoder_knows_is_none_and_counted(tmp_path: Path, seeds: dict[str, Path]) -> None:
    make("-i", seeds["a.mp4"], "-c:v", "copy", "-c:a", "libvorbis", tmp_path / "a.mkv")
    path = renamed(tmp_path / "a.mkv", b"A_VORBIS", b"A_XORBIS")
    facts = probe(path)
    assert (facts.audio, facts.tracks, facts.undecodable_tracks) == (None, (), 1)
    assert sound_channels(path) == 0
    assert not read_samples(path, 0.0, 0.2).any()
    with pytest.raises(NotAVideo, match="holds no sound"):
        probe_sound(path)


def test_a_rate_that_no_sound_has_is_not_resampled(tmp_path: Path, seeds: dict[str, Path]) -> None:
    data = bytearray(seeds["a.wav"].read_bytes())
    data[24:28] = (1 << 30).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    assert not read_samples(tmp_path / "a.wav", 0.0, 0.3).any()
    assert sound_channels(tmp_path / "a.wav") == 0


def test_a_picture_that_no_decoder_knows(tmp_path: Path, seeds: dict[str, Path]) -> None:
    make("-i", seeds["a.webm"], "-c", "copy", tmp_path / "one.mkv")
    path = renamed(tmp_path / "one.mkv", b"V_VP8", b"V_XP8")
    with pytest.raises(NotAVideo, match="no decoder knows"):
        probe(path)
    assert duration(path) is None
    assert picture_at(path, 0.0, (8, 8)) is None
    make("-i", seeds["a.webm"], "-i", seeds["a.mp4"], "-map", "0:v", "-map", "1:v", "-c", "copy", tmp_path / "two.mkv")
    path = renamed(tmp_path / "two.mkv", b"V_VP8", b"V_XP8")
    assert probe(path).codec == "h264"
    assert picture_at(path, 0.0, (8, 8)) is not None


def test_tracks_that_are_neither_picture_nor_sound_do_no_harm(tmp_path: Path, seeds: dict[str, Path]) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:00,500\nHello\n")
    both = ("-i", seeds["a.mp4"], "-i", tmp_path / "a.srt", "-map", "1", "-map", "0", "-c", "copy")
    make(*both, "-c:s", "mov_text", "-timecode", "00:00:00:00", tmp_path / "a.mov")
    make(*both, "-attach", tmp_path / "a.srt", "-metadata:s:t", "mimetype=text/plain", tmp_path / "a.mkv")
    for name in ("a.mov", "a.mkv"):
        facts = probe(tmp_path / name)
        assert (len(facts.times), len(facts.tracks), facts.undecodable_tracks) == (15, 1, 0)


def test_an_error_of_any_type_is_the_file_s_and_ours_pass(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", steady(25, 0.4), portrait(64, 48))
    with pytest.raises(NotAVideo, match=r"^is not a readable video \(ZeroDivisionError: a b\)$"), opened(path):
        raise ZeroDivisionError("a\n b")
    for error in (BadInput("ours"), PermissionError("the system's"), MemoryError(), NotAVideo("is odd")):
        with pytest.raises(type(error)), guarded(path):
            raise error
    with pytest.raises(KeyboardInterrupt), guarded(path):
        raise KeyboardInterrupt


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EMFILE, errno.ETIMEDOUT, errno.EACCES, errno.EAGAIN])
def test_what_ffmpeg_passes_on_of_the_system_is_no_fault_of_the_file(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as caught, guarded(tmp_path / "a.mp4"):
        av.error.err_check(-number)
    assert not isinstance(caught.value, av.FFmpegError)


def test_an_error_of_reading_is_the_files_own_where_the_system_can_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.mkv").write_bytes(b"cut short")
    with pytest.raises(NotAVideo), guarded(tmp_path / "a.mkv"):
        av.error.err_check(-errno.EIO)
    with pytest.raises(FileNotFoundError), guarded(tmp_path / "gone.mkv"):
        av.error.err_check(-errno.EIO)

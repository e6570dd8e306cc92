"""Files that are several recordings: told from one recording whose clock is merely odd."""

from pathlib import Path

import numpy as np
import pytest

from portrait_prep.media.container import NotAVideo
from portrait_prep.media.extent import second_header
from portrait_prep.media.probe import HELD, probe
from tests.clips import clicks, make, portrait, steady, write_clip


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("parts")
    made = [folder / "a.mp4", folder / "b.mp4"]
    for path, seconds in zip(made, (1.0, 2.0), strict=True):
        write_clip(path, steady(25, seconds), portrait(96, 96), sound=clicks(seconds, 48000, [0.5]))
    return made[0], made[1]


CODECS = {
    "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "vob": ("-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"),
    "webm": ("-c:v", "libvpx", "-c:a", "libopus", "-deadline", "realtime", "-cpu-used", "8"),
    "flv": ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-ar", "44100"),
    "avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
}


def joined(folder: Path, parts: tuple[Path, Path], suffix: str) -> Path:
    pieces = []
    for number, part in enumerate(parts):
        piece = folder / f"{number}.{suffix}"
        make("-i", part, *CODECS.get(suffix, ("-c", "copy")), piece)
        pieces.append(piece.read_bytes())
    path = folder / f"joined.{suffix}"
    path.write_bytes(b"".join(pieces))
    return path


@pytest.mark.parametrize("suffix", ["ts", "mpg", "vob", "mkv", "webm"])
def test_a_clock_that_starts_again_is_refused_with_the_second(
    tmp_path: Path, parts: tuple[Path, Path], suffix: str
) -> None:
    path = joined(tmp_path, parts, suffix)
    with pytest.raises(NotAVideo, match=r"its clock starts again at (0\.9\d|1\.0\d) s, cut it there"):
        probe(path)
    assert len(probe(path, 0.0, 0.6).times) == pytest.approx(15, abs=2), "what lies before it can be taken"


@pytest.mark.parametrize("suffix", ["mp4", "mov", "3gp", "flv"])
def test_a_second_file_that_would_not_be_played_is_told(tmp_path: Path, parts: tuple[Path, Path], suffix: str) -> None:
    path = joined(tmp_path, parts, suffix)
    first = (tmp_path / f"0.{suffix}").stat().st_size
    with pytest.raises(NotAVideo, match=rf"only the first is played, to 1\.0\d s, and the next begins at byte {first}"):
        probe(path)
    assert second_header(tmp_path / f"0.{suffix}", 16) is None


def test_avi_goes_on_with_the_next_and_nothing_is_lost(tmp_path: Path, parts: tuple[Path, Path]) -> None:
    found = probe(joined(tmp_path, parts, "avi"))
    assert len(found.times) == 75
    assert np.ptp(np.diff(found.times)) < 0.2


@pytest.mark.parametrize("offset", ["95443.2", "0.7", "-0.3", "26000"])
def test_a_clock_that_wraps_or_begins_anywhere_goes_on(tmp_path: Path, parts: tuple[Path, Path], offset: str) -> None:
    for suffix in ("ts", "mkv") if float(offset) < 9e4 else ("ts",):
        make("-i", parts[1], "-c", "copy", "-output_ts_offset", offset, tmp_path / f"a.{suffix}")
        assert len(probe(tmp_path / f"a.{suffix}").times) == 50


def test_parts_of_one_recording_are_one(tmp_path: Path, parts: tuple[Path, Path]) -> None:
    make("-i", parts[0], "-c", "copy", tmp_path / "1.ts")
    make("-i", parts[1], "-c", "copy", "-output_ts_offset", "1", tmp_path / "2.ts")
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    assert len(probe(tmp_path / "a.ts").times) == 75


def test_b_frames_and_fragments_are_no_restart(tmp_path: Path, parts: tuple[Path, Path]) -> None:
    x264 = ("-c:v", "libx264", "-bf", "8", "-b_strategy", "2", "-c:a", "aac")
    for name, more in {
        "a.mkv": (),
        "a.ts": (),
        "a.avi": ("-c:a", "mp3"),
        "frag.mp4": ("-movflags", "frag_keyframe+empty_moov", "-g", "10"),
        "live.webm": ("-c:v", "libvpx", "-c:a", "libopus", "-live", "1"),
    }.items():
        make("-i", parts[1], *x264, *more, tmp_path / name)
        assert len(probe(tmp_path / name).times) >= 50


def test_a_last_frame_is_held_for_a_second_at_most_and_what_it_claims_is_known(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", [0, 0.04, 0.08, 0.12, 120], portrait(96, 96))
    found = probe(tmp_path / "a.mp4", 0.0, 100.0)
    assert found.duration == pytest.approx(0.12 + HELD)
    assert found.last == pytest.approx(99.88)

import errno
import signal
import subprocess
from pathlib import Path
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg
import pytest

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.ffmpeg import DecodedStream, DecodeReport, FfmpegFailed, executable, run
from tests.clips import portrait, steady, write_clip


def tones(seconds: float | None = None) -> Any:
    """Sound written to the pipe, endless where no length is given."""
    limit = {} if seconds is None else {"t": seconds}
    return ffmpeg.input("sine=sample_rate=16000", format="lavfi").output("pipe:1", format="s16le", **limit)


def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """All processes that are started from now on, but for the one that tries whether ffmpeg is there."""
    executable()
    processes: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> Any:
        processes.append(start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    return processes


def test_what_it_writes_is_read_to_the_end() -> None:
    received = []
    run(tones(1), lambda pipe: received.append(pipe.read()))
    assert len(received[0]) == 32000


def test_decoded_frames_are_counted(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", steady(25, 1), portrait(64, 64))
    report = run(ffmpeg.input(str(clip)).output("-", format="null"), lambda pipe: None)
    assert report == DecodeReport({(0, 0): DecodedStream("video", 25, 0)})


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_child_outlives_an_error(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    processes = started(monkeypatch)

    def fail(pipe: IO[bytes]) -> None:
        pipe.read(1000)
        raise error

    with pytest.raises(error):
        run(tones(), fail)
    assert [process.returncode for process in processes] == [-9]


def test_it_ends_when_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = started(monkeypatch)
    with pytest.raises(FfmpegFailed):
        run(tones(), lambda pipe: None)
    assert processes[0].returncode not in (None, 0)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGXCPU, signal.SIGXFSZ])
def test_one_that_is_ended_from_outside_says_nothing_of_the_file(
    monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    children = started(monkeypatch)

    def end(pipe: IO[bytes]) -> None:
        pipe.read(1)
        children[0].send_signal(sent)
        while pipe.read(1 << 16):
            pass

    with pytest.raises(ChildProcessError, match="ended from outside"):
        run(tones(), end)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_as_such() -> None:
    output = ffmpeg.input("testsrc2=d=1", format="lavfi").output("/dev/full", format="rawvideo")
    with pytest.raises(OSError, match="No space left") as caught:
        run(output, lambda pipe: None)
    assert caught.value.errno == errno.ENOSPC


TITLES = (
    "No space left on device",
    "a\n[error] No space left on device",
    "Exiting normally, received signal 15.",
    "[error] of another",
    "[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x1] [warning] corrupt decoded frame",
)
"""What ffmpeg says at times, here as the title of a file, which ffmpeg repeats in its log."""


@pytest.mark.parametrize("title", TITLES)
def test_what_a_file_says_is_not_taken_for_words_of_ffmpeg(tmp_path: Path, title: str) -> None:
    clip, titled = write_clip(tmp_path / "a.mp4", steady(25, 1), portrait(64, 64)), tmp_path / "b.mp4"
    run(ffmpeg.input(str(clip)).output(str(titled), c="copy", metadata=f"title={title}"), lambda pipe: None)
    report = run(ffmpeg.input(str(titled)).output("-", format="null"), lambda pipe: None)
    assert report == DecodeReport({(0, 0): DecodedStream("video", 25, 0)})
    with pytest.raises(FfmpegFailed, match=r"^(?!of another)"):
        run(ffmpeg.input(str(titled)).output("pipe:1", format="rawvideo"), lambda pipe: None)


def test_its_complaint_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed, match="No such file"):
        run(ffmpeg.input(str(tmp_path / "nowhere.mp4")).output("-", format="null"), lambda pipe: None)


def test_without_ffmpeg_the_user_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    executable.cache_clear()
    with pytest.raises(MissingPrerequisite, match="imageio-ffmpeg"):
        run(tones(1), lambda pipe: None)
    executable.cache_clear()


def test_an_ffmpeg_that_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("portrait_prep.media.ffmpeg.executable", lambda: str(tmp_path / "none"))
    with pytest.raises(MissingPrerequisite, match="cannot be started"):
        run(tones(1), lambda pipe: None)

"""Running ffmpeg on the user's files: the static one that imageio-ffmpeg brings, without a shell, never left behind."""

import contextlib
import errno
import os
import re
import resource
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

import ffmpeg
import imageio_ffmpeg

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.media.formats import INPUT_OPTIONS
from portrait_prep.media.probe import Probe

MOST_MEMORY = 6 << 30
"""Bytes of address space that an ffmpeg may take: pictures of 8192 px need a third of it."""
QUIET = ("-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+verbose")
"""Verbose: only at that level does ffmpeg count what it could not decode."""

LINE = re.compile(r"((?:\[[^\[\]]+ @ [0-9a-fx]+\] )*)\[(\w+)\] (.*)")
"""Who says it, the level, and the words. Titles and other texts of a file stand in the words of level `info`."""
COUNTS = re.compile(
    r" *Input stream #(\d+):(\d+) \((\w+)\): \d+ packets read .*?; (\d+) frames decoded; (\d+) decode errors"
)
DECODER = "[dec:"
CORRUPT = "corrupt decoded frame"
CHANGED = re.compile(r"Reconfiguring filter graph because (\w+) parameters changed to (.*)")
STREAM = re.compile(r"\[[a-z]+ist#(\d+):(\d+)/")
ERRORS = ("error", "fatal")
DISK_FULL = "No space left on device"
ENDED = re.compile(r"Exiting normally, received signal \d+\.")
"""What ffmpeg says when it is asked to end."""
ENDING = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGXFSZ)
"""Signals of the system or of a person; those of a crash are the video's."""


RUN_UP = 1.0
"""Seconds decoded before the start of an interval: decoders of sound need a little to settle."""


def video_input(path: Path, facts: Probe, *, steady: bool = True, run_up: float = RUN_UP) -> Any:
    """A probed video as an input of ffmpeg-python, on its own clock, from `run_up` seconds before its interval on.

    HEVC hides what it patches up unless it is asked to refuse it. Without an index it is read from its beginning: a
    decoder that joins a group of pictures half-way loses the rest. Where the format is not `steady`, the filters are to
    take each frame as it comes, the first of them a scaling: begun anew, they would forget what they know of time.
    """
    options: dict[str, Any] = {"err_detect": "explode"} if facts.codec == "hevc" else {}
    if not steady:
        options["reinit_filter:v"] = 0
    seek = facts.start - facts.origin - run_up
    if seek > 0 and facts.indexed:
        options["ss"] = f"{seek:.6f}"
    return ffmpeg.input(str(path), copyts=None, noautorotate=None, threads=1, **INPUT_OPTIONS, **options)


def sound_input(path: Path, start: float = 0.0) -> Any:
    """A file for its sound as an input of ffmpeg-python, on its own clock.

    It is read from `start` on, in seconds from what players call zero, or from before that.
    """
    options = {"ss": f"{start:.6f}"} if start > 0 else {}
    return ffmpeg.input(str(path), copyts=None, threads=1, **INPUT_OPTIONS, **options)


@dataclass(frozen=True)
class DecodedStream:
    """How one input stream, `video` or `audio` by `kind`, fared.

    `frames` came out; `damaged` were refused by the decoder or patched up by it.
    """

    kind: str
    frames: int
    damaged: int


@dataclass(frozen=True)
class DecodeReport:
    """What ffmpeg says of its inputs: each decoded stream by (input, stream), and a change of format on the way.

    `changed`: of `video` and `audio` what the format changed to last, where it changed. The filters begin anew at a
    change, with all that they knew of time.
    """

    decoded: Mapping[tuple[int, int], DecodedStream]
    changed: Mapping[str, str] = field(default_factory=dict)


class FfmpegFailed(RuntimeError):
    """ffmpeg ended with an error; the message is its last complaint, `report` how far it got."""

    def __init__(self, message: str, report: DecodeReport) -> None:
        super().__init__(message)
        self.report = report


@lru_cache(maxsize=1)
def executable() -> str:
    """The path of ffmpeg. Raises MissingPrerequisite when there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingPrerequisite(
            "No ffmpeg was found: reinstall the package 'imageio-ffmpeg' or name one in IMAGEIO_FFMPEG_EXE."
        ) from error


class LogReader(threading.Thread):
    """Reads what ffmpeg says while it works, and keeps what matters: a long log takes no memory and no disk."""

    def __init__(self, log: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._log = log
        self._corrupt: Counter[tuple[int, int]] = Counter()
        self._decoded: dict[tuple[int, int], DecodedStream] = {}
        self._changed: dict[str, str] = {}
        self.complaint = ""
        self.disk_full = False
        self.ended = False

    def run(self) -> None:
        """Read until ffmpeg is done. Frames decoded with flaws are announced one by one, the counts at the end."""
        for raw in self._log:
            if found := LINE.match(raw.decode(errors="replace")):
                self._take(*found.groups())

    def _take(self, speaker: str, level: str, words: str) -> None:
        if CORRUPT in words and DECODER in speaker and (stream := STREAM.search(speaker + words)):
            self._corrupt[int(stream[1]), int(stream[2])] += 1
        elif level in ERRORS:
            self.complaint = words.strip()
            self.disk_full |= DISK_FULL in words
        elif ENDED.match(words):
            self.ended = True
        elif speaker and (found := COUNTS.match(words)):
            key = int(found[1]), int(found[2])
            self._decoded[key] = DecodedStream(found[3], int(found[4]), int(found[5]) + self._corrupt[key])
        elif speaker and (found := CHANGED.match(words)):
            self._changed[found[1]] = found[2].strip()

    @property
    def report(self) -> DecodeReport:
        """What it said; complete once ffmpeg is done."""
        return DecodeReport(self._decoded, self._changed)


def run(outputs: Any, consume: Callable[[IO[bytes]], object]) -> DecodeReport:
    """Run ffmpeg for the `outputs` of ffmpeg-python; `consume` reads what it writes to its standard output, to the end.

    Kills ffmpeg on any exception. Raises OSError (ENOSPC) when the disk is full, ChildProcessError when it was ended
    from outside, MissingPrerequisite when it cannot be started, FfmpegFailed otherwise.
    """
    command = [executable(), *QUIET, *ffmpeg.get_args(outputs)]
    try:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise MissingPrerequisite(f"{command[0]} cannot be started ({error}): reinstall 'imageio-ffmpeg'.") from error
    _limit_memory(process)
    with process:
        log = LogReader(cast("IO[bytes]", process.stderr))
        log.start()
        try:
            consume(cast("IO[bytes]", process.stdout))
        except BaseException:
            process.kill()
            raise
        finally:
            cast("IO[bytes]", process.stdout).close()
            status = process.wait()
            log.join()
    if status:
        raise _failure(log, status)
    return log.report


def _limit_memory(process: subprocess.Popen[bytes]) -> None:
    """Damaged clocks have made ffmpeg gather frames until the machine had no memory left: it fails instead."""
    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def _failure(log: LogReader, status: int) -> Exception:
    """What ffmpeg died of, in its own words: its last complaint."""
    if log.disk_full:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if log.ended or -status in ENDING:
        return ChildProcessError(f"ffmpeg was ended from outside (status {status}): is memory short?")
    return FfmpegFailed(log.complaint or f"ffmpeg ended with status {status}", log.report)

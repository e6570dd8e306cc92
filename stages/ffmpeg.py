"""Running ffmpeg: the static one that imageio-ffmpeg brings, without a shell, and never left behind."""

import errno
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import ffmpeg
import imageio_ffmpeg

from manifests.errors import MissingPrerequisite

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "level+verbose")
"""Verbose: only at that level does ffmpeg count what it could not decode."""

COUNTS = re.compile(
    r"Input stream #(\d+):(\d+) \(\w+\): \d+ packets read .*?; (\d+) frames decoded; (\d+) decode errors"
)
CORRUPT = re.compile(r"\[dec:\S+ @ \S+\] \[warning\] .*corrupt decoded frame")
CHANGED = re.compile(r"Reconfiguring filter graph because (\w+) parameters changed to (.*)")
STREAM = re.compile(r"\[[a-z]+ist#(\d+):(\d+)/")
ERROR = re.compile(r"\[(?:error|fatal)\] (.*)")


@dataclass(frozen=True)
class Decoded:
    """How one input stream fared: `frames` came out; `damaged` were refused by the decoder or patched up by it."""

    frames: int
    damaged: int


@dataclass(frozen=True)
class Outcome:
    """What ffmpeg says of its inputs: each decoded stream by (input, stream), and a change of format on the way.

    `changed` names what changed and to what; empty where the format stayed. The filters begin anew at a change, with
    all that they knew of time.
    """

    decoded: Mapping[tuple[int, int], Decoded]
    changed: str = ""


class FfmpegFailed(RuntimeError):
    """ffmpeg ended with an error; the message is its last complaint, `outcome` how far it got."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@lru_cache(maxsize=1)
def executable() -> str:
    """The path of ffmpeg. Raises MissingPrerequisite when there is none."""
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise MissingPrerequisite(
            "No ffmpeg was found: reinstall the package 'imageio-ffmpeg' or name one in IMAGEIO_FFMPEG_EXE."
        ) from error


def run(outputs: Any, consume: Callable[[IO[bytes]], None]) -> Outcome:
    """Run ffmpeg for the `outputs` of ffmpeg-python; `consume` reads what it writes to its standard output, to the end.

    Kills ffmpeg on any exception. Raises OSError
    (ENOSPC) when the disk is full, MissingPrerequisite when ffmpeg cannot be started, FfmpegFailed otherwise.
    """
    command = [executable(), *QUIET, *ffmpeg.get_args(outputs)]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        _run(command, log, consume)
        log.seek(0)
        return _outcome(log)


def _run(command: list[str], log: IO[str], consume: Callable[[IO[bytes]], None]) -> None:
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)  # noqa: S603
    except OSError as error:
        raise MissingPrerequisite(f"{command[0]} cannot be started ({error}): reinstall 'imageio-ffmpeg'.") from error
    try:
        with process.stdout as pipe:  # type: ignore[union-attr]  # it is a pipe
            consume(pipe)
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if status:
        log.seek(0)
        raise _failure(log, status)


def _failure(log: IO[str], status: int) -> Exception:
    """What ffmpeg died of, in its own words: the first complaint that is not about one packet of the input."""
    lines = list(log)
    if any("No space left on device" in line for line in lines):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    complaints = [found[1].strip() for line in lines if (found := ERROR.search(line))]
    return FfmpegFailed(complaints[-1] if complaints else f"ffmpeg ended with status {status}", _outcome(lines))


def _outcome(lines: Iterable[str]) -> Outcome:
    """Read ffmpeg's closing counts; frames that it decoded with flaws are announced one by one."""
    corrupt: Counter[tuple[int, int]] = Counter()
    decoded: dict[tuple[int, int], Decoded] = {}
    changed = ""
    for line in lines:
        if CORRUPT.search(line) and (stream := STREAM.search(line)):
            corrupt[int(stream[1]), int(stream[2])] += 1
        elif found := COUNTS.search(line):
            key = int(found[1]), int(found[2])
            decoded[key] = Decoded(int(found[3]), int(found[4]) + corrupt[key])
        elif found := CHANGED.search(line):
            changed = f"{found[1]} to {found[2].strip()}"
    return Outcome(decoded, changed)

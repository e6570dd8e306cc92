"""Opens video and sound files: only regular files of known formats, whose declared sizes fit the file.

Any error that a library raises about the content becomes NotAVideo, so that one file costs no other.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG

import av
from av.container import InputContainer
from av.stream import Stream

from portrait_prep.errors import PortraitPrepError
from portrait_prep.media.formats import DECODER_OPTIONS, INPUT_OPTIONS, STILL
from portrait_prep.media.iso_boxes import declares_too_many, is_without_index
from portrait_prep.media.memory import bounded_memory

BLOCK = 1 << 20
"""Bytes of a file that are read at a time."""

MOST_QUOTED = 200
"""Characters of a library's error message that are passed on."""

NOT_WHITELISTED = "not on whitelist"
"""Part of FFmpeg's log line about a format outside `format_whitelist`."""

SYSTEM_ERRORS = frozenset(
    {
        *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO, errno.EACCES, errno.EAGAIN),
    }
)
"""Error numbers for which no file is to blame: lost network disks and devices, too many open files, rights, threads
that cannot be started."""


class NotAVideo(Exception):
    """The file holds no usable video (or sound, where that is asked for). The message continues "<file> …"."""


@contextmanager
def opened(path: Path, kind: str = "video") -> Iterator[InputContainer]:
    """Open a file for reading and close it at the end.

    Raises NotAVideo where it is none, or a library fails on its content inside the block; OSError where the system
    fails. `kind` is the word for the file in messages.
    """
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise NotAVideo("is not a regular file")
    if status.st_size == 0:
        raise NotAVideo("is empty (0 bytes)")
    if declares_too_many(path):
        raise NotAVideo(f"is damaged: it declares more samples than its {status.st_size} bytes can hold")
    with guarded(path, kind):
        with bounded_memory(status.st_size):
            container = open_container(path)
        with container:
            yield container


def open_container(path: Path) -> InputContainer:
    """Open a file of a known format. Raises what PyAV raises.

    Tags may hold any bytes; PyAV fails on those that are no UTF-8 unless told to replace them, which older releases
    cannot be told.
    """
    options = dict(INPUT_OPTIONS)
    try:
        container = av.open(str(path), "r", options=options, metadata_errors="replace")
    except TypeError:
        container = av.open(str(path), "r", options=options)
    for stream in filter(has_decoder, container.streams.video):
        stream.codec_context.options = dict(DECODER_OPTIONS)
    return container


@contextmanager
def guarded(path: Path, kind: str = "video") -> Iterator[None]:
    """Turn what libraries raise about the content of a file into NotAVideo, with their message.

    Errors of portrait_prep, OSError and MemoryError pass.
    """
    try:
        yield
    except av.FFmpegError as error:
        _raise_if_of_the_system(path, error)
        raise NotAVideo(_why_unreadable(path, kind, error)) from error
    except (NotAVideo, PortraitPrepError, OSError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_QUOTED]
        raise NotAVideo(f"is not a readable {kind} ({words})") from error


def _raise_if_of_the_system(path: Path, error: av.FFmpegError) -> None:
    """Raise OSError where FFmpeg passed on an error of the system.

    FFmpeg reports EIO for bad content as well; there the file is read to its end, which fails if the disk does.
    """
    if error.errno in SYSTEM_ERRORS:
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    if error.errno == errno.EIO:
        with path.open("rb") as file:
            while file.read(BLOCK):
                pass


def has_decoder(stream: Stream) -> bool:
    """Whether FFmpeg has a decoder for a track; PyAV gives a track without one no codec context."""
    return getattr(stream, "codec_context", None) is not None


def _why_unreadable(path: Path, kind: str, error: av.FFmpegError) -> str:
    """The message of NotAVideo, as specific as can be told."""
    if is_without_index(path):
        return "is cut short: its index (moov) is missing"
    if isinstance(error, av.ArgumentError) and (name := _refused_format(path)):
        if any(part in name for part in STILL):
            return "is a still image"
        return f"is not a {kind} but what FFmpeg calls '{name}': such files, playlists among them, are not opened"
    return f"is not a readable {kind} ({error.strerror})"


def _refused_format(path: Path) -> str | None:
    """FFmpeg's name of a format outside the whitelist, which it only logs; None where that was not the reason."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as said, bounded_memory(path.stat().st_size):
            open_container(path).close()
    except av.FFmpegError:
        return next((name for _, name, words in said if NOT_WHITELISTED in words), None)
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
    return None

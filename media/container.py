"""The one door to video and sound files of the world: only what is one, of this machine, whole by what it says.

Whatever a library raises while one is read, of any type, is that file's own failure.
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
from portrait_prep.media.boxes import declares_too_many, is_without_index
from portrait_prep.media.formats import DECODER_OPTIONS, INPUT_OPTIONS, STILL
from portrait_prep.media.memory import bounded_memory

BLOCK = 1 << 20
"""Bytes read at a time."""

MOST_WORDS = 200
"""Characters of a library's own words that are passed on."""

REFUSED = "not on whitelist"
"""What FFmpeg says of a format that it was not to open."""


OF_THE_SYSTEM = frozenset(
    {
        *(errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN),
        *(errno.EMFILE, errno.ENFILE, errno.ENODEV, errno.ENXIO),
    }
)
"""What no file is at fault of: network disks that went away, and too many open files."""


class NotAVideo(Exception):
    """The file holds no usable video (or sound, where that is asked for); the message reads on after its name."""


@contextmanager
def opened(path: Path, kind: str = "video") -> Iterator[InputContainer]:
    """Open for reading; what libraries raise until it is closed becomes NotAVideo, the system's stays OSError."""
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
    """A file of the formats that are opened. Raises what PyAV raises.

    Tags are of any bytes. PyAV decodes them strictly unless it is told otherwise, in releases that can be told.
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
    """Turn what libraries raise about the content of a file into NotAVideo, whose sentence names what it was.

    Our own errors, those of the system and a full memory pass.
    """
    try:
        yield
    except av.FFmpegError as error:
        _raise_if_of_the_system(path, error)
        raise NotAVideo(_why_unreadable(path, kind, error)) from error
    except (NotAVideo, PortraitPrepError, OSError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_WORDS]
        raise NotAVideo(f"is not a readable {kind} ({words})") from error


def _raise_if_of_the_system(path: Path, error: av.FFmpegError) -> None:
    """Raise OSError where FFmpeg passed on what the system said; EIO, which it also says of files, where it is so."""
    if error.errno in OF_THE_SYSTEM:
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    if error.errno == errno.EIO:
        with path.open("rb") as file:
            while file.read(BLOCK):
                pass


def has_decoder(stream: Stream) -> bool:
    """Whether FFmpeg knows a decoder for a track; one without has no attributes of a codec either."""
    return getattr(stream, "codec_context", None) is not None


def _why_unreadable(path: Path, kind: str, error: av.FFmpegError) -> str:
    """In words that say what to make of it, where that is known."""
    if is_without_index(path):
        return "is cut short: its index (moov) is missing"
    if isinstance(error, av.ArgumentError) and (name := _refused_format(path)):
        if any(part in name for part in STILL):
            return "is a still image"
        return f"is not a {kind} but what FFmpeg calls '{name}': such files, playlists among them, are not opened"
    return f"is not a readable {kind} ({error.strerror})"


def _refused_format(path: Path) -> str | None:
    """The name of the format that FFmpeg recognized and was not to open, which it only logs; None where it was not."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as said, bounded_memory(path.stat().st_size):
            open_container(path).close()
    except av.FFmpegError:
        return next((name for _, name, words in said if REFUSED in words), None)
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
    return None

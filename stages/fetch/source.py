"""What a catalogue's address names becomes a file of `sources/`: fetched once, however many videos need it.

Of two kinds: `https://…/Video_Speech_Actor_01.zip#Actor_01/01-01-….mp4` is a member of an archive; anything else is the
page of a video. One worker at a time fetches a source, and one that just failed is left in peace for a moment: else a
dead server would be waited for again with each of the videos that need it.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from filelock import FileLock

from manifests.catalogue import with_digest
from manifests.errors import TransferFailed
from pipeline.stage import BadVideo
from stages.fetch import archive, http, record
from stages.fetch.terms import Terms
from stages.fetch.ytdlp import fetch_video

MEMBER = re.compile(r"(?P<archive>[^#]+/(?P<name>[^/#?]+\.zip))#(?P<member>.+)", re.IGNORECASE)
RECORD = re.compile(r"(?P<site>https?://[^/]+)/records/(?P<id>[^/]+)/files/(?P<name>[^/?#]+)")
"""A file of a published record, as Zenodo and other InvenioRDM repositories address it."""

PEACE = 60.0
"""Seconds for which a source that failed is not asked again by this process."""
FAILURES = (BadVideo, TransferFailed)
"""What says something of the source, and would say the same a moment later."""

_failed: dict[tuple[str, Terms], tuple[float, Exception]] = {}
"""(address, terms) -> when it failed, and how."""


def fetch_source(address: str, sources: Path, terms: Terms, height: int | None = None) -> Path:
    """Bring what lies at `address` into the folder `sources` and return its path; what is there is not asked for again.

    `height` is the picture's that is wanted of a video page. The file's name ends in a digest of the address.

    Raises BadVideo when it cannot be had, TransferFailed when it did not come and may another time,
    MissingPrerequisite when the disk has too little room or a program is missing, BadSetting when proxy or cookies are
    unusable, and OSError when the bytes cannot be written.
    """
    if match := MEMBER.fullmatch(address):
        return _fetch_member(address, match, sources, terms)
    name = with_digest(_title(address), address)
    with _alone(sources, name), _in_peace(address, terms):
        return fetch_video(address, sources, name, terms, height)


def _title(address: str) -> str:
    """What to call a video page's file: its `v=`, as of YouTube, else the last part of its path."""
    parts = urlsplit(address)
    return parse_qs(parts.query).get("v", [""])[0] or PurePosixPath(parts.path).stem or str(parts.hostname)


def _fetch_member(address: str, match: re.Match[str], sources: Path, terms: Terms) -> Path:
    """The member's own file."""
    member = PurePosixPath(unquote(match["member"]))
    target = sources / f"{with_digest(member.stem, address)}{member.suffix.lower()}"
    packed = sources / _home(match["archive"]) / unquote(match["name"]).replace("/", "_")
    with _alone(packed.parent, packed.name):
        if target.is_file():
            return target
        with _in_peace(match["archive"], terms):
            _fetch_archive(match["archive"], packed, terms)
        try:
            archive.extract(packed, str(member), target)
        except archive.BrokenArchive:
            packed.unlink()
            with _in_peace(match["archive"], terms):
                _fetch_archive(match["archive"], packed, terms)
                _extract_again(packed, str(member), target)
    return target


def _home(archive_address: str) -> str:
    """The folder in which an archive lies under its published name, which others elsewhere may have, too."""
    if match := RECORD.fullmatch(archive_address):
        return f"record-{match['id']}"
    return with_digest(str(urlsplit(archive_address).hostname), archive_address.rpartition("/")[0])


def _extract_again(packed: Path, member: str, target: Path) -> None:
    """Out of an archive that was fetched anew. Raises TransferFailed where it is damaged as it was before."""
    try:
        archive.extract(packed, member, target)
    except archive.BrokenArchive as error:
        packed.unlink()
        raise TransferFailed(f"{error}, and so it was when fetched a second time") from error


def _fetch_archive(address: str, target: Path, terms: Terms) -> None:
    """Fetch an archive; a published record tells its size and digest. Raises BadVideo when the record has no such file.

    An archive that is there was proved when it came, or its user put it there.
    """
    match = RECORD.fullmatch(address)
    if match is None or target.is_file():
        return http.fetch(address, target, terms)
    api = f"{match['site']}/api/records/{match['id']}"
    found = record.files(api, target.with_name("record.json"), terms).get(unquote(match["name"]))
    if found is None:
        raise BadVideo(f"{api} lists no file {unquote(match['name'])}")
    return http.fetch(found.address, target, terms, found.size, found.md5)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Let no other process of this workspace fetch the same; a process that dies lets go."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{name}.lock"):
        yield


@contextmanager
def _in_peace(address: str, terms: Terms) -> Iterator[None]:
    """Fail at once where the same just failed."""
    now = time.monotonic()
    for key in [key for key, (when, _) in _failed.items() if now - when > PEACE]:
        del _failed[key]
    if known := _failed.get((address, terms)):
        raise type(known[1])(str(known[1]))
    try:
        yield
    except FAILURES as error:
        _failed[address, terms] = (time.monotonic(), error)
        raise

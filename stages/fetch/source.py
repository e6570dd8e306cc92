"""Fetches the source that an address of the catalogue names into `sources/`, once however many videos need it.

There are two kinds: `https://…/Video_Speech_Actor_01.zip#Actor_01/01-01-….mp4` is a member of an archive; any other
address is the page of a video. One worker at a time fetches a source. One that just failed is not asked again for a
while: else each video that needs it would wait for a dead server.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from portrait_prep.errors import TransferFailed
from portrait_prep.manifests.files import flush_and_rename
from portrait_prep.manifests.ids import with_digest
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.fetch import archive, http, record
from portrait_prep.stages.fetch.disk import exclusive_lock
from portrait_prep.stages.fetch.http import md5_of
from portrait_prep.stages.fetch.network import require_network
from portrait_prep.stages.fetch.settings import DownloadParams

MEMBER = re.compile(r"(?P<archive>[^#]+/(?P<name>[^/#?]+\.zip))#(?P<member>.+)", re.IGNORECASE)
RECORD = re.compile(r"(?P<site>https?://[^/]+)/records/(?P<id>[^/]+)/files/(?P<name>[^/?#]+)")
"""A file of a published record, as Zenodo and other InvenioRDM repositories address it."""

COOLDOWN = 60.0
"""Seconds for which a source that failed is not asked again by this process."""
FAILURES = (BadVideo, TransferFailed)
"""Errors that would come again a moment later; others (a full disk, a setting) say nothing of the source."""

_failed: dict[tuple[str, DownloadParams], tuple[float, Exception]] = {}
"""(address, params) -> when it failed, and how."""
_fetched_anew: set[str] = set()
"""Archives that this process has fetched a second time: what is damaged in them now was published so."""


def fetch_source(address: str, sources: Path, params: DownloadParams, height: int | None = None) -> Path:
    """Bring what lies at `address` into the folder `sources` and return its path; what is there is not asked for again.

    `height` is the picture's that is wanted of a video page: each height is a file of its own. The file's name ends in
    a digest of the address (and the height).

    Raises BadVideo when it cannot be had, TransferFailed when it did not come and may another time, NoNetwork when
    nothing would, BadSetting when proxy or cookies are unusable, and OSError when the bytes cannot be written.
    """
    http.require_http(address)
    try:
        match = MEMBER.fullmatch(address)
        return (
            _fetch_member(address, match, sources, params) if match else _fetch_page(address, sources, params, height)
        )
    except TransferFailed:
        require_network(address, params)
        raise


def _fetch_page(address: str, sources: Path, params: DownloadParams, height: int | None) -> Path:
    from portrait_prep.stages.fetch.ytdlp import fetch_video  # noqa: PLC0415  yt-dlp is large, and few commands need it

    name = _name(address, height)
    with exclusive_lock(sources / name), _fail_fast(name, params):
        return fetch_video(address, sources, name, params, height)


def _name(address: str, height: int | None) -> str:
    if not height:
        return with_digest(_title(address), address)
    return with_digest(f"{_title(address)}_{height}p", f"{address} {height}p")


def _title(address: str) -> str:
    """What to call a video page's file: its `v=`, as of YouTube, else the last part of its path."""
    parts = urlsplit(address)
    return parse_qs(parts.query).get("v", [""])[0] or PurePosixPath(parts.path).stem or str(parts.hostname)


def _fetch_member(address: str, match: re.Match[str], sources: Path, params: DownloadParams) -> Path:
    """The member's own file. What is wrong with one member costs no other."""
    member = PurePosixPath(unquote(match["member"]))
    target = sources / f"{with_digest(member.stem, address)}{member.suffix.lower()}"
    packed = sources / _archive_folder(match["archive"]) / unquote(match["name"]).replace("/", "_")
    # The lock lies outside the archives' folder, which may be the user's own.
    with exclusive_lock(sources / f"{packed.parent.name}-{packed.name}"):
        if target.is_file():
            return target
        with _fail_fast(match["archive"], params):
            _fetch_archive(match["archive"], packed, params)
        try:
            archive.extract(packed, str(member), target, params.reserve)
        except archive.BrokenArchive:
            with _fail_fast(match["archive"], params):
                _fetch_anew(match["archive"], packed, params)
            _extract_again(packed, str(member), target, params)
    return target


def _archive_folder(archive_address: str) -> str:
    """The folder in which an archive lies under its published name, which others elsewhere may have, too."""
    if match := RECORD.fullmatch(archive_address):
        return f"record-{match['id']}"
    return with_digest(str(urlsplit(archive_address).hostname), archive_address.rpartition("/")[0])


def _fetch_archive(address: str, target: Path, params: DownloadParams) -> None:
    """Fetch an archive, unless it is there: then it was proved when it came, or its user put it there.

    A published record tells its size and digest. Raises BadVideo when the record has no such file.
    """
    if target.is_file():
        return
    _make_folder(target)
    found = _published(address, target, params)
    try:
        if found is None:
            http.fetch(address, target, params)
        else:
            http.fetch(found.address, target, params, found.size, found.md5)
    except TransferFailed:
        _record_cache(target).unlink(missing_ok=True)  # what the record said may be of another version
        raise


def _fetch_anew(address: str, target: Path, params: DownloadParams) -> None:
    """Replace an archive that is damaged, once the new one is here; one that is as published is left alone."""
    _make_folder(target)
    found = _published(address, target, params)
    as_published = found and target.stat().st_size == found.size and md5_of(target) == found.md5
    if as_published or address in _fetched_anew:
        return
    fresh = target.with_name(f"{target.stem}.anew{target.suffix}")
    _fetch_archive(address, fresh, params)
    flush_and_rename(fresh, target)
    _fetched_anew.add(address)


def _extract_again(packed: Path, member: str, target: Path, params: DownloadParams) -> None:
    """Extract after the archive was fetched anew or found to be as published. Raises BadVideo when that is damaged."""
    try:
        archive.extract(packed, member, target, params.reserve)
    except archive.BrokenArchive as error:
        raise BadVideo(f"{member} cannot be taken out of what was published: {error}") from error


def _make_folder(packed: Path) -> None:
    """Make the folder of an archive in `sources`. Raises MissingPrerequisite where it is a link elsewhere."""
    sources = packed.parent.parent
    Workspace(sources.parent).folder(sources.name, packed.parent.name)


def _published(address: str, target: Path, params: DownloadParams) -> record.RecordFile | None:
    """What a published record says of an archive; None for one that lies elsewhere."""
    match = RECORD.fullmatch(address)
    if match is None:
        return None
    api = f"{match['site']}/api/records/{match['id']}"
    note = _record_cache(target)
    with exclusive_lock(note):
        found = record.files(api, note, params).get(unquote(match["name"]))
    if found is None:
        raise BadVideo(f"{api} lists no file {unquote(match['name'])}")
    return found


def _record_cache(archive_file: Path) -> Path:
    """Where a record's answer is kept: beside its archives."""
    return archive_file.with_name("record.json")


@contextmanager
def _fail_fast(address: str, params: DownloadParams) -> Iterator[None]:
    """Fail at once where the same just failed."""
    now = time.monotonic()
    for key in [key for key, (when, _) in _failed.items() if now - when > COOLDOWN]:
        del _failed[key]
    if known := _failed.get((address, params)):
        raise type(known[1])(str(known[1]))
    try:
        yield
    except FAILURES as error:
        _failed[address, params] = (time.monotonic(), error)
        raise

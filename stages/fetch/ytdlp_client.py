"""yt-dlp as a library that never joins two states of a file.

yt-dlp takes up a part by asking for the rest of whatever now has that name, and a part that it has to the end it does
not ask for at all. Here a note beside each part says of which state of the file it is (its validator and its size, as
of `stages.fetch.disk`), and before the first new byte the server must show that it still has that one.

The fragments of a film (HTTP Live Streaming, DASH) have no validator in common. So they are taken up only by the
download that began them; what an earlier run left of them is of no use.
"""

import re
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils import determine_protocol

from portrait_prep.manifests.plain_files import is_plain
from portrait_prep.stages.fetch.disk import Origin, Partial
from portrait_prep.stages.fetch.session import content_length, content_range, validator

PLAIN = ("http", "https")
"""Protocols (as yt-dlp names them) by which a file comes as a whole, and not in fragments."""
PART = ".part"
"""What yt-dlp adds to the name of a file that is still coming."""
REST = re.compile(r"bytes=([1-9]\d*)-\d*")
SAMPLE = 1 << 16
"""Bytes that the server sends again, to be compared with those that are here."""


def drop_unproved(work: Path) -> None:
    """Delete in the folder `work` every file without a note of its origin, and every link."""
    noted = {path.name for path in _noted(work)}
    for path in work.iterdir():
        if not is_plain(path) or not noted & {path.name, f"{path.name}{PART}", path.name.removesuffix(".json")}:
            path.unlink()


def _noted(work: Path) -> list[Path]:
    return [path.with_suffix("") for path in work.glob(f"*{PART}.json")]


class Client(YoutubeDL):  # type: ignore[misc]  # yt-dlp has no types
    """A YoutubeDL whose parts are proved to be of the file that the server has before they are gone on with."""

    _partial: Partial | None = None
    """What is being brought, where that is one file."""
    _proved = False
    """Whether its bytes are known to be of the file that `_partial` notes."""

    def dl(self, name: str, info: dict[str, Any], subtitle: bool = False, test: bool = False) -> Any:
        """Bring one file; yt-dlp calls this for each of those that it joins to a video."""
        if test:
            return super().dl(name, info, subtitle, test)
        plain, partial = determine_protocol(info) in PLAIN, Partial(Path(name), Path(f"{name}{PART}"))
        if partial.noted:
            partial.reopen()
            if not plain:
                partial.discard()
        self._partial, self._proved = partial if plain else None, False
        try:
            return super().dl(name, info, subtitle, test)
        finally:
            self._partial = None
            if not partial.bytes and not partial.target.exists():
                partial.discard()

    def urlopen(self, req: Request) -> Response:
        """Send a request; one for the rest of a file is made one for all of it where what is here cannot be proved."""
        partial = self._partial
        if partial is None:
            return super().urlopen(req)
        if _first(req) and not self._proved and not self._is_of_same(req, partial):
            del req.headers["Range"]  # yt-dlp takes the answer for a server's that knows no ranges, and begins anew
        self._proved = True
        try:
            response = super().urlopen(req)
        except HTTPError as error:
            if error.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                req.headers.pop("Range", None)  # yt-dlp asks at once for all of it, but with the same header fields
            raise
        rest = response.status == HTTPStatus.PARTIAL_CONTENT and _first(req) > 0
        self._meet(_origin(req, response), partial, rest)
        return response

    def _is_of_same(self, request: Request, partial: Partial) -> bool:
        """Ask for the last bytes of what is here: they must be the same, and so must what the server says of the file.

        Raises what yt-dlp raises when the server does not answer or refuses.
        """
        have, noted = partial.bytes, partial.origin(_name(request))
        if noted is None or _first(request) != have:
            return False
        sample = request.copy()
        sample.headers["Range"] = f"bytes={max(0, have - SAMPLE)}-{have - 1}"
        try:
            with super().urlopen(sample) as response:
                return not noted.differs(_origin(sample, response)) and _holds(partial, response, have)
        except HTTPError as error:
            if error.status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return False

    def _meet(self, offered: Origin, partial: Partial, rest: bool) -> None:
        """Note of which file the bytes are that follow; those of a `rest` must be of the one that is noted."""
        noted = partial.origin(offered.address)
        if noted is not None and not noted.differs(offered):
            return
        if rest:
            raise TransportError("another file has taken its place meanwhile")
        partial.begin(offered)


def _holds(partial: Partial, response: Response, have: int) -> bool:
    """Whether the bytes of the answer are those that are here; a server that knows no ranges sends the first ones."""
    span = content_range(response.headers.get("Content-Range"))
    first = 0 if span is None or span.first is None else span.first
    with partial.path.open("rb") as file:
        file.seek(first)
        here = file.read(min(SAMPLE, have - first))
    return bool(here == response.read(len(here)))


def _origin(request: Request, response: Response) -> Origin:
    headers = response.headers
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        span = content_range(headers.get("Content-Range"))
        total = span and span.total
    else:
        total = content_length(headers)
    return Origin(address=_name(request), validator=validator(headers), total=total)


def _name(request: Request) -> str:
    """What stays of an address from one try to the next: hosts take turns, and signatures in the query run out."""
    return str(urlsplit(request.url).path)


def _first(request: Request) -> int:
    """The byte from which on it asks for the rest of a file; 0 where it asks for the whole."""
    match = REST.fullmatch(request.headers.get("Range", ""))
    return int(match[1]) if match else 0

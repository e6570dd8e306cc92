"""One whole file over HTTP: resumed where it broke off, proved by size and digest, under its name only when whole."""

import hashlib
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Never
from urllib.parse import urlsplit

import requests
import urllib3

from portrait_prep.errors import BadSetting, TransferFailed
from portrait_prep.media.file import regular
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import disk
from portrait_prep.stages.fetch.disk import Origin, Partial
from portrait_prep.stages.fetch.session import (
    MB,
    Interrupted,
    Pace,
    Span,
    content_length,
    content_range,
    open_session,
    proxies_of,
    retry_after,
    validator,
    with_retries,
)
from portrait_prep.stages.fetch.settings import DownloadParams

SCHEMES = ("http", "https")
BLOCK = 1 << 18
"""Bytes read at once, at most."""
LOOK = 1 << 24
"""Bytes of a body of unknown length after which the space on the disk is looked at again."""
PASSING = frozenset(
    (
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
)
"""Client errors that say nothing against the file; with them all server errors (5xx)."""


class _UnusablePart(Exception):
    """The bytes that are here are of no use: begin anew."""


class _UnexpectedFile(Exception):
    """What came is not what was expected."""


def fetch(
    address: str,
    target: Path,
    params: DownloadParams,
    size: int | None = None,
    md5: str | None = None,
    most: int | None = None,
) -> None:
    """Bring what lies at `address` to `target`, whole or not at all; a target that is there is left alone.

    `size` (bytes) and `md5` (hexadecimal) are what is expected of it, where that is known; of a file of unknown size no
    more than `most` bytes are taken. A target of another size is
    replaced; its digest was checked when it was put there. Bytes that came before are not asked for again (`Range`,
    RFC 9110) when the server (`If-Range`), the size or the digest can prove that they are of the same file. A file
    that is not as expected is fetched a second time from its beginning. One process at a time may fetch to a target.

    Raises BadVideo when the server refuses for good (404, 403, …), TransferFailed when the transfer broke off too often
    or brought another file than expected or the disk has too little space for it, BadSetting when the proxy or the
    cookies are unusable, and OSError as the system gives it when the bytes cannot be written.
    """
    require_http(address)
    if target.is_file() and size in (None, target.stat().st_size):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Partial(target)
    with open_session(params) as session:
        transfer = _Transfer(session, address, partial, params, size, md5, most)
        for last in (False, True):
            try:
                transfer.complete()
                _verify(partial, size, md5)
                break
            except _UnexpectedFile as wrong:
                partial.discard()
                if last:
                    raise TransferFailed(f"{address} {wrong}, twice in a row") from wrong
    partial.commit()


def require_http(address: str) -> None:
    """Raise BadVideo for what is no address of http or https, or none at all."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadVideo(f"{address} is not an address of http or https")


def _verify(partial: Partial, size: int | None, md5: str | None) -> None:
    if size is not None and partial.bytes != size:
        raise _UnexpectedFile(f"has {partial.bytes} bytes, not the {size} expected")
    if md5 is None:
        return
    if (got := md5_of(partial.path)) != md5.lower():
        raise _UnexpectedFile(f"has the MD5 {got}, not the {md5.lower()} expected")


def md5_of(path: Path) -> str:
    """The MD5 of a file, hexadecimal: no proof against malice, but what records publish."""
    with regular(path).open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _Transfer:
    """Requests for one file until all of it is in the partial file."""

    def __init__(
        self,
        session: requests.Session,
        address: str,
        partial: Partial,
        params: DownloadParams,
        size: int | None,
        md5: str | None,
        most: int | None,
    ) -> None:
        self._session, self._proxies = session, proxies_of(params, address)
        self._address, self._partial, self._params, self._size, self._md5 = address, partial, params, size, md5
        self._most = most

    def complete(self) -> None:
        """Ask until the file is whole."""
        self._kept()
        try:
            with_retries(self._resume, lambda: self._partial.bytes, self._params.retries)
        except Interrupted as interrupted:
            tries = "one try" if interrupted.tries == 1 else f"{interrupted.tries} tries"
            raise TransferFailed(f"{self._address} did not come in {tries}: {interrupted}") from interrupted

    def _resume(self) -> None:
        """One try for what is missing; where it shows that what is here is of no use, for all of it."""
        try:
            self._ask_for_rest()
        except _UnusablePart:
            self._partial.discard()
            self._ask_for_rest()

    def _ask_for_rest(self) -> None:
        """One request for what is missing. Raises _UnusablePart where that cannot be had of the same file."""
        origin, have = self._kept()
        total = self._total(origin)
        if have and have == total:
            return
        self._require_space(have, total)
        with self._ask(origin, have) as response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                self._require_whole(response, have)
                return
            span = self._span(response)
            self._accept(Origin(address=self._address, validator=validator(response.headers), total=span.total), span)
            self._receive(response, span.total)

    def _kept(self) -> tuple[Origin | None, int]:
        """Origin and number of the bytes that are here; they are thrown away when nothing can prove them."""
        origin, have = self._partial.origin(self._address), self._partial.bytes
        total = self._total(origin)
        proof = self._size is not None or self._md5 is not None or (origin is not None and origin.validator is not None)
        if not have or (proof and (total is None or have <= total)):
            return origin, have
        self._partial.discard()
        return None, 0

    def _total(self, origin: Origin | None) -> int | None:
        return self._size if self._size is not None or origin is None else origin.total

    def _require_space(self, have: int, total: int | None) -> None:
        disk.require_space(self._partial.target.parent, max(0, (total or 0) - have), self._params.reserve)

    def _ask(self, origin: Origin | None, have: int) -> requests.Response:
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and origin and origin.validator:
            headers["If-Range"] = origin.validator
        seconds = self._params.timeout
        try:
            return self._session.get(
                self._address, headers=headers, stream=True, timeout=(seconds, seconds), proxies=dict(self._proxies)
            )
        except requests.exceptions.InvalidProxyURL as error:
            raise BadSetting(f"The proxy cannot be used ({error}): set 'proxy', or mend HTTP_PROXY.") from error
        except (ValueError, requests.TooManyRedirects) as error:
            raise BadVideo(f"{self._address} cannot be asked for: {_line(error)}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Interrupted(_reason(error, seconds)) from error

    def _require_whole(self, response: requests.Response, have: int) -> None:
        """The server has nothing beyond what is here: that is all of it, or more than all."""
        span = content_range(response.headers.get("Content-Range"))
        if span is None or span.total != have:
            raise _UnusablePart

    def _span(self, response: requests.Response) -> Span:
        """What part of the file the answer holds. Raises BadVideo or Interrupted when it holds none."""
        headers = response.headers
        if response.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            self._refuse(response)
        packed = headers.get("Content-Encoding", "identity")
        if packed != "identity" and self._size is None and self._md5 is None:
            raise BadVideo(f"{self._address} is sent packed as {packed}, though asked for as it is")
        if response.status_code == HTTPStatus.OK:
            return Span(0, content_length(headers))
        return content_range(headers.get("Content-Range")) or Span(None, None)

    def _refuse(self, response: requests.Response) -> Never:
        code = response.status_code
        answer = f"answered {code} {response.reason or ''}".strip()
        if code in PASSING or code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Interrupted(f"the server {answer}", retry_after(response.headers.get("Retry-After")))
        raise BadVideo(f"{self._address} {answer}")

    def _accept(self, offered: Origin, span: Span) -> None:
        """Make the partial file ready for the part that follows: empty for a whole file, as it is for its rest.

        A file of another size than expected may be but the page of a server in trouble: what is here stays for now.
        """
        origin, have = self._kept()
        if self._size is not None and span.total not in (None, self._size):
            problem = f"has {span.total} bytes, not the {self._size} expected"
            raise Interrupted(f"what the server sent {problem}") if have else _UnexpectedFile(problem)
        if span.first == 0:
            self._partial.begin(offered)
        elif not have:
            raise Interrupted("the server sent another part of the file than the one asked for")
        elif span.first != have or (origin is not None and origin.differs(offered)):
            raise _UnusablePart

    def _receive(self, response: requests.Response, total: int | None) -> None:
        """Add the body to the partial file. One of unknown length must leave the disk its reserve all the way."""
        expected, have = self._size if total is None else total, self._partial.bytes
        most = self._most if expected is None else expected
        self._require_space(have, expected)
        looked = have
        with self._partial.append() as file:
            for block in self._blocks(response):
                file.write(block)
                file.flush()
                have += len(block)
                if most is not None and have > most:
                    raise _UnexpectedFile(f"has more than the {most} bytes expected")
                if expected is None and have - looked > LOOK:
                    self._require_space(have, None)
                    looked = have
        if expected is not None and have < expected:
            raise Interrupted(f"it broke off after {have} of {expected} bytes")

    def _blocks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes, no faster than the settings allow.

        Raises Interrupted when it stops coming, TransferFailed when it comes too slowly.
        """
        pace = Pace(self._address, self._params)
        rate = self._params.rate * MB
        largest = min(BLOCK, max(1024, int(rate / 4))) if rate else BLOCK
        while True:
            started = time.monotonic()
            try:
                block = response.raw.read1(largest, decode_content=False)
            except urllib3.exceptions.HTTPError as error:
                raise Interrupted(_reason(error, self._params.timeout)) from error
            if not block:
                return
            pace.add(len(block), time.monotonic() - started)
            yield block
            if rate:
                time.sleep(max(0.0, len(block) / rate - (time.monotonic() - started)))


def _reason(error: BaseException, timeout: float) -> str:
    """In plain words why a request failed, from the exception in the chain that the system or the protocol raised."""
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return f"the server sent nothing for {timeout:g} s"
    while isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return _line(getattr(error, "strerror", None) or error)


def _line(message: object) -> str:
    return " ".join(str(message).split())

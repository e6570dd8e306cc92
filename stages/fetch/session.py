"""What files and video pages are fetched with alike: proxy and cookies, repeated tries, and header fields of HTTP."""

import random
import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import MozillaCookieJar
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import requests

from portrait_prep.errors import BadSetting, MissingPrerequisite, TransferFailed
from portrait_prep.stages.fetch.settings import DownloadParams

PROXY = re.compile(r"(https?|socks4a?|socks5h?)://[^/]", re.IGNORECASE)

FIRST_WAIT = 0.5
"""Seconds before a transfer that broke off is taken up again; each further time twice as long."""
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 120.0
"""Seconds that a server may make us wait by its Retry-After."""

MB = 1_000_000
LEAST = 1000.0
"""Bytes a second that must come on the mean of a WINDOW; the slowest links of telephones give some thousand."""
WINDOW = 60.0
"""Seconds."""
NEWS = 1024
"""New bytes for which a transfer that broke off counts as getting on."""

SPAN = re.compile(r"bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)", re.IGNORECASE)
NUMBER = re.compile(r"\d{1,18}")

Got = TypeVar("Got")


def open_session(params: DownloadParams) -> requests.Session:
    """A session that shows the cookies of `params` and reaches http and https only, also where it is sent on.

    Raises BadSetting when the cookies cannot be read.
    """
    session = requests.Session()
    session.headers["User-Agent"] = f"portrait-prep {requests.utils.default_user_agent()}"
    session.headers["Accept-Encoding"] = "identity"  # ranges and sizes are those of the file, not of a packed form
    if params.cookies:
        session.cookies.update(cookies_of(Path(params.cookies)))
    return session


def proxies_of(params: DownloadParams, address: str) -> dict[str, str]:
    """The proxy for each scheme: the one that is set, else the environment's for `address`, if any.

    Give them to each request: those of a session yield to the environment's.

    Raises BadSetting when the one set is no address of a proxy, MissingPrerequisite when its kind needs a package.
    """
    if params.proxy and not PROXY.match(params.proxy):
        raise BadSetting(
            f"The proxy {params.proxy!r} is no address: write it as http://host:port or socks5://host:port."
        )
    given = {"http": params.proxy, "https": params.proxy}
    proxies = given if params.proxy else dict(requests.utils.get_environ_proxies(address))
    if any(proxy.lower().startswith("socks") for proxy in proxies.values()) and find_spec("socks") is None:
        raise MissingPrerequisite(
            "A SOCKS proxy needs the package PySocks: 'pip install PySocks', or use an http proxy."
        )
    return proxies


def cookies_of(path: Path) -> MozillaCookieJar:
    """Read a cookies.txt (Netscape format). Raises BadSetting when it is missing or is none."""
    jar = MozillaCookieJar(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library takes a malformed line for a defect of its own
            jar.load(ignore_discard=True, ignore_expires=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not in Netscape format"
        raise BadSetting(
            f"The cookies file {path} cannot be read ({reason}): export it anew as cookies.txt."
        ) from error
    for cookie in jar:
        if cookie.expires == 0:  # so browsers' exports write a cookie of the session, which does not run out
            cookie.expires, cookie.discard = None, True
    return jar


class Interrupted(Exception):
    """This try came to nothing, another may not; `wait` is how long the server wants us to wait, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.tries = 1
        """Failures in a row, this one included, with no NEWS between them."""


class Pace:
    """Holds a transfer to a least rate: a server that lets bytes drip would keep a worker for ever."""

    def __init__(self, address: str, params: DownloadParams) -> None:
        self._address = address
        self._least = WINDOW * min(LEAST, params.rate * MB / 2 or LEAST)
        self._longest = max(params.timeout, WINDOW / 2)
        self._bytes, self._seconds = 0, 0.0

    def add(self, count: int, seconds: float) -> None:
        """Take in that so many bytes came in so many seconds; of a longer silence this process may have slept.

        Raises TransferFailed where too few came for a whole WINDOW.
        """
        self._bytes += count
        self._seconds += min(seconds, self._longest)
        if self._bytes >= self._least:
            self._bytes, self._seconds = 0, 0.0
        elif self._seconds > WINDOW:
            raise TransferFailed(
                f"{self._address} comes too slowly: {self._bytes} bytes in {self._seconds:.0f} s; run again later"
            )


def with_retries(attempt: Callable[[], Got], reached: Callable[[], int], retries: int) -> Got:
    """Call `attempt` until it is not interrupted, and return what it returns.

    `reached` tells how many bytes are here: only failures in a row, with no NEWS between them, count as retries.
    Raises the last Interrupted when they are too many, and whatever else `attempt` raises.
    """
    failures, furthest = 0, reached()
    while True:
        try:
            return attempt()
        except Interrupted as interrupted:
            here = reached()
            if here - furthest >= NEWS:
                failures, furthest = 0, here
            failures += 1
            if failures > retries:
                interrupted.tries = failures
                raise
            time.sleep(wait(failures, interrupted.wait))


def wait(failures: int, asked: float | None) -> float:
    """Seconds to wait after so many failures; less by chance, so that many transfers do not come back as one."""
    if asked is not None:
        return min(asked, LONGEST_RETRY_AFTER)
    longest: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 16))
    return random.SystemRandom().uniform(longest / 2, longest)


@dataclass(frozen=True)
class Span:
    """A Content-Range: where the part begins (None: there is no part) and how long the whole is, where that is said."""

    first: int | None
    total: int | None


def content_range(text: str | None) -> Span | None:
    """Read a Content-Range (RFC 9110, 14.4); None when it is absent or malformed."""
    match = SPAN.fullmatch((text or "").strip())
    if not match:
        return None
    first, last, total = (int(group) if group and group != "*" else None for group in match.groups())
    if first is not None and last is not None and (last < first or (total is not None and total <= last)):
        return None
    return Span(first, total)


def content_length(headers: Mapping[str, str]) -> int | None:
    """How many bytes the body has, where that is said."""
    text = headers.get("Content-Length", "").strip()
    return int(text) if NUMBER.fullmatch(text) and "Transfer-Encoding" not in headers else None


def validator(headers: Mapping[str, str]) -> str | None:
    """What may stand in If-Range (RFC 9110, 13.1.5): a strong entity tag, else the date of the last change."""
    tag = headers.get("ETag", "").strip()
    return tag if tag.startswith('"') else headers.get("Last-Modified")


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait as a Retry-After says (RFC 9110, 10.2.3: a number or a date); None when it does not."""
    text = (text or "").strip()
    if NUMBER.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())

"""What every request shares: the proxy, the cookies, and how we name ourselves."""

import re
import warnings
from http.cookiejar import MozillaCookieJar
from importlib.util import find_spec
from pathlib import Path

import requests

from manifests.errors import BadSetting, MissingPrerequisite
from stages.fetch.terms import Terms

PROXY = re.compile(r"(https?|socks4a?|socks5h?)://[^/]", re.IGNORECASE)


def open_session(terms: Terms) -> requests.Session:
    """A session that shows the cookies of `terms` and reaches http and https only, also where it is sent on.

    Raises BadSetting when the cookies cannot be read.
    """
    session = requests.Session()
    session.headers["User-Agent"] = f"portrait-prep {requests.utils.default_user_agent()}"
    session.headers["Accept-Encoding"] = "identity"  # ranges and sizes are those of the file, not of a packed form
    if terms.cookies:
        session.cookies.update(cookies_of(Path(terms.cookies)))
    return session


def proxies_of(terms: Terms, address: str) -> dict[str, str]:
    """The proxy for each scheme: the one that is set, else the environment's for `address`, if any.

    Give them to each request: those of a session yield to the environment's.

    Raises BadSetting when the one set is no address of a proxy, MissingPrerequisite when its kind needs a package.
    """
    if terms.proxy and not PROXY.match(terms.proxy):
        raise BadSetting(
            f"The proxy {terms.proxy!r} is no address: write it as http://host:port or socks5://host:port."
        )
    given = {"http": terms.proxy, "https": terms.proxy}
    proxies = given if terms.proxy else dict(requests.utils.get_environ_proxies(address))
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
        said = getattr(error, "strerror", None) or "it is not in Netscape format"
        raise BadSetting(f"The cookies file {path} cannot be read ({said}): export it anew as cookies.txt.") from error
    for cookie in jar:
        if cookie.expires == 0:  # so browsers' exports write a cookie of the session, which does not run out
            cookie.expires, cookie.discard = None, True
    return jar

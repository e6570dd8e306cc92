"""What every request shares: the proxy, the cookies, and how we name ourselves."""

import warnings
from http.cookiejar import MozillaCookieJar
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import requests

from manifests.errors import BadSetting, MissingPrerequisite
from stages.fetch.terms import Terms

PROXY_SCHEMES = frozenset(("http", "https", "socks4", "socks4a", "socks5", "socks5h"))


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


def proxies_of(terms: Terms) -> dict[str, str]:
    """The proxy for each scheme; give it to each request, since a session's own yields to the environment's.

    Raises BadSetting when it is no address of a proxy, MissingPrerequisite when its kind needs a package.
    """
    if not terms.proxy:
        return {}
    scheme = urlsplit(terms.proxy).scheme.lower()
    if scheme not in PROXY_SCHEMES:
        raise BadSetting(
            f"The proxy {terms.proxy!r} is no address: write it as http://host:port or socks5://host:port."
        )
    if scheme.startswith("socks") and find_spec("socks") is None:
        raise MissingPrerequisite(
            "A SOCKS proxy needs the package PySocks: 'pip install PySocks', or use an http proxy."
        )
    return {"http": terms.proxy, "https": terms.proxy}


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

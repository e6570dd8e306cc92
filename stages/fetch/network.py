"""Whether there is a network at all: what fails without one says nothing of a source, nor of the next."""

import socket
from urllib.parse import urlsplit

from portrait_prep.errors import NoNetwork
from portrait_prep.stages.fetch.session import proxies_of
from portrait_prep.stages.fetch.settings import DownloadParams

PUBLISHERS = (("www.youtube.com", 443), ("zenodo.org", 443))
"""Hosts from which corpora are fetched: where one of them is reached, another host's silence is its own."""
PATIENCE = 3.0
"""Seconds to wait for a host to answer."""
PORTS = {"http": 80, "https": 443}


def require_network(address: str, params: DownloadParams) -> None:
    """Raise NoNetwork where neither the host of `address` nor any other is reached, or its proxy is not."""
    try:
        proxy = proxies_of(params, address).get(urlsplit(address).scheme)
        host, port = _place(proxy or address)
    except ValueError:  # what is no address says nothing of the network
        return
    if not host or _answers(host, port, even_refusing=not proxy):
        return
    if proxy:
        raise NoNetwork(
            f"The proxy {host}:{port} cannot be reached, and nothing is downloaded: mend [download] proxy (or "
            "HTTP_PROXY) and run again, or run with --local for what is here."
        )
    if not any(_answers(*other) for other in PUBLISHERS):
        raise NoNetwork(
            f"There is no network ({host} cannot be reached, nor any other host), and nothing is downloaded: run again "
            "when there is one, or with --local for what is here."
        )


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1080)


def _answers(host: str, port: int, even_refusing: bool = True) -> bool:
    """Whether the way to a host is open: one that refuses is there, though of no use as a proxy."""
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except ConnectionError:
        return even_refusing
    except (OSError, UnicodeError):
        return False
    return True

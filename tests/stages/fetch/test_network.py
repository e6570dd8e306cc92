"""No network is told from a host that is away."""

import socket

import pytest

from portrait_prep.errors import NoNetwork
from portrait_prep.stages.fetch.network import PUBLISHERS, require_network
from portrait_prep.stages.fetch.settings import DownloadParams

ADDRESS = "https://media.example/film.mp4"


class Connection:
    def close(self) -> None:
        """Nothing to do."""


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> dict[str, type[Exception] | None]:
    """Host -> how it answers; others cannot be found."""
    answers: dict[str, type[Exception] | None] = {}

    def create(place: tuple[str, int], timeout: float) -> Connection:
        error = answers.get(place[0], socket.gaierror)
        if error:
            raise error
        return Connection()

    monkeypatch.setattr(socket, "create_connection", create)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return answers


@pytest.mark.usefixtures("reached")
def test_without_any_host_there_is_no_network() -> None:
    with pytest.raises(NoNetwork, match=r"There is no network \(host.invalid cannot be reached, nor any other host\)"):
        require_network("https://host.invalid/x", DownloadParams(proxy=""))


@pytest.mark.parametrize("answer", [None, ConnectionRefusedError, ConnectionResetError])
def test_a_host_that_answers_in_any_way_is_there(
    reached: dict[str, type[Exception] | None], answer: type[Exception] | None
) -> None:
    reached["media.example"] = answer
    require_network(ADDRESS, DownloadParams())


@pytest.mark.parametrize("publisher", [host for host, _ in PUBLISHERS])
@pytest.mark.parametrize("silence", [socket.gaierror, TimeoutError, OSError])
def test_a_host_that_alone_is_away_is_its_own_failure(
    reached: dict[str, type[Exception] | None], publisher: str, silence: type[Exception]
) -> None:
    reached |= {"media.example": silence, publisher: None}
    require_network(ADDRESS, DownloadParams())


def test_behind_a_proxy_the_proxy_counts(reached: dict[str, type[Exception] | None]) -> None:
    params = DownloadParams(proxy="http://proxy.example:3128")
    reached |= dict.fromkeys(host for host, _ in PUBLISHERS)
    with pytest.raises(NoNetwork, match=r"The proxy proxy.example:3128 cannot be reached"):
        require_network(ADDRESS, params)
    reached["proxy.example"] = ConnectionRefusedError
    with pytest.raises(NoNetwork):
        require_network(ADDRESS, params)
    reached["proxy.example"] = None
    require_network(ADDRESS, params)


@pytest.mark.usefixtures("reached")
@pytest.mark.parametrize("address", ["http://[::1", "http://host:99999999/x", "http:///x", ""])
def test_what_is_no_address_says_nothing_of_the_network(address: str) -> None:
    require_network(address, DownloadParams())

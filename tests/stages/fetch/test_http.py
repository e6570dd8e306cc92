import errno
import hashlib
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadSetting, MissingPrerequisite, TransferFailed
from portrait_prep.manifests.files import TEMPORARY
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import http, session
from portrait_prep.stages.fetch.disk import Partial
from portrait_prep.stages.fetch.http import fetch
from portrait_prep.stages.fetch.session import Span, content_length, content_range, retry_after
from portrait_prep.stages.fetch.settings import SLOWEST, DownloadParams
from tests.stages.fetch.server import Server, Turn

CONTENT = bytes(range(256)) * 4096
"""1 MiB."""
MD5 = hashlib.md5(CONTENT).hexdigest()
PATH = "/a.zip"
ROOT = Path(__file__).parents[3]


def params(**settings: Any) -> DownloadParams:
    return DownloadParams.model_validate({"reserve": 0.0, "timeout": 5.0, **settings})


def leave_half(server: Server, target: Path, **how: Any) -> int:
    """Break a transfer off for good after half of it; return how many bytes stay."""
    half = len(CONTENT) // 2
    address = server.put(PATH, CONTENT, Turn(stop_after=half), **how)
    with pytest.raises(TransferFailed, match=f"^{address} did not come in one try: "):
        fetch(address, target, params(retries=0))
    assert not target.exists()
    assert partial(target).read_bytes() == CONTENT[:half]
    return half


def partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def assert_whole(target: Path, content: bytes = CONTENT) -> None:
    """The target is there, and nothing beside it."""
    assert target.read_bytes() == content
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("content", [b"", b"1", CONTENT])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_file_comes_whole_and_a_second_time_nothing_is_asked(
    server: Server, tmp_path: Path, content: bytes, chunked: bool, known: bool
) -> None:
    address = server.put(PATH, content, always=Turn(chunked=chunked))
    facts: dict[str, Any] = {"size": len(content), "md5": hashlib.md5(content).hexdigest()} if known else {}
    target = tmp_path / "sources/a.zip"
    for _ in range(2):
        fetch(address, target, params(), **facts)
        assert_whole(target, content)
    assert [exchange.status for exchange in server.log] == [200]
    assert server.log[0].headers["Accept-Encoding"] == "identity"


def test_a_target_of_another_size_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"older")
    fetch(server.put(PATH, CONTENT), tmp_path / "a.zip", params(), size=len(CONTENT))
    assert_whole(tmp_path / "a.zip")


@pytest.mark.parametrize("how", [{"stop_after": 300_000}, {"stop_after": 300_000, "reset": True}])
def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path, how: dict[str, Any]) -> None:
    address = server.put(PATH, CONTENT, Turn(**how), Turn(**how), etag='"v1"')
    fetch(address, tmp_path / "a.zip", params(retries=1), size=len(CONTENT), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == [200, 206, 206]
    assert server.log[1].headers["If-Range"] == '"v1"'
    if "reset" not in how:
        assert server.log[1].headers["Range"] == "bytes=300000-"
        assert server.sent() == len(CONTENT)


def test_a_chunked_body_that_breaks_off_is_not_whole(server: Server, tmp_path: Path) -> None:
    address = server.put(PATH, CONTENT, Turn(chunked=True, stop_after=1000), always=Turn(chunked=True))
    fetch(address, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert len(server.log) == 2


def test_a_stalled_connection_is_taken_up_and_told_when_it_stalls_for_ever(server: Server, tmp_path: Path) -> None:
    stall = Turn(stop_after=1000, silence=30)
    fetch(server.put(PATH, CONTENT, stall, etag='"v1"'), tmp_path / "a.zip", params(timeout=0.2))
    assert_whole(tmp_path / "a.zip")
    address = server.put("/b.zip", CONTENT, always=Turn(stop_after=0, silence=30))
    with pytest.raises(TransferFailed, match=r"did not come in 3 tries: the server sent nothing for 0\.1 s$"):
        fetch(address, tmp_path / "b.zip", params(timeout=0.1, retries=2))


def test_new_bytes_begin_the_count_of_retries_anew(server: Server, tmp_path: Path) -> None:
    steps = [Turn(stop_after=150_000)] * 6
    fetch(server.put(PATH, CONTENT, *steps, etag='"v1"'), tmp_path / "a.zip", params(retries=1))
    assert_whole(tmp_path / "a.zip")
    stuck = server.put("/b.zip", CONTENT, always=Turn(ignore_range=True, stop_after=150_000), etag='"v1"')
    with pytest.raises(TransferFailed, match=r"in 4 tries: .*150000"):
        fetch(stuck, tmp_path / "b.zip", params(retries=3))
    assert len(server.of("/b.zip")) == 4


def test_a_server_that_drips_holds_nobody_for_ever(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "WINDOW", 0.5)
    drip = server.put(PATH, CONTENT, always=Turn(block=1, drip=0.02))
    with pytest.raises(TransferFailed, match=rf"^{drip} comes too slowly: \d+ bytes in \d+ s; run again later$"):
        fetch(drip, tmp_path / "a.zip", params(timeout=0.2))
    slow = server.put("/b.zip", CONTENT[:30_000], always=Turn(block=1000, drip=0.05))
    fetch(slow, tmp_path / "b.zip", params())
    crumbs = server.put("/c.zip", CONTENT, always=Turn(stop_after=1), etag='"v1"')
    with pytest.raises(TransferFailed, match="did not come in 3 tries"):
        fetch(crumbs, tmp_path / "c.zip", params(retries=2))


@given(st.floats(20_000, 1e9), st.floats(0.0, 1e6))
def test_an_honest_slow_link_keeps_the_pace(rate: float, limit: float) -> None:
    limit = max(limit, SLOWEST) if limit else 0.0
    pace = session.Pace("http://a/", params(rate=min(limit, 1e5)))
    for _ in range(500):
        pace.add(1024, 1024 / rate)


def test_nobody_listens(server: Server, tmp_path: Path) -> None:
    with Server() as gone:
        address = gone.put(PATH, CONTENT)
    with pytest.raises(TransferFailed, match=rf"^{address} did not come in 2 tries: Connection refused$"):
        fetch(address, tmp_path / "a.zip", params(retries=1))


@pytest.mark.parametrize("how", [{"etag": '"v1"'}, {"modified": 1_500_000_000.0}, {"etag": 'W/"v1"', "modified": 1.0}])
def test_the_next_run_asks_only_for_the_rest_of_the_same_file(
    server: Server, tmp_path: Path, how: dict[str, Any]
) -> None:
    half = leave_half(server, tmp_path / "a.zip", **how)
    fetch(server.put(PATH, CONTENT, **how), tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert server.log[-1].sent == len(CONTENT) - half
    assert server.log[-1].status == 206


@pytest.mark.parametrize("facts", [{"size": len(CONTENT)}, {"md5": MD5}])
def test_what_is_expected_proves_the_rest_where_the_server_cannot(
    server: Server, tmp_path: Path, facts: dict[str, Any]
) -> None:
    half = leave_half(server, tmp_path / "a.zip")
    fetch(server.address + PATH, tmp_path / "a.zip", params(), **facts)
    assert_whole(tmp_path / "a.zip")
    assert server.log[-1].sent == len(CONTENT) - half
    assert "If-Range" not in server.log[-1].headers


def test_without_any_proof_it_begins_anew(server: Server, tmp_path: Path) -> None:
    leave_half(server, tmp_path / "a.zip", etag='W/"v1"')
    fetch(server.address + PATH, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert "Range" not in server.log[-1].headers


def test_bytes_of_another_address_prove_nothing(server: Server, tmp_path: Path) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    fetch(server.put("/b.zip", CONTENT[::-1], etag='"v1"'), tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip", CONTENT[::-1])


def test_a_file_that_changed_meanwhile_begins_anew(server: Server, tmp_path: Path) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    fetch(server.put(PATH, CONTENT[::-1], etag='"v2"'), tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip", CONTENT[::-1])
    assert server.log[-1].status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        Turn(shift=7),
        Turn(headers={"Content-Range": "bytes"}),
        Turn(headers={"ETag": '"v2"'}),
        Turn(headers={"Content-Range": f"bytes {len(CONTENT) // 2}-{len(CONTENT)}/{len(CONTENT) + 1}"}),
        Turn(ignore_range=True),
    ],
)
def test_a_part_that_does_not_fit_is_not_added(server: Server, tmp_path: Path, wrong: Turn) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    fetch(server.put(PATH, CONTENT, wrong, etag='"v1"'), tmp_path / "a.zip", params(retries=0))
    assert_whole(tmp_path / "a.zip")


def test_a_part_that_nobody_asked_for_is_not_taken(server: Server, tmp_path: Path) -> None:
    part = Turn(status=206, headers={"Content-Range": "bytes 7-9/10"})
    with pytest.raises(TransferFailed, match="sent another part of the file"):
        fetch(server.put(PATH, CONTENT, always=part), tmp_path / "a.zip", params(retries=1))


def test_a_server_that_gives_the_file_in_pieces_is_asked_on(server: Server, tmp_path: Path) -> None:
    half = leave_half(server, tmp_path / "a.zip", etag='"v1"')
    fetch(server.put(PATH, CONTENT, always=Turn(piece=half // 4), etag='"v1"'), tmp_path / "a.zip", params(retries=1))
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == [200, 206, 206, 206, 206]


@pytest.mark.parametrize("facts", [{}, {"size": len(CONTENT), "md5": MD5}])
def test_a_file_whose_last_byte_was_here_is_not_asked_for_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any]
) -> None:
    address = server.put(PATH, CONTENT, etag='"v1"')
    with monkeypatch.context() as patched:
        patched.setattr(Partial, "commit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(address, tmp_path / "a.zip", params())
    fetch(address, tmp_path / "a.zip", params(), **facts)
    assert_whole(tmp_path / "a.zip")
    assert len(server.log) == 1


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("extra", [0, 100])
def test_nothing_beyond_what_is_here(server: Server, tmp_path: Path, extra: int) -> None:
    """416: the file is whole when its length is that of what is here, and of no use when it is not."""
    partial(tmp_path / "a.zip").write_bytes(CONTENT + bytes(extra))
    fetch(server.put(PATH, CONTENT), tmp_path / "a.zip", params(), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == ([416, 200] if extra else [416])


def test_more_than_there_is_begins_anew(server: Server, tmp_path: Path) -> None:
    """Nothing but the 416 can tell: the server did not say how long the file is."""
    address = server.put(PATH, CONTENT, Turn(chunked=True, stop_after=10), etag='"v1"')
    with pytest.raises(TransferFailed):
        fetch(address, tmp_path / "a.zip", params(retries=0))
    with partial(tmp_path / "a.zip").open("ab") as file:
        file.write(CONTENT)
    fetch(address, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == [200, 416, 200]


def test_a_body_that_goes_on_and_on_is_cut(server: Server, tmp_path: Path) -> None:
    address = server.put(PATH, CONTENT, always=Turn(chunked=True, drip=0.02))
    with pytest.raises(TransferFailed, match="has more than the 1000 bytes expected, twice in a row"):
        fetch(address, tmp_path / "a.zip", params(), size=1000)
    assert server.sent() < len(CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_more_than_expected_begins_anew(server: Server, tmp_path: Path) -> None:
    partial(tmp_path / "a.zip").write_bytes(CONTENT + b"more")
    fetch(server.put(PATH, CONTENT), tmp_path / "a.zip", params(), size=len(CONTENT))
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == [200]


@pytest.mark.parametrize("note", [b"", b"{", b'{"address": 1}', b"\xff\xfe"])
def test_a_note_that_cannot_be_read_proves_nothing(server: Server, tmp_path: Path, note: bytes) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    (tmp_path / ".a.zip.part.json").write_bytes(note)
    fetch(server.address + PATH, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert server.log[-1].status == 200


@pytest.mark.parametrize("wrong", [CONTENT[::-1], CONTENT + b"more", CONTENT[:-1]])
@pytest.mark.parametrize("chunked", [False, True])
def test_other_bytes_than_expected_are_refused_and_fetched_once_more(
    server: Server, tmp_path: Path, wrong: bytes, chunked: bool
) -> None:
    address = server.put(PATH, CONTENT, Turn(content=wrong, chunked=chunked), etag='"v1"')
    fetch(address, tmp_path / "a.zip", params(), size=len(CONTENT), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    again = server.put("/b.zip", wrong, etag='"v1"')
    with pytest.raises(TransferFailed, match=r"^[^\n]*(bytes|MD5)[^\n]*expected, twice in a row$"):
        fetch(again, tmp_path / "b.zip", params(), size=len(CONTENT), md5=MD5)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_wrong_digest_names_both(server: Server, tmp_path: Path) -> None:
    got, address = hashlib.md5(b"other").hexdigest(), server.put(PATH, b"other")
    with pytest.raises(TransferFailed, match=f"^{address} has the MD5 {got}, not the {MD5} expected"):
        fetch(address, tmp_path / "a.zip", params(), md5=MD5.upper())
    assert len(server.log) == 2


def test_bytes_spoilt_on_disk_are_found_out(server: Server, tmp_path: Path) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    with partial(tmp_path / "a.zip").open("r+b") as file:
        file.write(b"spoilt")
    fetch(server.address + PATH, tmp_path / "a.zip", params(), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    assert [exchange.status for exchange in server.log] == [200, 206, 200]


def test_a_page_in_place_of_the_file_costs_nothing_that_is_here(server: Server, tmp_path: Path) -> None:
    half = leave_half(server, tmp_path / "a.zip", etag='"v1"')
    page = Turn(content=b"<html>back soon</html>", ignore_range=True)
    address = server.put(PATH, CONTENT, page, page, etag='"v1"')
    with pytest.raises(TransferFailed, match=f"what the server sent has 22 bytes, not the {len(CONTENT)} expected"):
        fetch(address, tmp_path / "a.zip", params(retries=0), size=len(CONTENT), md5=MD5)
    fetch(address, tmp_path / "a.zip", params(retries=1), size=len(CONTENT), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    assert server.log[-1].sent == len(CONTENT) - half


@pytest.mark.parametrize(
    ("status", "said"),
    [(404, "Not Found"), (410, "Gone"), (403, "Forbidden"), (401, "Unauthorized"), (400, "Bad Request"), (204, "No")],
)
def test_a_refusal_for_good_is_told_at_once(server: Server, tmp_path: Path, status: int, said: str) -> None:
    address = server.put(PATH, CONTENT, always=Turn(status=status))
    with pytest.raises(BadVideo, match=f"^{address} answered {status} {said}"):
        fetch(address, tmp_path / "a.zip", params())
    assert len(server.log) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_keeps_what_is_here(server: Server, tmp_path: Path) -> None:
    leave_half(server, tmp_path / "a.zip", etag='"v1"')
    with pytest.raises(BadVideo):
        fetch(server.put(PATH, CONTENT, always=Turn(status=403)), tmp_path / "a.zip", params())
    fetch(server.put(PATH, CONTENT, etag='"v1"'), tmp_path / "a.zip", params())
    assert server.log[-1].status == 206


@pytest.mark.parametrize("status", [407, 408, 429, 500, 502, 503, 504])
def test_a_refusal_that_passes_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    fetch(server.put(PATH, CONTENT, Turn(status=status)), tmp_path / "a.zip", params(retries=1))
    assert_whole(tmp_path / "a.zip")
    address = server.put("/b.zip", CONTENT, always=Turn(status=status))
    with pytest.raises(TransferFailed, match=rf"^{address} did not come in 2 tries: the server answered {status} \w"):
        fetch(address, tmp_path / "b.zip", params(retries=1))


def test_retry_after_is_honoured_and_bounded(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(session, "time", SimpleNamespace(sleep=waits.append))
    turns = [Turn(status=503, headers={"Retry-After": said}) for said in ("7", "999999", "soon")]
    fetch(server.put(PATH, CONTENT, *turns), tmp_path / "a.zip", params())
    assert waits[:2] == [7.0, session.LONGEST_RETRY_AFTER]
    assert 0 < waits[2] <= session.FIRST_WAIT * 4


def test_waits_grow_and_end() -> None:
    for failures, longest in ((1, session.FIRST_WAIT), (4, session.FIRST_WAIT * 8), (100, session.LONGEST_WAIT)):
        waits = {session.wait(failures, None) for _ in range(20)}
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_a_redirect_is_followed_but_not_away_from_the_web(server: Server, tmp_path: Path) -> None:
    server.put("/b.zip", CONTENT)
    fetch(server.put(PATH, b"", Turn(status=302, headers={"Location": "/b.zip"})), tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    (tmp_path / "secret").write_bytes(b"secret")
    for place in (f"file://{tmp_path}/secret", "ftp://127.0.0.1/a"):
        address = server.put(PATH, b"", Turn(status=302, headers={"Location": place}))
        with pytest.raises(BadVideo, match=f"^{address} cannot be asked for"):
            fetch(address, tmp_path / "b.zip", params())
    round_about = server.put("/c", b"", always=Turn(status=302, headers={"Location": "/c"}))
    with pytest.raises(BadVideo, match=r"cannot be asked for: .*redirects"):
        fetch(round_about, tmp_path / "b.zip", params())


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://a/b",
        "a.zip",
        "",
        "http://",
        "http://[::1",
        "https:/x",
        "http://a:port/b",
        "http://:80/",
    ],
)
def test_only_the_web_is_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadVideo, match="is not an address of http or https"):
        fetch(address, tmp_path / "a.zip", params())


@pytest.mark.parametrize("address", ["http://" + "a" * 70 + ".invalid/b", "http://*.x/b"])
def test_an_address_that_cannot_be_is_told_in_a_sentence(server: Server, tmp_path: Path, address: str) -> None:
    with pytest.raises((BadVideo, TransferFailed), match=r"^http://[^\n]*$"):
        fetch(address, tmp_path / "a.zip", params(retries=0))


def test_a_packed_body_counts_as_it_comes_and_only_with_proof(server: Server, tmp_path: Path) -> None:
    packed = Turn(headers={"Content-Encoding": "gzip"})
    address = server.put(PATH, CONTENT, always=packed)
    fetch(address, tmp_path / "a.zip", params(), size=len(CONTENT), md5=MD5)
    assert_whole(tmp_path / "a.zip")
    with pytest.raises(BadVideo, match="is sent packed as gzip"):
        fetch(address, tmp_path / "b.zip", params())
    gone = server.put("/c", always=Turn(status=404, headers=packed.headers))
    with pytest.raises(BadVideo, match="answered 404"):
        fetch(gone, tmp_path / "b.zip", params())


def test_the_rate_is_kept(server: Server, tmp_path: Path) -> None:
    started = time.monotonic()
    fetch(server.put(PATH, CONTENT), tmp_path / "a.zip", params(rate=2.0))
    assert 0.45 < time.monotonic() - started < 3
    assert_whole(tmp_path / "a.zip")


def test_the_proxy_is_asked_whatever_the_environment_says(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.put(PATH, CONTENT)
    fetch(f"http://nowhere.invalid{PATH}", tmp_path / "a.zip", params(proxy=server.address))
    assert_whole(tmp_path / "a.zip")
    assert server.log[0].headers["Host"] == "nowhere.invalid"


@pytest.mark.parametrize("proxy", ["127.0.0.1:3128", "host:3128", "ftp://a"])
def test_a_proxy_that_is_no_address_is_told(tmp_path: Path, proxy: str) -> None:
    with pytest.raises(BadSetting, match=f"The proxy '{proxy}' is no address"):
        fetch("http://127.0.0.1:9/a", tmp_path / "a.zip", params(proxy=proxy))


@pytest.mark.parametrize("setting", ["socks5://127.0.0.1:9", ""])
def test_a_proxy_that_needs_a_package_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setattr("portrait_prep.stages.fetch.session.find_spec", lambda _: None)
    only_proxy(monkeypatch, "SOCKS5h://127.0.0.1:9")
    with pytest.raises(MissingPrerequisite, match="PySocks"):
        fetch("http://nowhere.invalid/a", tmp_path / "a.zip", params(proxy=setting))


@pytest.mark.parametrize("proxy", ["http:///x", "http://"])
def test_a_proxy_of_the_environment_that_cannot_be_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    only_proxy(monkeypatch, proxy)
    with pytest.raises(BadSetting, match="HTTP_PROXY"):
        fetch("http://nowhere.invalid/a", tmp_path / "a.zip", params())


def only_proxy(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("http_proxy", "all_proxy", "no_proxy", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", proxy)


def test_cookies_are_shown(server: Server, tmp_path: Path) -> None:
    cookies = tmp_path / "cookies.txt"
    lines = [
        f"127.0.0.1\tFALSE\t/\tFALSE\t{expires}\t{name}\tyes" for name, expires in (("a", 0), ("b", 1 << 33), ("c", 9))
    ]
    cookies.write_text("\n".join(["# Netscape HTTP Cookie File", *lines, ""]))
    before = cookies.read_bytes()
    fetch(server.put(PATH, CONTENT), tmp_path / "d/a.zip", params(cookies=str(cookies)))
    assert sorted(server.log[0].headers["Cookie"].split("; ")) == ["a=yes", "b=yes"]
    assert cookies.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [None, b"", b"a: b", b"# Netscape HTTP Cookie File\nonly\ttwo\n", b"\xff\xfe\x00", b"# HTTP Cookie File\n\xff"],
)
@pytest.mark.filterwarnings("error")
def test_cookies_that_cannot_be_read_are_told(tmp_path: Path, content: bytes | None) -> None:
    cookies = tmp_path / "cookies.txt"
    if content is not None:
        cookies.write_bytes(content)
    with pytest.raises(BadSetting, match=rf"^The cookies file {cookies} cannot be read \([^\n]*\): [^\n]*\.$"):
        fetch("http://127.0.0.1:9/a", tmp_path / "a.zip", params(cookies=str(cookies)))


@pytest.mark.parametrize("known", [False, True])
def test_too_little_disk_space_is_reported_before_the_first_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    address, free = server.put(PATH, CONTENT, etag='"v1"'), 3_000_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    limit = (free - len(CONTENT)) / 1e9
    size = len(CONTENT) if known else None
    with pytest.raises(TransferFailed, match=r"has 3 GB free, .* 0\.00105 GB still to come .* make room"):
        fetch(address, tmp_path / "a.zip", params(reserve=limit + 1e-8), size=size)
    assert len(server.log) == (0 if known else 1)
    assert not partial(tmp_path / "a.zip").exists()
    fetch(address, tmp_path / "a.zip", params(reserve=limit), size=size)
    assert_whole(tmp_path / "a.zip")


def test_a_body_of_unknown_length_leaves_the_disk_its_reserve(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LOOK", 1 << 16)
    free = iter([3_000_000_000, 3_000_000_000])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free, 1_000_000_000)))
    address = server.put(PATH, CONTENT, always=Turn(chunked=True, drip=0.01))
    with pytest.raises(TransferFailed, match=r"has 1 GB free, .* make room"):
        fetch(address, tmp_path / "a.zip", params(reserve=2.0))
    assert server.sent() < len(CONTENT)


def test_a_body_of_unknown_length_is_cut_at_the_most_that_is_taken(server: Server, tmp_path: Path) -> None:
    address = server.put(PATH, CONTENT, always=Turn(chunked=True, drip=0.02))
    with pytest.raises(TransferFailed, match="has more than the 1000 bytes expected, twice in a row"):
        fetch(address, tmp_path / "a.zip", params(), most=1000)
    assert server.sent() < len(CONTENT)
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_still_to_come_needs_room(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = leave_half(server, tmp_path / "a.zip", etag='"v1"')
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=half))
    fetch(server.address + PATH, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_the_system_says_while_writing_comes_through_and_is_not_retried(server: Server, tmp_path: Path) -> None:
    address = server.put(PATH, CONTENT, etag='"v1"')
    with files_no_longer_than(200_000), pytest.raises(OSError, match="File too large") as caught:
        fetch(address, tmp_path / "a.zip", params())
    assert caught.value.errno == errno.EFBIG
    assert len(server.log) == 1
    fetch(address, tmp_path / "a.zip", params())
    assert_whole(tmp_path / "a.zip")
    assert server.log[-1].sent == len(CONTENT) - 200_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_comes_through(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Partial, "append", lambda _: Path("/dev/full").open("ab"))  # noqa: SIM115  the caller closes it
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(server.put(PATH, CONTENT), tmp_path / "a.zip", params())
    assert caught.value.errno == errno.ENOSPC
    assert not isinstance(caught.value, TransferFailed)


def test_what_a_killed_process_left_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    address = server.put(PATH, CONTENT, Turn(drip=0.01), etag='"v1"')
    target = tmp_path / "a.zip"
    program = (
        "import sys; from pathlib import Path\n"
        "from portrait_prep.stages.fetch.http import fetch\n"
        "from portrait_prep.stages.fetch.settings import SLOWEST, DownloadParams\n"
        "fetch(sys.argv[1], Path(sys.argv[2]), DownloadParams(reserve=0.0))"
    )
    child = subprocess.Popen([sys.executable, "-c", program, address, str(target)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 30
        while not partial(target).exists() or partial(target).stat().st_size < 100_000:
            assert time.monotonic() < deadline
            assert child.poll() is None
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    kept = partial(target).stat().st_size
    assert 100_000 <= kept < len(CONTENT)
    assert not target.exists()
    assert not any(path.name.startswith(TEMPORARY) for path in tmp_path.iterdir())
    fetch(address, target, params(), size=len(CONTENT), md5=MD5)
    assert_whole(target)
    assert server.log[-1].sent == len(CONTENT) - kept


def test_errors_survive_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(TransferFailed("a b")))
    assert (type(error), str(error)) == (TransferFailed, "a b")


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(1, 10**12))
def test_content_range(first: int, more: int, rest: int) -> None:
    last, total = first + more, first + more + rest
    assert content_range(f"bytes {first}-{last}/{total}") == Span(first, total)
    assert content_range(f"bytes {first}-{last}/*") == Span(first, None)
    assert content_range(f"bytes */{total}") == Span(None, total)
    assert content_range(f"bytes {first}-{last}/{last}") is None
    assert content_range(f"bytes {last + 1}-{first}/{total}") is None


@given(st.none() | st.text(max_size=60))
def test_header_fields_that_make_no_sense_are_none(text: str | None) -> None:
    span, wait = content_range(text), retry_after(text)
    assert span is None or text is not None
    assert wait is None or wait >= 0


def test_content_length() -> None:
    assert content_length({"Content-Length": " 12 "}) == 12
    assert content_length({"Content-Length": "12", "Transfer-Encoding": "chunked"}) is None
    assert [content_length({"Content-Length": text}) for text in ("", "-1", "1, 1", "1" * 5000)] == [None] * 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 9.0),
        ("Fri, 31 Dec 1999 23:59:59 -0000", 9.0),
        ("Fri, 31 Dec 1999 23:59:00 GMT", 0.0),
        ("-3", None),
        ("9" * 19, None),
        ("Fri, 31 Dec 1999 23:59:59 +" + "9" * 30, None),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, datetime(1999, 12, 31, 23, 59, 50, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_part_that_is_somebody_s_file_is_not_added_to(server: Server, tmp_path: Path, symbolic: bool) -> None:
    victim, target = tmp_path / "victim", tmp_path / "w/file"
    target.parent.mkdir()
    victim.write_bytes(b"dear to somebody")
    partial = Partial(target)
    partial.path.symlink_to(victim) if symbolic else partial.path.hardlink_to(victim)
    assert partial.bytes == 0
    with partial.append() as file:
        file.write(b"new")
    assert (victim.read_bytes(), partial.path.read_bytes()) == (b"dear to somebody", b"new")
    assert not partial.path.is_symlink()

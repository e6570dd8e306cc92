import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from yt_dlp.downloader.http import HttpFD

from portrait_prep.errors import BadSetting, TransferFailed
from portrait_prep.media.probe import probe
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch.ytdlp import fetch_video
from tests.stages.fetch.server import Server, Turn
from tests.stages.fetch.videos import PLAIN, names, params, parts, show

ROOT = Path(__file__).parents[3]


def test_a_video_is_there_whole_and_asked_for_once(tmp_path: Path, server: Server, content: bytes) -> None:
    address = server.put("/a/clip.mp4", content)
    path = fetch_video(address, tmp_path / "out", "v.1", params())
    assert path == tmp_path / "out/v.1.mp4"
    assert path.read_bytes() == content
    assert names(tmp_path / "out") == ["v.1.mp4"]
    asked = len(server.log)
    assert fetch_video(address, tmp_path / "out", "v.1", params(), 720) == path
    assert len(server.log) == asked


def test_a_name_that_goes_on_is_another_name(tmp_path: Path, server: Server, content: bytes) -> None:
    (tmp_path / "v.1.mp4").write_bytes(b"another video's")
    (tmp_path / "v.mp4").mkdir()
    assert fetch_video(server.put("/clip.webm", content), tmp_path, "v", params()) == tmp_path / "v.webm"


def test_a_name_may_have_any_character(tmp_path: Path, server: Server, content: bytes) -> None:
    address = server.put("/clip.mp4", content)
    paths = {fetch_video(address, tmp_path, "v[1]*%s", params()) for _ in range(2)}
    assert paths == {tmp_path / "v[1]*%s.mp4"}
    assert len(server.log) == 2


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_it_is_taken_up_again_as_often_as_allowed(tmp_path: Path, server: Server, content: bytes, retries: int) -> None:
    down = Turn(status=503)
    address = server.put("/clip.mp4", content, down, PLAIN, down)
    if retries == 2:
        assert fetch_video(address, tmp_path, "v", params(retries=retries)).read_bytes() == content
    else:
        with pytest.raises(TransferFailed, match="503"):
            fetch_video(address, tmp_path, "v", params(retries=retries))
        assert len(server.log) == (1, 3)[retries]


def test_tries_that_brought_something_do_not_count(tmp_path: Path, server: Server, content: bytes) -> None:
    """Three of them break off, and two retries are left for a connection that was closed while it waited for more."""
    broken = Turn(stop_after=len(content) // 3)
    address = server.put("/clip.mp4", content, *[PLAIN, broken] * 2, PLAIN, Turn(stop_after=9_000, reset=True))
    assert fetch_video(address, tmp_path, "v", params(retries=2)).read_bytes() == content


@pytest.mark.parametrize("status", [403, 404, 429])
def test_who_is_refused_does_not_ask_again_at_once(tmp_path: Path, server: Server, content: bytes, status: int) -> None:
    with pytest.raises((BadVideo, TransferFailed)):
        fetch_video(server.put("/clip.mp4", content, Turn(status=status)), tmp_path, "v", params(retries=5))
    assert len(server.log) == 1


PLUGIN = "from pathlib import Path\nPath(__file__).with_name('loaded').touch()\n"


def test_a_killed_process_leaves_its_part_to_the_next_and_nothing_elsewhere(
    tmp_path: Path, server: Server, content: bytes
) -> None:
    home, folder = tmp_path / "home", tmp_path / "out"
    plugin = home / "yt_dlp_plugins/extractor/mine.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(PLUGIN)
    address = server.put("/clip.mp4", content, PLAIN, Turn(stop_after=len(content) * 3 // 4, silence=60))
    there = sorted(home.rglob("*"))
    script = (
        "import sys; from pathlib import Path; from portrait_prep.stages.fetch.settings import DownloadParams;"
        "from portrait_prep.stages.fetch.ytdlp import fetch_video;"
        "fetch_video(sys.argv[1], Path(sys.argv[2]), 'v', DownloadParams())"
    )
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home), "TMPDIR": str(home)}
    environment = {**os.environ, **places, "PYTHONPATH": f"{ROOT}:{home}", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen([sys.executable, "-c", script, address, str(folder)], env=environment, cwd=home)
    deadline = time.monotonic() + 30
    while not (folder.is_dir() and any(part.stat().st_size for part in parts(folder))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    here = parts(folder)[0].stat().st_size
    assert fetch_video(address, folder, "v", params()).read_bytes() == content
    assert server.of("/clip.mp4")[-1].sent == len(content) - here < len(content)
    assert names(folder) == ["v.mp4"]
    assert sorted(home.rglob("*")) == there


@pytest.mark.parametrize(
    ("status", "kind", "turns"),
    [
        (404, BadVideo, []),
        (403, BadVideo, []),
        (403, TransferFailed, [PLAIN]),
        (404, BadVideo, [PLAIN]),
        (408, TransferFailed, []),
        (429, TransferFailed, []),
        (503, TransferFailed, []),
        (503, TransferFailed, [PLAIN]),
    ],
)
def test_what_a_server_refuses_is_told_with_its_reason(
    tmp_path: Path, server: Server, content: bytes, status: int, kind: type[Exception], turns: Sequence[Turn]
) -> None:
    address = server.put("/clip.mp4", content, *turns, Turn(status=status))
    with pytest.raises(kind, match=f"^{address} cannot be fetched: .*HTTP Error {status}") as caught:
        fetch_video(address, tmp_path, "v", params())
    assert type(caught.value) is kind
    assert names(tmp_path) == []


@pytest.mark.parametrize(("sent", "left"), [(0, 0), (40_000, 1)])
def test_a_connection_that_stalls_is_given_up(
    tmp_path: Path, server: Server, content: bytes, sent: int, left: int
) -> None:
    address = server.put("/clip.mp4", content, always=Turn(stop_after=sent, silence=9))
    started = time.monotonic()
    with pytest.raises(TransferFailed, match=f"^{address} cannot be fetched: .*timed out$"):
        fetch_video(address, tmp_path, "v", params(timeout=0.3))
    assert time.monotonic() - started < 5
    assert len(parts(tmp_path)) == len(names(tmp_path)) == left


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path, server: Server) -> None:
    with Server() as gone:
        address = gone.address
    with pytest.raises(TransferFailed, match=f"^{address}/clip.mp4 cannot be fetched: .*refused"):
        fetch_video(f"{address}/clip.mp4", tmp_path, "v", params())


TWO = b"<html><title>Two</title><body><video src='/a.mp4'></video><video src='/b.mp4'></video></body></html>"


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/page.html", b"<html><title>A page</title><p>Nothing to see.</p></html>", "cannot be fetched: Unsupported"),
        ("/two.html", TWO, "shows a list of videos"),
        ("/notes", b"Sorry, this video has moved.", "is not a readable video"),
        ("/sound.mp3", b"some sound", "offers only sound"),
    ],
)
def test_what_is_no_video_is_told_and_not_kept(
    tmp_path: Path, server: Server, path: str, body: bytes, words: str
) -> None:
    address = server.put(path, body)
    with pytest.raises(BadVideo, match=words) as caught:
        fetch_video(address, tmp_path, "v", params())
    assert address in str(caught.value)
    assert names(tmp_path) == []


def test_a_video_inside_a_page_is_found(tmp_path: Path, server: Server, content: bytes) -> None:
    server.put("/a.mp4", content)
    page = server.put("/page.html", TWO.replace(b"<video src='/b.mp4'></video>", b""))
    assert fetch_video(page, tmp_path, "v", params()).read_bytes() == content


@pytest.mark.parametrize(
    "address", ["ytsearch:abc", "/etc/passwd", "file:///etc/passwd", "http://[::1/x", "http://a..b/"]
)
def test_an_address_that_leads_nowhere_is_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadVideo, match=f"^{re.escape(address)} "):
        fetch_video(address, tmp_path, "v", params())


COOKIES = (
    "# Netscape HTTP Cookie File\n\n"
    "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tof-this-day\n"
    "#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tkey\tsecret\n"
)


def test_cookies_are_shown_and_their_file_stays_as_it_is(tmp_path: Path, server: Server, content: bytes) -> None:
    path = tmp_path / "cookies.txt"
    path.write_text(COOKIES)
    before = path.stat()
    address = server.put("/clip.mp4", content, always=Turn(headers={"Set-Cookie": "key=another; Max-Age=999"}))
    fetch_video(address, tmp_path / "out", "v", params(cookies=str(path)))
    assert server.log[0].headers["Cookie"] == "session=of-this-day; key=secret"
    assert (path.read_text(), path.stat().st_mtime_ns, names(tmp_path)) == (
        COOKIES,
        before.st_mtime_ns,
        ["cookies.txt", "out"],
    )


@pytest.mark.parametrize(
    "settings", [{"cookies": "nowhere.txt"}, {"cookies": "bad.txt"}, {"proxy": "here:80"}, {"proxy": "ftp://here"}]
)
def test_settings_that_cannot_be_used_are_told(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.txt").write_text(COOKIES + "key secret\n")
    with pytest.raises(BadSetting, match=r"here|\.txt") as caught:
        fetch_video(server.put("/clip.mp4"), tmp_path / "out", "v", params(**settings))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert server.log == []


def test_a_proxy_is_asked_in_the_server_s_place(tmp_path: Path, server: Server, content: bytes) -> None:
    server.put("/clip.mp4", content)
    path = fetch_video("http://elsewhere.invalid/clip.mp4", tmp_path, "v", params(proxy=server.address))
    assert path.read_bytes() == content
    assert {exchange.headers["Host"] for exchange in server.log} == {"elsewhere.invalid"}


@pytest.mark.parametrize(("height", "expected"), [(240, 240), (100, 144)])
def test_picture_and_sound_that_lie_apart_are_joined(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], height: int, expected: int
) -> None:
    path = fetch_video(show(server, film), tmp_path, "v", params(), height)
    found = probe(path)
    assert (path.name, found.height, len(found.times)) == ("v.mp4", expected, 100)
    assert found.audio is not None
    assert found.duration == pytest.approx(4, abs=0.05)
    assert names(tmp_path) == ["v.mp4"]


def test_parts_that_cannot_be_joined_are_brought_anew(
    tmp_path: Path, server: Server, film: Mapping[str, bytes]
) -> None:
    address = show(server, film, v2_0=Turn(content=b"no sound"), v2_1=Turn(content=b"none"), v2_2=Turn(content=b"none"))
    with pytest.raises(TransferFailed, match="Postprocessing"):
        fetch_video(address, tmp_path, "v", params())
    assert names(tmp_path) == []
    assert probe(fetch_video(address, tmp_path, "v", params())).audio is not None


def test_a_disk_that_fills_up_is_told_as_the_system_does(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(HttpFD, "sanitize_open", lambda _, name, mode: (full, name))
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_video(server.put("/clip.mp4", content), tmp_path, "v", params())
    assert caught.value.errno == errno.ENOSPC

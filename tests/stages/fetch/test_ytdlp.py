import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yt_dlp
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.downloader.http import HttpFD
from yt_dlp.utils import DownloadError

from manifests.errors import BadSetting, TransferFailed
from manifests.probe import probe
from pipeline.stage import BadVideo
from stages.fetch import ytdlp_client, ytdlp_visit
from stages.fetch.retries import Interrupted
from stages.fetch.terms import Terms
from stages.fetch.ytdlp import fetch_video
from stages.fetch.ytdlp_verdict import UPDATE, judge
from tests.clips import clicks, make, portrait, steady, write_clip
from tests.stages.fetch.server import Server, Turn

ROOT = Path(__file__).parents[3]
PLAIN = Turn()


def terms(**settings: Any) -> Terms:
    return Terms.model_validate({"reserve": 0.0, "timeout": 5.0, "retries": 0, **settings})


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of H.264 and AAC."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, steady(25, 4), portrait(320, 240), sound=clicks(4, 48000, [1, 2]))


@pytest.fixture(scope="session")
def content(clip: Path) -> bytes:
    return clip.read_bytes()


@pytest.fixture(scope="session")
def film(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """The clip at two heights without sound, and its sound, as HTTP Live Streaming (RFC 8216): path -> bytes."""
    folder = tmp_path_factory.mktemp("hls")
    make(
        *("-i", clip, "-filter_complex", "[0:v]split[a][hi];[a]scale=-2:144[lo]"),
        *("-map", "[lo]", "-map", "[hi]", "-map", "0:a", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50"),
        *("-c:a", "aac", "-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-master_pl_name", "film.m3u8"),
        *("-var_stream_map", "v:0,agroup:x v:1,agroup:x a:0,agroup:x", folder / "v%v_.m3u8"),
    )
    return {f"/film/{path.name}": path.read_bytes() for path in folder.iterdir()}


def show(server: Server, film: Mapping[str, bytes], **first: Turn) -> str:
    """Serve the film; `first` says how the first request for a file (by its stem) is answered."""
    for path, part in film.items():
        server.put(path, part, *([first[Path(path).stem]] if Path(path).stem in first else []))
    return f"{server.address}/film/film.m3u8"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(folder: Path) -> list[Path]:
    """What waits to be taken up again, without the notes on where it is from."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent != folder]
    return [path for path in files if path.suffix != ".json"]


def test_a_video_is_there_whole_and_asked_for_once(tmp_path: Path, server: Server, content: bytes) -> None:
    address = server.put("/a/clip.mp4", content)
    path = fetch_video(address, tmp_path / "out", "v.1", terms())
    assert path == tmp_path / "out/v.1.mp4"
    assert path.read_bytes() == content
    assert names(tmp_path / "out") == ["v.1.mp4"]
    asked = len(server.log)
    assert fetch_video(address, tmp_path / "out", "v.1", terms(), 720) == path
    assert len(server.log) == asked


def test_a_name_that_goes_on_is_another_name(tmp_path: Path, server: Server, content: bytes) -> None:
    (tmp_path / "v.1.mp4").write_bytes(b"another video's")
    (tmp_path / "v.mp4").mkdir()
    assert fetch_video(server.put("/clip.webm", content), tmp_path, "v", terms()) == tmp_path / "v.webm"


def test_what_came_before_it_broke_off_is_not_sent_again(tmp_path: Path, server: Server, content: bytes) -> None:
    address = server.put("/clip.mp4", content, PLAIN, Turn(stop_after=len(content) // 2))
    with pytest.raises(TransferFailed, match=f"^{address} cannot be fetched: "):
        fetch_video(address, tmp_path, "v", terms())
    (part,) = parts(tmp_path)
    here = part.stat().st_size
    assert len(content) // 4 < here <= len(content) // 2
    assert part.relative_to(tmp_path).parts[0].startswith(".v.")
    path = fetch_video(address, tmp_path, "v", terms())
    assert path.read_bytes() == content
    assert names(tmp_path) == ["v.mp4"]
    last = server.of("/clip.mp4")[-1]
    assert (last.headers["Range"], last.status, last.sent) == (f"bytes={here}-", 206, len(content) - here)


def changed(content: bytes, at: int) -> bytes:
    """Another state of a video: one byte is another, and it still is as long and can be read."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


BRAND = 15
"""Where a byte of an MP4 may be another and tell nothing: the minor version of its brand (ISO/IEC 14496-12, 4.3)."""
STATES: Sequence[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"etag": '"1"'}, {"etag": '"2"'}),
    ({"modified": 1.0}, {"modified": 2.0}),
]
"""What servers say of two states of a file."""


@pytest.mark.parametrize(("before", "after"), STATES)
def test_what_came_of_an_earlier_state_of_the_file_is_not_joined_to_a_later_one(
    tmp_path: Path,
    server: Server,
    content: bytes,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    monkeypatch.setattr(ytdlp_client, "SAMPLE", 1000)
    leave_half(tmp_path, server, content, **before)
    address = server.put("/clip.mp4", changed(content, BRAND), **after)
    assert fetch_video(address, tmp_path, "v", terms()).read_bytes() == changed(content, BRAND)


def leave_half(folder: Path, server: Server, content: bytes, **how: Any) -> int:
    """Break the transfer of a clip off after half of it; return how many bytes stay."""
    address = server.put("/clip.mp4", content, PLAIN, Turn(stop_after=len(content) // 2), **how)
    with pytest.raises(TransferFailed):
        fetch_video(address, folder, "v", terms())
    (part,) = parts(folder)
    return part.stat().st_size


@pytest.mark.parametrize("from_the_end", [100, None])
def test_where_a_server_says_nothing_of_its_state_the_bytes_and_the_size_must_be_the_same(
    tmp_path: Path, server: Server, content: bytes, from_the_end: int | None
) -> None:
    half = leave_half(tmp_path, server, content)
    later = changed(content, half - from_the_end) if from_the_end else content + b"\0\0\0\x08free"
    assert fetch_video(server.put("/clip.mp4", later), tmp_path, "v", terms()).read_bytes() == later
    assert server.of("/clip.mp4")[-1].sent == len(later)


@pytest.mark.parametrize("length", [100, 40_000])
def test_a_file_that_has_become_shorter_is_brought_anew(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    leave_half(tmp_path, server, content)
    monkeypatch.setattr(ytdlp_visit, "probe", lambda *_, **__: None)
    address = server.put("/clip.mp4", content[:length])
    assert fetch_video(address, tmp_path, "v", terms()).read_bytes() == content[:length]


def test_a_state_that_changes_while_its_rest_is_asked_for_is_noticed(
    tmp_path: Path, server: Server, content: bytes
) -> None:
    leave_half(tmp_path, server, content, etag='"1"')
    sample = Turn(content=content, headers={"ETag": '"1"'})
    address = server.put("/clip.mp4", changed(content, BRAND), PLAIN, sample, etag='"2"')
    assert fetch_video(address, tmp_path, "v", terms(retries=1)).read_bytes() == changed(content, BRAND)


def test_a_part_that_only_lacks_its_name_is_not_sent_again(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, content)
    (part,) = parts(tmp_path)
    part.write_bytes(content)
    assert fetch_video(server.put("/clip.mp4", content), tmp_path, "v", terms()).read_bytes() == content
    assert [exchange.status for exchange in server.of("/clip.mp4")[-3:]] == [206, 416, 200]


def test_parts_without_a_note_of_their_origin_are_of_no_use(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, b"x" * len(content))
    for note in tmp_path.rglob("*.json"):
        note.unlink()
    address = server.put("/clip.mp4", content)
    assert fetch_video(address, tmp_path, "v", terms()).read_bytes() == content


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, content, etag='"1"', always=Turn(ignore_range=True))
    assert fetch_video(f"{server.address}/clip.mp4", tmp_path, "v", terms()).read_bytes() == content


def test_a_server_in_trouble_does_not_cost_what_is_here(tmp_path: Path, server: Server, content: bytes) -> None:
    half = leave_half(tmp_path, server, content)
    address = server.put("/clip.mp4", content, PLAIN, Turn(status=503))
    with pytest.raises(TransferFailed, match="503"):
        fetch_video(address, tmp_path, "v", terms())
    assert fetch_video(address, tmp_path, "v", terms()).read_bytes() == content
    assert server.of("/clip.mp4")[-1].sent == len(content) - half


def apart(monkeypatch: pytest.MonkeyPatch, server: Server) -> str:
    """A page that shows a picture and its sound as two files."""
    formats = [
        {"format_id": "p", "url": f"{server.address}/p.mp4", "vcodec": "avc1", "acodec": "none", "ext": "mp4"},
        {"format_id": "s", "url": f"{server.address}/s.m4a", "vcodec": "none", "acodec": "mp4a", "ext": "m4a"},
    ]

    def extract(self: Any, _: str, download: bool) -> Any:
        video = {"id": "1", "title": "1", "extractor": "x", "formats": [dict(each) for each in formats]}
        return self.process_video_result(video, download=download)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    return f"{server.address}/page"


@pytest.fixture(scope="session")
def takes(tmp_path_factory: pytest.TempPathFactory) -> Sequence[tuple[bytes, bytes]]:
    """Picture and sound of two takes, of 2 s and of 3 s."""
    folder = tmp_path_factory.mktemp("takes")
    found = []
    for seconds in (2, 3):
        whole = write_clip(
            folder / f"{seconds}.mp4", steady(25, seconds), portrait(320, 240), sound=clicks(seconds, 48000, [1])
        )
        make("-i", whole, "-c", "copy", "-an", folder / "p.mp4", "-c", "copy", "-vn", folder / "s.m4a")
        found.append(((folder / "p.mp4").read_bytes(), (folder / "s.m4a").read_bytes()))
    return found


@pytest.mark.parametrize("later", [0, 1])
def test_the_picture_of_one_take_is_not_joined_to_the_sound_of_another(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, takes: Sequence[tuple[bytes, bytes]], later: int
) -> None:
    page = apart(monkeypatch, server)
    server.put("/p.mp4", takes[0][0])
    server.put("/s.m4a", takes[0][1], Turn(stop_after=len(takes[0][1]) // 2))
    with pytest.raises(TransferFailed):
        fetch_video(page, tmp_path, "v", terms())
    before = server.sent("/p.mp4")
    for path, content in zip(("/p.mp4", "/s.m4a"), takes[later], strict=True):
        server.put(path, content)
    found = probe(fetch_video(page, tmp_path, "v", terms()))
    assert found.audio is not None
    assert len(found.times) == 50 + 25 * later
    if not later:
        assert {exchange.headers.get("Range") for exchange in server.of("/p.mp4")[1:]} >= {f"bytes={before}-"}
    assert names(tmp_path) == ["v.mp4"]


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_it_is_taken_up_again_as_often_as_allowed(tmp_path: Path, server: Server, content: bytes, retries: int) -> None:
    down = Turn(status=503)
    address = server.put("/clip.mp4", content, down, PLAIN, down)
    if retries == 2:
        assert fetch_video(address, tmp_path, "v", terms(retries=retries)).read_bytes() == content
    else:
        with pytest.raises(TransferFailed, match="503"):
            fetch_video(address, tmp_path, "v", terms(retries=retries))
        assert len(server.log) == (1, 3)[retries]


def test_tries_that_brought_something_do_not_count(tmp_path: Path, server: Server, content: bytes) -> None:
    broken = Turn(stop_after=len(content) // 3)
    address = server.put("/clip.mp4", content, *[PLAIN, broken] * 2, PLAIN, Turn(stop_after=9_000, reset=True))
    assert fetch_video(address, tmp_path, "v", terms(retries=1)).read_bytes() == content


@pytest.mark.parametrize("status", [403, 404, 429])
def test_who_is_refused_does_not_ask_again_at_once(tmp_path: Path, server: Server, content: bytes, status: int) -> None:
    with pytest.raises((BadVideo, TransferFailed)):
        fetch_video(server.put("/clip.mp4", content, Turn(status=status)), tmp_path, "v", terms(retries=5))
    assert len(server.log) == 1


def test_parts_of_another_address_are_not_taken_up(tmp_path: Path, server: Server, content: bytes) -> None:
    one = server.put("/one/clip.mp4", b"x" * len(content), PLAIN, Turn(stop_after=40_000))
    with pytest.raises(TransferFailed):
        fetch_video(one, tmp_path, "v", terms())
    other = server.put("/other/clip.mp4", content)
    assert fetch_video(other, tmp_path, "v", terms()).read_bytes() == content


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
        "import sys; from pathlib import Path; from stages.fetch.terms import Terms;"
        "from stages.fetch.ytdlp import fetch_video; fetch_video(sys.argv[1], Path(sys.argv[2]), 'v', Terms())"
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
    assert fetch_video(address, folder, "v", terms()).read_bytes() == content
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
        fetch_video(address, tmp_path, "v", terms())
    assert type(caught.value) is kind
    assert names(tmp_path) == []


@pytest.mark.parametrize(("sent", "left"), [(0, 0), (40_000, 1)])
def test_a_connection_that_stalls_is_given_up(
    tmp_path: Path, server: Server, content: bytes, sent: int, left: int
) -> None:
    address = server.put("/clip.mp4", content, always=Turn(stop_after=sent, silence=9))
    started = time.monotonic()
    with pytest.raises(TransferFailed, match=f"^{address} cannot be fetched: .*timed out$"):
        fetch_video(address, tmp_path, "v", terms(timeout=0.3))
    assert time.monotonic() - started < 5
    assert len(parts(tmp_path)) == left


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path, server: Server) -> None:
    with Server() as gone:
        address = gone.address
    with pytest.raises(TransferFailed, match=f"^{address}/clip.mp4 cannot be fetched: .*refused"):
        fetch_video(f"{address}/clip.mp4", tmp_path, "v", terms())


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
        fetch_video(address, tmp_path, "v", terms())
    assert address in str(caught.value)
    assert names(tmp_path) == []


def test_a_video_inside_a_page_is_found(tmp_path: Path, server: Server, content: bytes) -> None:
    server.put("/a.mp4", content)
    page = server.put("/page.html", TWO.replace(b"<video src='/b.mp4'></video>", b""))
    assert fetch_video(page, tmp_path, "v", terms()).read_bytes() == content


@pytest.mark.parametrize(
    "address", ["ytsearch:abc", "/etc/passwd", "file:///etc/passwd", "http://[::1/x", "http://a..b/"]
)
def test_an_address_that_leads_nowhere_is_told(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadVideo, match=f"^{re.escape(address)} "):
        fetch_video(address, tmp_path, "v", terms())


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
    fetch_video(address, tmp_path / "out", "v", terms(cookies=str(path)))
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
        fetch_video(server.put("/clip.mp4"), tmp_path / "out", "v", terms(**settings))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert server.log == []


def test_a_proxy_is_asked_in_the_server_s_place(tmp_path: Path, server: Server, content: bytes) -> None:
    server.put("/clip.mp4", content)
    path = fetch_video("http://elsewhere.invalid/clip.mp4", tmp_path, "v", terms(proxy=server.address))
    assert path.read_bytes() == content
    assert {exchange.headers["Host"] for exchange in server.log} == {"elsewhere.invalid"}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited, each time; nobody does."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def test_the_rate_is_kept(tmp_path: Path, server: Server, content: bytes, slept: list[float]) -> None:
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", terms(rate=len(content) / 100e6))
    assert max(slept) == pytest.approx(100, rel=0.1)


def test_it_waits_before_it_asks_for_the_page(
    tmp_path: Path, server: Server, content: bytes, slept: list[float]
) -> None:
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", terms(pause=7.5))
    assert slept[0] == 7.5


def test_it_waits_before_each_further_request_for_what_the_page_is_made_of(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], slept: list[float]
) -> None:
    fetch_video(show(server, film), tmp_path, "v", terms(pause=7.5))
    assert slept.count(7.5) > 1


def test_yt_dlp_keeps_nothing_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def extract(self: Any, *_: object, **__: object) -> None:
        self.cache.store("section", "key", "what it learnt of a player")
        raise _Chosen

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(_Chosen):
        fetch_video("http://x/", tmp_path / "out", "v", terms())
    assert not (tmp_path / "cache").exists()


def test_a_video_that_is_shown_within_a_list_is_meant_and_not_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extract(self: Any, *_: object, **__: object) -> None:
        raise _Chosen(self.get_info_extractor("Youtube")._yes_playlist("of the list", "of the video"))

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(_Chosen) as caught:
        fetch_video("http://x/", tmp_path, "v", terms())
    assert caught.value.args == (False,)


def test_the_longer_it_is_away_the_longer_it_waits(tmp_path: Path, server: Server, slept: list[float]) -> None:
    with pytest.raises(TransferFailed):
        fetch_video(server.put("/clip.mp4", always=Turn(status=503)), tmp_path, "v", terms(retries=4, pause=0.25))
    assert slept[::2] == [0.25] * 5
    for seconds, longest in zip(slept[1::2], (0.01, 0.02, 0.04, 0.08), strict=True):
        assert longest / 2 <= seconds <= longest


def test_nothing_is_said_on_the_terminal(
    tmp_path: Path, server: Server, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", terms())
    with pytest.raises(BadVideo):
        fetch_video(server.put("/page.html", b"<html></html>"), tmp_path, "w", terms())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("height", "expected"), [(240, 240), (100, 144)])
def test_picture_and_sound_that_lie_apart_are_joined(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], height: int, expected: int
) -> None:
    path = fetch_video(show(server, film), tmp_path, "v", terms(), height)
    found = probe(path)
    assert (path.name, found.height, len(found.times)) == ("v.mp4", expected, 100)
    assert found.audio is not None
    assert found.duration == pytest.approx(4, abs=0.05)
    assert names(tmp_path) == ["v.mp4"]


@pytest.mark.parametrize(("retries", "first_asked"), [(0, 2), (1, 1)])
def test_a_film_with_a_hole_is_none_and_only_this_run_takes_it_up_at_the_hole(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], retries: int, first_asked: int
) -> None:
    address = show(server, film, v1_1=Turn(status=503))
    if not retries:
        with pytest.raises(TransferFailed, match="HTTP Error 503"):
            fetch_video(address, tmp_path, "v", terms())
    assert len(probe(fetch_video(address, tmp_path, "v", terms(retries=retries))).times) == 100
    assert [len(server.of(f"/film/v1_{number}.ts")) for number in range(2)] == [first_asked, 2]


def test_parts_that_cannot_be_joined_are_brought_anew(
    tmp_path: Path, server: Server, film: Mapping[str, bytes]
) -> None:
    address = show(server, film, v2_0=Turn(content=b"no sound"), v2_1=Turn(content=b"none"), v2_2=Turn(content=b"none"))
    with pytest.raises(TransferFailed, match="Postprocessing"):
        fetch_video(address, tmp_path, "v", terms())
    assert names(tmp_path) == []
    assert probe(fetch_video(address, tmp_path, "v", terms())).audio is not None


class _Chosen(Exception):
    """Ends a visit when it has chosen."""


def choice(server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path, master: str, height: int | None) -> Any:
    def chosen(_: object, video: Mapping[str, Any]) -> None:
        raise _Chosen([part.get("height") for part in video.get("requested_formats") or [video]])

    monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", chosen)
    with pytest.raises(_Chosen) as caught:
        fetch_video(server.put("/film.m3u8", master.encode()), folder, "v", terms(), height)
    return caught.value.args[0]


def master(apart: Sequence[int], together: Sequence[int]) -> str:
    """A list of pictures by height: those that have their sound apart (if any), and those that have it with them."""
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="x",NAME="x",DEFAULT=YES,URI="x.m3u8"\n' if apart else ""
    picture = '#EXT-X-STREAM-INF:BANDWIDTH={0}000,RESOLUTION={0}x{0},CODECS="avc1.42c00b,mp4a.40.2"{1}\n{0}{2}.m3u8\n'
    return "".join(
        [
            "#EXTM3U\n",
            sound,
            *(picture.format(height, ',AUDIO="x"', "a") for height in apart),
            *(picture.format(height, "", "t") for height in together),
        ]
    )


@pytest.mark.parametrize(
    ("apart", "together", "height", "expected"),
    [
        ((360, 720, 1080), (), 720, [720, None]),
        ((360, 720, 1080), (), 700, [720, None]),
        ((360, 720, 1080), (), 2160, [1080, None]),
        ((360, 720, 1080), (), 144, [360, None]),
        ((360, 720, 1080), (), None, [1080, None]),
        ((), (360, 720, 1080), 700, [720]),
        ((), (360, 720), 1080, [720]),
        ((1080,), (360, 720), 720, [720]),
        ((1080,), (360, 720), 1080, [1080, None]),
    ],
)
def test_of_the_heights_offered_the_nearest_from_above_is_taken_with_sound(
    tmp_path: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    apart: Sequence[int],
    together: Sequence[int],
    height: int | None,
    expected: Sequence[int | None],
) -> None:
    assert choice(server, monkeypatch, tmp_path, master(apart, together), height) == expected


def test_a_picture_without_sound_is_not_taken_where_another_has_it(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = '#EXT-X-STREAM-INF:BANDWIDTH=9999,RESOLUTION=1920x1080,CODECS="avc1.42c00b"\nsilent.m3u8\n'
    assert choice(server, monkeypatch, tmp_path, master((), (360,)) + silent, 1080) == [360]


def page(monkeypatch: pytest.MonkeyPatch, warning: str = "", **video: Any) -> None:
    """All pages show this."""

    def extract(self: Any, address: str, download: bool) -> dict[str, Any]:
        assert not download
        if warning:
            self.report_warning(warning)
        return video

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", lambda *_: pytest.fail("it was brought all the same"))


NO_RUNTIME = "No supported JavaScript runtime could be found. Only deno is enabled by default"


def test_a_lower_picture_is_not_taken_for_want_of_a_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(monkeypatch, NO_RUNTIME, height=360)
    with pytest.raises(TransferFailed, match=r"^http://x/ .*JavaScript runtime.*install"):
        fetch_video("http://x/", tmp_path, "v", terms(), 720)


def test_what_is_still_broadcast_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(monkeypatch, is_live=True)
    with pytest.raises(TransferFailed, match=r"^http://x/ is still being broadcast"):
        fetch_video("http://x/", tmp_path, "v", terms())


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [([6_000_000], True), ([9_000_000], False), ([3_000_000, 1_000_000], True), ([3_000_000, 2_000_000], False)],
)
def test_room_is_looked_for_before_a_transfer_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int], fits: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_008_500_000))
    page(monkeypatch, requested_formats=[{"filesize_approx": size} for size in sizes])
    if fits:
        monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", lambda *_: (_ for _ in ()).throw(_Chosen))
    with pytest.raises(_Chosen if fits else TransferFailed):
        fetch_video("http://x/", tmp_path, "v", terms(reserve=1.0))


def test_room_is_looked_for_when_only_the_server_knows_the_size(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000 + len(content) // 2))
    address = server.put("/clip.mp4", content)
    with pytest.raises(TransferFailed, match=rf"^The disk of {tmp_path} .*make room"):
        fetch_video(address, tmp_path, "v", terms(reserve=1.0))
    assert sum(part.stat().st_size for part in parts(tmp_path)) < len(content) // 4


def test_a_disk_that_fills_up_is_told_as_the_system_does(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(HttpFD, "sanitize_open", lambda _, name, mode: (full, name))
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_video(server.put("/clip.mp4", content), tmp_path, "v", terms())
    assert caught.value.errno == errno.ENOSPC


ADVICE = (
    "Use --cookies-from-browser or --cookies for the authentication. See  https://github.com/yt-dlp/yt-dlp/wiki/FAQ"
    "#how-do-i-pass-cookies-to-yt-dlp  for how to manually pass cookies. Also see  https://github.com/yt-dlp/yt-dlp/"
    "wiki/Extractors#exporting-youtube-cookies  for tips on effectively exporting YouTube cookies"
)
REPORT = (
    "; please report this issue on  https://github.com/yt-dlp/yt-dlp/issues?q= , filling out the appropriate issue "
    "template. Confirm you are on the latest version using  yt-dlp -U"
)


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (
            f"\x1b[0;31mERROR:\x1b[0m [youtube] Y71hHF4g7Fg: Sign in to confirm you’re not a bot. {ADVICE}",
            TransferFailed,
            "Sign in to confirm you’re not a bot; name a browser's cookies in 'cookies'",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Private video. Sign in if you've been granted access to this video. "
            + ADVICE,
            BadVideo,
            "Private video; Sign in if you've been granted access to this video; "
            "if you have access, name your browser's cookies in 'cookies'",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Video unavailable. This video has been removed by the uploader",
            BadVideo,
            "Video unavailable; This video has been removed by the uploader",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: The uploader has not made this video available in your country\n"
            "This video is available in Norway.\n"
            "You might want to use a VPN or a proxy server (with --proxy) to workaround.",
            BadVideo,
            "The uploader has not made this video available in your country; This video is available in Norway; "
            "a 'proxy' elsewhere may be let in",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: This content isn't available, try again later. The current session has been "
            "rate-limited by YouTube for up to an hour. It is recommended to use `-t sleep` to add a delay",
            TransferFailed,
            "This content isn't available, try again later; The current session has been rate-limited by YouTube for "
            "up to an hour; set a longer 'pause'",
        ),
        (
            f"ERROR: [youtube] Y71hHF4g7Fg: Unable to extract yt initial data{REPORT}",
            TransferFailed,
            f"Unable to extract yt initial data; {UPDATE}",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: The page needs to be reloaded.",
            TransferFailed,
            f"The page needs to be reloaded; {UPDATE}",
        ),
        (
            f"ERROR: [youtube] Y71hHF4g7Fg: An extractor has failed to log in or out{REPORT}",
            TransferFailed,
            f"An extractor has failed to log in or out; {UPDATE}",
        ),
        (
            "ERROR: [youtube] Y71hHF4g7Fg: Unable to download API page: HTTP Error 400: Bad Request (caused by "
            "<HTTPError 400: Bad Request>)",
            TransferFailed,
            f"Unable to download API page: HTTP Error 400: Bad Request; {UPDATE}",
        ),
        (
            "\r[download] Got error: HTTP Error 403: Forbidden",
            TransferFailed,
            f"HTTP Error 403: Forbidden; {UPDATE}",
        ),
        ("ERROR: [youtube] Y71hHF4g7Fg: Premieres in 3 hours", TransferFailed, "Premieres in 3 hours"),
        ("\r[download] Got error: 5 bytes read, 9 more expected", Interrupted, "5 bytes read, 9 more expected"),
        (
            "\r[download] Got error: HTTP Error 404: Not Found",
            BadVideo,
            "HTTP Error 404: Not Found",
        ),
        ("", BadVideo, "yt-dlp gives no reason"),
    ],
)
def test_a_failure_is_told_in_one_sentence_without_advice_for_developers(
    said: str, kind: type[Exception], told: str
) -> None:
    error = judge(DownloadError(said), "http://x/").error
    assert type(error) is kind
    assert str(error) == f"http://x/ cannot be fetched: {told}"


@given(st.text())
def test_whatever_it_says_it_is_told_on_one_line(said: str) -> None:
    told = str(judge(DownloadError(f"ERROR: {said}"), "http://x/").error)
    assert "http://x/" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(("warnings", "kind"), [([NO_RUNTIME], TransferFailed), ([], BadVideo)])
def test_a_page_that_shows_nothing_without_a_runtime_wants_one(warnings: Sequence[str], kind: type[Exception]) -> None:
    said = "ERROR: [youtube] Y71hHF4g7Fg: Requested format is not available. Use --list-formats for a list"
    assert type(judge(DownloadError(said), "http://x/", warnings).error) is kind

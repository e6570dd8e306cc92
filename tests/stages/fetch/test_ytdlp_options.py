import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yt_dlp

from portrait_prep.errors import TransferFailed
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import session
from portrait_prep.stages.fetch.ytdlp import fetch_video
from tests.stages.fetch.server import Server, Turn
from tests.stages.fetch.videos import NO_RUNTIME, Chosen, offer, params, parts, show


def test_the_rate_is_kept(tmp_path: Path, server: Server, content: bytes, slept: list[float]) -> None:
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", params(rate=len(content) / 100e6))
    assert max(slept) == pytest.approx(100, rel=0.1)


def test_a_server_that_drips_holds_nobody_for_ever(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "WINDOW", 0.5)
    monkeypatch.setattr(session, "LEAST", 1e6)
    address = server.put("/clip.mp4", content, always=Turn(block=100, drip=0.12))
    with pytest.raises(TransferFailed, match="comes too slowly"):
        fetch_video(address, tmp_path, "v", params())


def test_it_waits_before_it_asks_for_the_page(
    tmp_path: Path, server: Server, content: bytes, slept: list[float]
) -> None:
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", params(pause=7.5))
    assert slept[0] == 7.5


def test_it_waits_before_each_further_request_for_what_the_page_is_made_of(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], slept: list[float]
) -> None:
    fetch_video(show(server, film), tmp_path, "v", params(pause=7.5))
    assert slept.count(7.5) > 1


def test_yt_dlp_keeps_nothing_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def extract(self: Any, *_: object, **__: object) -> None:
        self.cache.store("section", "key", "what it learnt of a player")
        raise Chosen

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(Chosen):
        fetch_video("http://x/", tmp_path / "out", "v", params())
    assert not (tmp_path / "cache").exists()


def test_a_video_that_is_shown_within_a_list_is_meant_and_not_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extract(self: Any, *_: object, **__: object) -> None:
        raise Chosen(self.get_info_extractor("Youtube")._yes_playlist("of the list", "of the video"))

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(Chosen) as caught:
        fetch_video("http://x/", tmp_path, "v", params())
    assert caught.value.args == (False,)


def test_extractors_do_not_ask_again_on_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def extract(self: Any, *_: object, **__: object) -> None:
        raise Chosen(self.get_info_extractor("Youtube").RetryManager().retries)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(Chosen) as caught:
        fetch_video("http://x/", tmp_path, "v", params())
    assert caught.value.args == (0,)


def test_of_a_list_only_that_it_is_one_is_looked_at(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def entries() -> Iterator[Mapping[str, Any]]:
        for number in range(100):
            seen.append(number)
            yield {"_type": "url", "url": f"{server.address}/{number}"}

    def extract(self: Any, address: str, download: bool) -> Any:
        described = {"_type": "playlist", "id": "1", "title": "1", "extractor": "x", "extractor_key": "X"}
        return self.process_ie_result({**described, "webpage_url": address, "entries": entries()}, download=download)

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    with pytest.raises(BadVideo, match="shows a list"):
        fetch_video(server.address, tmp_path, "v", params())
    assert len(seen) <= 2
    assert server.log == []


def test_the_longer_it_is_away_the_longer_it_waits(tmp_path: Path, server: Server, slept: list[float]) -> None:
    with pytest.raises(TransferFailed):
        fetch_video(server.put("/clip.mp4", always=Turn(status=503)), tmp_path, "v", params(retries=4, pause=0.25))
    assert slept[::2] == [0.25] * 5
    for seconds, longest in zip(slept[1::2], (0.01, 0.02, 0.04, 0.08), strict=True):
        assert longest / 2 <= seconds <= longest


def test_nothing_is_said_on_the_terminal(
    tmp_path: Path,
    server: Server,
    content: bytes,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    fetch_video(server.put("/clip.mp4", content), tmp_path, "v", params())
    with pytest.raises(BadVideo):
        fetch_video(server.put("/page.html", b"<html></html>"), tmp_path, "w", params())
    assert capfd.readouterr() == ("", "")
    assert not [message for message in caplog.messages if "ETA" in message]


def choice(server: Server, monkeypatch: pytest.MonkeyPatch, folder: Path, master: str, height: int | None) -> Any:
    def chosen(_: object, video: Mapping[str, Any]) -> None:
        raise Chosen([part.get("height") for part in video.get("requested_formats") or [video]])

    monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", chosen)
    with pytest.raises(Chosen) as caught:
        fetch_video(server.put("/film.m3u8", master.encode()), folder, "v", params(), height)
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


ORIGINAL = {"format_id": "original", "ext": "mp4", "height": 360, "language": "en", "language_preference": 10}
DUBBED = {"format_id": "dubbed", "ext": "mp4", "height": 720, "language": "fr", "language_preference": -1}
MP4 = {"format_id": "mp4", "ext": "mp4", "height": 720, "tbr": 100}
WEBM = {"format_id": "webm", "ext": "webm", "height": 720, "tbr": 900}


@pytest.mark.parametrize(("wanted", "other"), [(ORIGINAL, DUBBED), (MP4, WEBM)])
def test_the_voice_of_the_speaker_and_what_everybody_reads_are_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    def chosen(_: object, video: Mapping[str, Any]) -> None:
        raise Chosen(video["format_id"])

    monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", chosen)
    for formats in ((wanted, other), (other, wanted)):
        offer(monkeypatch, *({"url": f"http://x/{each['format_id']}", **each} for each in formats))
        with pytest.raises(Chosen) as caught:
            fetch_video("http://x/", tmp_path, "v", params(), 720)
        assert caught.value.args == (wanted["format_id"],)


def page(monkeypatch: pytest.MonkeyPatch, warning: str = "", **video: Any) -> None:
    """All pages show this."""

    def extract(self: Any, address: str, download: bool) -> dict[str, Any]:
        assert not download
        if warning:
            self.report_warning(warning)
        return video

    monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract)
    monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", lambda *_: pytest.fail("it was brought all the same"))


def test_a_lower_picture_is_not_taken_for_want_of_a_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(monkeypatch, NO_RUNTIME, height=360)
    with pytest.raises(TransferFailed, match=r"^http://x/ .*JavaScript runtime.*install"):
        fetch_video("http://x/", tmp_path, "v", params(), 720)


def test_what_is_still_broadcast_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page(monkeypatch, is_live=True)
    with pytest.raises(TransferFailed, match=r"^http://x/ is still being broadcast"):
        fetch_video("http://x/", tmp_path, "v", params())


@pytest.mark.parametrize(
    ("sizes", "fits"),
    [([6_000_000], True), ([9_000_000], False), ([3_000_000, 1_000_000], True), ([3_000_000, 2_000_000], False)],
)
def test_disk_space_is_looked_for_before_a_transfer_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: Sequence[int], fits: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_008_500_000))
    page(monkeypatch, requested_formats=[{"filesize_approx": size} for size in sizes])
    if fits:
        monkeypatch.setattr(yt_dlp.YoutubeDL, "process_info", lambda *_: (_ for _ in ()).throw(Chosen))
    with pytest.raises(Chosen if fits else TransferFailed):
        fetch_video("http://x/", tmp_path, "v", params(reserve=1.0))


def test_disk_space_is_looked_for_when_only_the_server_knows_the_size(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000_000 + len(content) // 2))
    address = server.put("/clip.mp4", content)
    with pytest.raises(TransferFailed, match=rf"^The disk of {tmp_path} .*make room"):
        fetch_video(address, tmp_path, "v", params(reserve=1.0))
    assert sum(part.stat().st_size for part in parts(tmp_path)) < len(content) // 4

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.errors import TransferFailed
from portrait_prep.media.probe import probe
from portrait_prep.stages.fetch import ytdlp, ytdlp_client
from portrait_prep.stages.fetch.ytdlp import fetch_video
from tests.clips import clicks, make, portrait, steady, write_clip
from tests.stages.fetch.server import Server, Turn
from tests.stages.fetch.videos import PLAIN, leave_half, names, offer, params, parts, show

BRAND = 15
"""Where a byte of an MP4 may be another and tell nothing: the minor version of its brand (ISO/IEC 14496-12, 4.3)."""


STATES: Sequence[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"etag": '"1"'}, {"etag": '"2"'}),
    ({"modified": 1.0}, {"modified": 2.0}),
]
"""What servers say of two states of a file."""


def test_what_came_before_it_broke_off_is_not_sent_again(tmp_path: Path, server: Server, content: bytes) -> None:
    address = server.put("/clip.mp4", content, PLAIN, Turn(stop_after=len(content) // 2))
    with pytest.raises(TransferFailed, match=f"^{address} cannot be fetched: "):
        fetch_video(address, tmp_path, "v", params())
    (part,) = parts(tmp_path)
    here = part.stat().st_size
    assert len(content) // 4 < here <= len(content) // 2
    assert part.relative_to(tmp_path).parts[0].startswith(".v.")
    path = fetch_video(address, tmp_path, "v", params())
    assert path.read_bytes() == content
    assert names(tmp_path) == ["v.mp4"]
    last = server.of("/clip.mp4")[-1]
    assert (last.headers["Range"], last.status, last.sent) == (f"bytes={here}-", 206, len(content) - here)


def changed(content: bytes, at: int) -> bytes:
    """Another state of a video: one byte is another, and it still is as long and can be read."""
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


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
    assert fetch_video(address, tmp_path, "v", params()).read_bytes() == changed(content, BRAND)


@pytest.mark.parametrize("from_the_end", [100, None])
def test_where_a_server_says_nothing_of_its_state_the_bytes_and_the_size_must_be_the_same(
    tmp_path: Path, server: Server, content: bytes, from_the_end: int | None
) -> None:
    half = leave_half(tmp_path, server, content)
    later = changed(content, half - from_the_end) if from_the_end else content + b"\0\0\0\x08free"
    assert fetch_video(server.put("/clip.mp4", later), tmp_path, "v", params()).read_bytes() == later
    assert server.of("/clip.mp4")[-1].sent == len(later)


@pytest.mark.parametrize("length", [100, 40_000])
def test_a_file_that_has_become_shorter_is_brought_anew(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    leave_half(tmp_path, server, content)
    monkeypatch.setattr(ytdlp, "probe", lambda *_, **__: None)
    monkeypatch.setattr(ytdlp_client, "SAMPLE", 1000)
    address = server.put("/clip.mp4", content[:length])
    assert fetch_video(address, tmp_path, "v", params()).read_bytes() == content[:length]


def test_a_state_that_changes_while_its_rest_is_asked_for_is_noticed(
    tmp_path: Path, server: Server, content: bytes
) -> None:
    leave_half(tmp_path, server, content, etag='"1"')
    sample = Turn(content=content, headers={"ETag": '"1"'})
    address = server.put("/clip.mp4", changed(content, BRAND), PLAIN, sample, etag='"2"')
    assert fetch_video(address, tmp_path, "v", params(retries=1)).read_bytes() == changed(content, BRAND)


def test_a_part_that_only_lacks_its_name_is_not_sent_again(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, content)
    (part,) = parts(tmp_path)
    part.write_bytes(content)
    assert fetch_video(server.put("/clip.mp4", content), tmp_path, "v", params()).read_bytes() == content
    assert [exchange.status for exchange in server.of("/clip.mp4")[-3:]] == [206, 416, 200]


def test_parts_without_a_note_of_their_origin_are_of_no_use(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, b"x" * len(content))
    for note in tmp_path.rglob("*.json"):
        note.unlink()
    address = server.put("/clip.mp4", content)
    assert fetch_video(address, tmp_path, "v", params()).read_bytes() == content


def test_a_server_that_knows_no_ranges_sends_all_of_it_again(tmp_path: Path, server: Server, content: bytes) -> None:
    leave_half(tmp_path, server, content, etag='"1"', always=Turn(ignore_range=True))
    assert fetch_video(f"{server.address}/clip.mp4", tmp_path, "v", params()).read_bytes() == content


def test_a_server_in_trouble_does_not_cost_what_is_here(tmp_path: Path, server: Server, content: bytes) -> None:
    half = leave_half(tmp_path, server, content)
    address = server.put("/clip.mp4", content, PLAIN, Turn(status=503))
    with pytest.raises(TransferFailed, match="503"):
        fetch_video(address, tmp_path, "v", params())
    assert fetch_video(address, tmp_path, "v", params()).read_bytes() == content
    assert server.of("/clip.mp4")[-1].sent == len(content) - half


def test_an_address_may_be_signed_anew_for_each_try(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.put("/clip.mp4?signed=1", content, Turn(stop_after=len(content) // 2), etag='"1"')
    offer(monkeypatch, {"format_id": "0", "url": first, "ext": "mp4"})
    with pytest.raises(TransferFailed):
        fetch_video(server.address, tmp_path, "v", params())
    (part,) = parts(tmp_path)
    here = part.stat().st_size
    second = server.put("/clip.mp4?signed=2", content, etag='"1"')
    offer(monkeypatch, {"format_id": "0", "url": second, "ext": "mp4"})
    assert fetch_video(server.address, tmp_path, "v", params()).read_bytes() == content
    assert server.of("/clip.mp4?signed=2")[-1].sent == len(content) - here


def test_fragments_do_not_follow_on_the_part_of_a_whole_file(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(server, film)
    plain = server.put("/clip.mp4", b"x" * 50_000, Turn(stop_after=40_000))
    offer(monkeypatch, {"format_id": "0", "url": plain, "ext": "mp4"})
    with pytest.raises(TransferFailed):
        fetch_video(server.address, tmp_path, "v", params())
    assert len(parts(tmp_path)) == 1
    film_address = f"{server.address}/film/v1_.m3u8"
    offer(monkeypatch, {"format_id": "0", "url": film_address, "ext": "mp4", "protocol": "m3u8_native"})
    path = fetch_video(server.address, tmp_path, "v", params())
    assert b"x" * 1000 not in path.read_bytes()


def test_a_format_that_is_tried_out_leaves_nothing_elsewhere(
    tmp_path: Path, server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    address = server.put("/clip.mp4", content)
    offer(monkeypatch, {"format_id": "0", "url": address, "ext": "mp4", "__needs_testing": True})
    assert fetch_video(server.address, tmp_path / "out", "v", params()).read_bytes() == content
    assert len(server.log) == 2
    assert names(tmp_path / "temporary") == []


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
    offer(
        monkeypatch,
        {"format_id": "p", "url": f"{server.address}/p.mp4", "vcodec": "avc1", "acodec": "none", "ext": "mp4"},
        {"format_id": "s", "url": f"{server.address}/s.m4a", "vcodec": "none", "acodec": "mp4a", "ext": "m4a"},
    )
    server.put("/p.mp4", takes[0][0])
    server.put("/s.m4a", takes[0][1], Turn(stop_after=len(takes[0][1]) // 2))
    with pytest.raises(TransferFailed):
        fetch_video(server.address, tmp_path, "v", params())
    before = server.sent("/p.mp4")
    for path, content in zip(("/p.mp4", "/s.m4a"), takes[later], strict=True):
        server.put(path, content)
    found = probe(fetch_video(server.address, tmp_path, "v", params()))
    assert found.audio is not None
    assert len(found.times) == 50 + 25 * later
    if not later:
        assert {exchange.headers.get("Range") for exchange in server.of("/p.mp4")[1:]} >= {f"bytes={before}-"}
    assert names(tmp_path) == ["v.mp4"]


def test_parts_of_another_address_are_not_taken_up(tmp_path: Path, server: Server, content: bytes) -> None:
    one = server.put("/one/clip.mp4", b"x" * len(content), PLAIN, Turn(stop_after=40_000))
    with pytest.raises(TransferFailed):
        fetch_video(one, tmp_path, "v", params())
    other = server.put("/other/clip.mp4", content)
    assert fetch_video(other, tmp_path, "v", params()).read_bytes() == content


@pytest.mark.parametrize(("retries", "first_asked"), [(0, 2), (1, 1)])
def test_a_film_with_a_hole_is_none_and_only_this_run_takes_it_up_at_the_hole(
    tmp_path: Path, server: Server, film: Mapping[str, bytes], retries: int, first_asked: int
) -> None:
    address = show(server, film, v1_1=Turn(status=503))
    if not retries:
        with pytest.raises(TransferFailed, match="HTTP Error 503"):
            fetch_video(address, tmp_path, "v", params())
    assert len(probe(fetch_video(address, tmp_path, "v", params(retries=retries))).times) == 100
    assert [len(server.of(f"/film/v1_{number}.ts")) for number in range(2)] == [first_asked, 2]

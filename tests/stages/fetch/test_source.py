import hashlib
import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portrait_prep.errors import MissingPrerequisite, TransferFailed
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import source as source_module
from portrait_prep.stages.fetch import ytdlp
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.fetch.source import fetch_source
from tests.stages.fetch.server import Server, Turn

ROOT = Path(__file__).parents[3]
PARAMS = DownloadParams(reserve=0.0, retries=0, timeout=5.0)
ARCHIVE = "/records/7/files/Video_Speech_Actor_01.zip"
CONTENT = "/api/records/7/files/Video_Speech_Actor_01.zip/content"
NAME = "01-01-01-01-01-01-01.mp4"
MEMBERS = {f"Actor_01/{NAME}": b"one" * 5000, "Actor_01/01-01-01-01-01-02-01.mp4": b"two" * 5000}


@pytest.fixture(autouse=True)
def _no_memory() -> Iterator[None]:
    source_module._failed.clear()
    source_module._fetched_anew.clear()
    yield
    source_module._failed.clear()
    source_module._fetched_anew.clear()


def zipped(members: dict[str, bytes] = MEMBERS) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def publish(server: Server, content: bytes, *turns: Turn, described: bytes | None = None) -> str:
    """A record with one archive, which it says is `described`; its address, as the release's page gives it."""
    published = content if described is None else described
    entry = {
        "key": "Video_Speech_Actor_01.zip",
        "size": len(published),
        "checksum": f"md5:{hashlib.md5(published).hexdigest()}",
        "links": {"self": server.put(CONTENT, content, *turns, etag='"1"')},
    }
    server.put("/api/records/7", json.dumps({"files": [entry]}).encode())
    return f"{server.address}{ARCHIVE}"


def test_members_of_one_archive_are_taken_from_one_transfer(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped())
    got = [fetch_source(f"{address}#{member}", tmp_path, PARAMS) for member in (*MEMBERS, *MEMBERS)]
    assert [path.read_bytes() for path in got] == [*MEMBERS.values(), *MEMBERS.values()]
    assert len(server.of(CONTENT)) == 1
    assert len(server.of("/api/records/7")) == 1
    assert not server.of(ARCHIVE)


def test_what_was_taken_out_needs_the_archive_no_more(tmp_path: Path, server: Server) -> None:
    address = f"{publish(server, zipped())}#Actor_01/{NAME}"
    first = fetch_source(address, tmp_path, PARAMS)
    (tmp_path / "record-7/Video_Speech_Actor_01.zip").unlink()
    assert fetch_source(address, tmp_path, PARAMS) == first
    assert len(server.of(CONTENT)) == 1


def test_an_archive_that_its_user_has_already_is_not_fetched(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped())
    (tmp_path / "record-7").mkdir()
    (tmp_path / "record-7/Video_Speech_Actor_01.zip").write_bytes(zipped())
    fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS)
    assert server.log == []


def test_a_damaged_archive_is_fetched_once_more(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped())
    (tmp_path / "record-7").mkdir()
    (tmp_path / "record-7/Video_Speech_Actor_01.zip").write_bytes(zipped()[:-3000])
    got = fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS)
    assert got.read_bytes() == MEMBERS[f"Actor_01/{NAME}"]
    assert len(server.of(CONTENT)) == 1


def damaged(members: dict[str, bytes], member: str) -> bytes:
    """The archive with one byte of one member another."""
    packed = bytearray(zipped(members))
    packed[packed.index(members[member]) + 7] ^= 1
    return bytes(packed)


def test_an_archive_damaged_where_it_lies_is_asked_for_twice_whatever_is_in_it(tmp_path: Path, server: Server) -> None:
    address = server.put("/a.zip", zipped()[:-3000])
    for member in MEMBERS:
        with pytest.raises(BadVideo, match=r"what was published: .*damaged archive"):
            fetch_source(f"{address}#{member}", tmp_path, PARAMS)
    assert len(server.of("/a.zip")) == 2


@pytest.mark.parametrize("of_a_record", [True, False])
def test_a_damaged_member_costs_no_other(tmp_path: Path, server: Server, of_a_record: bool) -> None:
    bad, good = MEMBERS
    content = damaged(MEMBERS, bad)
    address = publish(server, content) if of_a_record else server.put("/a.zip", content)
    for _ in range(2):
        with pytest.raises(BadVideo, match="cannot be taken out of what was published"):
            fetch_source(f"{address}#{bad}", tmp_path, PARAMS)
        assert fetch_source(f"{address}#{good}", tmp_path, PARAMS).read_bytes() == MEMBERS[good]
    assert len(server.of(CONTENT if of_a_record else "/a.zip")) == (1 if of_a_record else 2)


def test_an_archive_is_not_given_up_before_another_is_here(tmp_path: Path, server: Server) -> None:
    bad, good = MEMBERS
    (tmp_path / "record-7").mkdir()
    (tmp_path / "record-7/Video_Speech_Actor_01.zip").write_bytes(damaged(MEMBERS, bad))
    with pytest.raises(BadVideo, match="404"):
        fetch_source(f"{server.address}{ARCHIVE}#{bad}", tmp_path, PARAMS)
    source_module._failed.clear()
    assert fetch_source(f"{server.address}{ARCHIVE}#{good}", tmp_path, PARAMS).read_bytes() == MEMBERS[good]


def test_a_record_that_changed_is_asked_again(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped(), described=zipped({"other": b"1"}))
    with pytest.raises(TransferFailed, match="expected"):
        fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS)
    source_module._failed.clear()
    assert fetch_source(f"{publish(server, zipped())}#Actor_01/{NAME}", tmp_path, PARAMS).is_file()


def test_a_wrong_checksum_is_refused_and_the_archive_fetched_again(tmp_path: Path, server: Server) -> None:
    good = zipped()
    rotten = good[:100] + b"x" + good[101:]
    got = fetch_source(f"{publish(server, good, Turn(content=rotten))}#Actor_01/{NAME}", tmp_path, PARAMS)
    assert got.read_bytes() == MEMBERS[f"Actor_01/{NAME}"]
    assert len(server.of(CONTENT)) == 2


def test_an_archive_that_is_never_as_told_fails_for_now(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped(), described=zipped({"other": b"1"}))
    with pytest.raises(TransferFailed, match="expected"):
        fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".zip", ".mp4")]


def test_a_record_without_the_archive_and_an_archive_without_the_member(tmp_path: Path, server: Server) -> None:
    publish(server, zipped())
    with pytest.raises(BadVideo, match=r"/api/records/7 lists no file Song\.zip"):
        fetch_source(f"{server.address}/records/7/files/Song.zip#a.mp4", tmp_path, PARAMS)
    with pytest.raises(BadVideo, match=r"has no member Actor_02/b\.mp4"):
        fetch_source(f"{server.address}{ARCHIVE}#Actor_02/b.mp4", tmp_path, PARAMS)
    assert fetch_source(f"{server.address}{ARCHIVE}#Actor_01/{NAME}", tmp_path, PARAMS).is_file()


def test_an_archive_of_no_record_is_fetched_as_it_is(tmp_path: Path, server: Server) -> None:
    address = server.put("/mirror/a.zip", zipped())
    assert fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS).read_bytes() == MEMBERS[f"Actor_01/{NAME}"]


def test_no_path_leads_out_of_the_folder(tmp_path: Path, server: Server) -> None:
    evil = server.put("/evil.zip", zipped({"../evil.mp4": b"1", f"Actor_01/{NAME}": b"2"}))
    folder = tmp_path / "w/sources"
    for member in ("../evil.mp4", f"Actor_01/{NAME}"):
        with pytest.raises(BadVideo, match="not to be trusted"):
            fetch_source(f"{evil}#{member}", folder, PARAMS)
    for address in (f"{server.address}/..%2f..%2fx.zip#a.mp4", f"{server.address}/watch?v=..%2f..%2fx"):
        with pytest.raises(BadVideo, match="404"):
            fetch_source(address, folder, PARAMS)
    assert {path.name for path in tmp_path.rglob("*")} <= {"w", "sources", *(path.name for path in folder.rglob("*"))}


@pytest.mark.parametrize("address", ["http://[::1", "http://[::1/a.zip#b.mp4", "http://a:b/c", "http:///a.zip#b.mp4"])
def test_what_is_no_address_is_refused_for_good(tmp_path: Path, address: str) -> None:
    with pytest.raises(BadVideo, match="is not an address of http or https"):
        fetch_source(address, tmp_path, PARAMS)


def test_one_that_failed_is_left_in_peace_for_a_moment(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.put("/a.zip", b"", always=Turn(status=503))
    for _ in range(3):
        with pytest.raises(TransferFailed, match="503"):
            fetch_source(f"{address}#{NAME}", tmp_path, PARAMS)
    assert len(server.log) == 1
    with pytest.raises(TransferFailed, match="503"):
        fetch_source(f"{address}#{NAME}", tmp_path, PARAMS.model_copy(update={"timeout": 4.0}))
    assert len(server.log) == 2
    monkeypatch.setattr(source_module, "COOLDOWN", 0.0)
    server.put("/a.zip", zipped())
    assert fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS).is_file()


def test_a_source_that_many_need_is_fetched_by_one_of_them(tmp_path: Path, server: Server) -> None:
    address = publish(server, zipped(), Turn(drip=0.05, block=4000))
    got: list[Path] = []
    workers = [
        threading.Thread(target=lambda member=member: got.append(fetch_source(f"{address}#{member}", tmp_path, PARAMS)))
        for member in MEMBERS
    ]
    for worker in workers:
        worker.start()
        time.sleep(0.05)
    for worker in workers:
        worker.join()
    assert len(got) == len(MEMBERS)
    assert len(server.of(CONTENT)) == 1
    assert len(server.of("/api/records/7")) == 1


def test_two_archives_of_one_record_may_come_at_the_same_time(tmp_path: Path, server: Server) -> None:
    names = ("One.zip", "Two.zip")
    entries = []
    for name in names:
        content = zipped({name: name.encode() * 100})
        link = server.put(f"/files/{name}", content)
        size_and_digest = {"size": len(content), "checksum": hashlib.md5(content).hexdigest()}
        entries.append({"key": name, "links": {"self": link}, **size_and_digest})
    slow = Turn(drip=0.05, block=100)
    server.put("/api/records/7", json.dumps({"files": entries}).encode(), slow, slow)
    script = (
        "import sys; from pathlib import Path; from portrait_prep.stages.fetch.source import fetch_source;"
        "from portrait_prep.stages.fetch.settings import DownloadParams;"
        "fetch_source(sys.argv[1], Path(sys.argv[2]), DownloadParams(reserve=0.0, retries=0))"
    )
    addresses = [f"{server.address}/records/7/files/{name}#{name}" for name in names]
    commands = [[sys.executable, "-c", script, address, str(tmp_path)] for address in addresses]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait() for process in processes] == [0, 0]
    assert len(server.of("/api/records/7")) == 1


def test_each_height_of_a_video_is_a_file_of_its_own(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bring(_: str, folder: Path, name: str, __: DownloadParams, height: int | None) -> Path:
        (folder / f"{name}.mp4").write_text(str(height))
        return folder / f"{name}.mp4"

    monkeypatch.setattr(ytdlp, "fetch_video", bring)
    long = "long" * 40
    for title in ("abc", long):
        got = {
            height: fetch_source(f"http://x/watch?v={title}", tmp_path, PARAMS, height) for height in (None, 360, 720)
        }
        assert [path.read_text() for path in got.values()] == ["None", "360", "720"]
    assert fetch_source("http://x/watch?v=abc", tmp_path, PARAMS, 720).name.startswith("abc_720p-")


def test_yt_dlp_is_loaded_by_those_who_fetch_from_a_page_only() -> None:
    script = "import portrait_prep.stages.order, sys; print('yt_dlp' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).strip() == "False"


def test_names_tell_which_source_it_is_and_differ_where_addresses_do(tmp_path: Path, server: Server) -> None:
    one = server.put("/one/clip.zip", zipped())
    two = server.put("/two/clip.zip", zipped({f"Actor_01/{NAME}": b"another take"}))
    paths = [fetch_source(f"{address}#Actor_01/{NAME}", tmp_path, PARAMS) for address in (one, two)]
    assert [path.name.startswith("01-01-01-01-01-01-01-") and path.suffix == ".mp4" for path in paths] == [True, True]
    assert paths[1].read_bytes() == b"another take"
    assert paths[0].read_bytes() != paths[1].read_bytes()


def test_archives_of_its_user_s_are_read_behind_a_link_and_none_is_put_there(tmp_path: Path, server: Server) -> None:
    archives, sources = tmp_path / "archives", tmp_path / "w/sources"
    archives.mkdir()
    sources.mkdir(parents=True)
    (sources / "record-7").symlink_to(archives)
    address = publish(server, zipped())
    first, second = (f"{address}#{name}" for name in MEMBERS)
    with pytest.raises(MissingPrerequisite, match="record-7 is a link that leads out"):
        fetch_source(first, sources, PARAMS)
    assert not list(archives.iterdir())
    (archives / "Video_Speech_Actor_01.zip").write_bytes(zipped())
    assert fetch_source(second, sources, PARAMS).read_bytes() == list(MEMBERS.values())[1]
    assert [path.name for path in archives.iterdir()] == ["Video_Speech_Actor_01.zip"]
    assert server.of(CONTENT) == []

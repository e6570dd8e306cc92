import io
import os
import pickle
import stat
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.stages.fetch import archive as archive_module
from portrait_prep.stages.fetch.archive import BrokenArchive, extract

NAME = "01-01-01-01-01-01-01.mp4"
MEMBER = f"Actor_01/{NAME}"
CONTENT = bytes(range(256)) * 1000


def zipped(path: Path, entries: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method) as made:
        warnings.simplefilter("ignore")
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.filename = info.orig_filename = name
            made.writestr(info, content)
    return path


def declare(path: Path, offset: int, value: bytes) -> None:
    """Write into the one entry of the central directory (APPNOTE 4.3.12), at `offset` from its start."""
    content = path.read_bytes()
    start = content.rindex(b"PK\x01\x02") + offset
    path.write_bytes(content[:start] + value + content[start + len(value) :])


FLAGS, METHOD, CRC, PACKED, SIZE = 8, 10, 16, 20, 24


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"", b"1", CONTENT])
def test_one_member_is_taken_out_and_nothing_else(tmp_path: Path, method: int, content: bytes) -> None:
    made = zipped(tmp_path / "a.zip", {"Actor_01/": b"", "Actor_01/other.mp4": b"other", MEMBER: content}, method)
    extract(made, MEMBER, tmp_path / "out/video.mp4")
    assert (tmp_path / "out/video.mp4").read_bytes() == content
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip", "out", "video.mp4"]


@pytest.mark.parametrize(
    "name",
    [NAME, f"deep/er/{MEMBER}", f"./{MEMBER}", f"Actor_01\\{NAME}", f"Video..Speech/{NAME}"],
)
def test_a_member_elsewhere_is_known_by_its_base_name(tmp_path: Path, name: str) -> None:
    extract(zipped(tmp_path / "a.zip", {name: CONTENT}), MEMBER, tmp_path / "video.mp4")
    assert (tmp_path / "video.mp4").read_bytes() == CONTENT


def test_the_exact_name_comes_first(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {f"a/{NAME}": b"other", MEMBER: CONTENT, NAME: b"third"})
    extract(made, MEMBER, tmp_path / "video.mp4")
    assert (tmp_path / "video.mp4").read_bytes() == CONTENT


def test_copies_count_as_one_and_others_of_that_name_are_refused(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {f"set/{MEMBER}": CONTENT, f"set/set/{MEMBER}": CONTENT})
    extract(made, MEMBER, tmp_path / "video.mp4")
    assert (tmp_path / "video.mp4").read_bytes() == CONTENT
    other = zipped(tmp_path / "b.zip", {f"set/{MEMBER}": CONTENT, f"set/set/{MEMBER}": b"other"})
    with pytest.raises(BadVideo, match=f"^{other} has several members {NAME} that are not the same$"):
        extract(other, MEMBER, tmp_path / "other.mp4")


@pytest.mark.parametrize(
    "name", [f"__MACOSX/{MEMBER}", f"Actor_01/._{NAME}", f"{MEMBER}/", f"Actor_01/x{NAME}", f"{MEMBER}/x", ""]
)
def test_what_is_not_that_file_is_passed_over(tmp_path: Path, name: str) -> None:
    made = zipped(tmp_path / "a.zip", {name: b""})
    with pytest.raises(BadVideo, match=f"^{made} has no member {MEMBER}$"):
        extract(made, MEMBER, tmp_path / "video.mp4")
    assert not (tmp_path / "video.mp4").exists()
    with pytest.raises(BadVideo, match="has no member"):
        extract(made, f"._{NAME}", tmp_path / "video.mp4")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "a/..",
        "..\\evil",
        "/etc/x",
        "\\etc\\x",
        "C:\\x",
        "c:x",
        "//host/x",
        "good.mp4\0/../evil",
        "good.mp4\0.exe",
    ],
)
def test_an_archive_with_an_entry_that_leads_out_is_refused_as_a_whole(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    made = zipped(inside / "a.zip", {MEMBER: CONTENT, name: b"evil"})
    with pytest.raises(BadVideo, match=r"^[^\n]*is not to be trusted: its entry [^\n]* leads out") as caught:
        extract(made, MEMBER, inside / "out/video.mp4")
    assert repr(name) in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo(MEMBER)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(BadVideo, match=f"^{MEMBER} of .*a.zip is a link or a device"):
        extract(tmp_path / "a.zip", MEMBER, tmp_path / "video.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [
        (FLAGS, b"\x01", "is encrypted"),
        (METHOD, b"\x0c\x00", "is packed in a way that is not read here"),
        (METHOD, b"\x09\x00", "is packed in a way that is not read here"),
        (SIZE, struct.pack("<I", (1 << 32) - 2), "more than is plausible"),
    ],
)
def test_a_member_that_cannot_be_trusted_is_refused(tmp_path: Path, offset: int, value: bytes, words: str) -> None:
    made = zipped(tmp_path / "a.zip", {MEMBER: CONTENT})
    declare(made, offset, value)
    with pytest.raises(BadVideo, match=rf"^{MEMBER} of {made} [^\n]*{words}[^\n]*$"):
        extract(made, MEMBER, tmp_path / "video.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_member_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = zipped(tmp_path / "a.zip", {MEMBER: CONTENT})
    monkeypatch.setattr(archive_module, "MOST_BYTES", len(CONTENT))
    extract(made, MEMBER, tmp_path / "video.mp4")
    monkeypatch.setattr(archive_module, "MOST_BYTES", len(CONTENT) - 1)
    with pytest.raises(BadVideo, match=f"would have {len(CONTENT)} bytes, more than the {len(CONTENT) - 1} allowed"):
        extract(made, MEMBER, tmp_path / "video.mp4")


def test_a_bomb_is_refused_and_silence_is_not(tmp_path: Path) -> None:
    made = zipped(tmp_path / "a.zip", {"silence.wav": bytes(1 << 20), "bomb.wav": bytes(1 << 25)})
    extract(made, "silence.wav", tmp_path / "silence.wav")
    with pytest.raises(BadVideo, match="more than is plausible"):
        extract(made, "bomb.wav", tmp_path / "bomb.wav")
    assert not (tmp_path / "bomb.wav").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("difference", [-1000, -1, 1])
@pytest.mark.parametrize("length", [0, -1000, -1, 1])
def test_a_member_that_is_not_as_long_as_declared_is_refused(
    tmp_path: Path, method: int, difference: int, length: int
) -> None:
    """Also when the CRC is that of the bytes there are, or of the declared length, so that nothing else would tell."""
    made = zipped(tmp_path / "a.zip", {MEMBER: CONTENT}, method)
    declare(made, SIZE, struct.pack("<I", len(CONTENT) + difference))
    declare(made, CRC, struct.pack("<I", zlib.crc32((CONTENT + b"\0")[: len(CONTENT) + length])))
    with pytest.raises(BrokenArchive):
        extract(made, MEMBER, tmp_path / "video.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_that_broke_off_is_told_apart(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "a.zip", {MEMBER: CONTENT}).read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        (tmp_path / "a.zip").write_bytes(whole[:length])
        with pytest.raises(BrokenArchive, match=r"^[^\n]*a\.zip is a damaged archive \([^\n]*\)$"):
            extract(tmp_path / "a.zip", MEMBER, tmp_path / "video.mp4")
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "none.zip", MEMBER, tmp_path / "video.mp4")
    error = pickle.loads(pickle.dumps(BrokenArchive("a b")))
    assert (type(error), str(error)) == (BrokenArchive, "a b")


SAMPLE = io.BytesIO()
with zipfile.ZipFile(SAMPLE, "w", zipfile.ZIP_DEFLATED) as _sample:
    _sample.writestr("other.mp4", b"other" * 10)
    _sample.writestr(MEMBER, b"content" * 30)


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_damage_it_is_told_or_the_bytes_are_right(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SAMPLE.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    made, target = tmp_path / "a.zip", tmp_path / "video.mp4"
    made.write_bytes(content)
    target.unlink(missing_ok=True)
    try:
        extract(made, MEMBER, target)
    except (BadVideo, BrokenArchive):
        assert not target.exists()
    else:
        assert target.read_bytes() == b"content" * 30


def test_memory_does_not_grow_with_the_member(tmp_path: Path) -> None:
    made, size = tmp_path / "a.zip", 64 << 20
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as opened, opened.open(MEMBER, "w") as member:
        for _ in range(64):
            member.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        extract(made, MEMBER, tmp_path / "video.mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "video.mp4").stat().st_size == size
    assert peak < 8 << 20


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_comes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = zipped(tmp_path / "a.zip", {MEMBER: CONTENT})
    monkeypatch.setattr("portrait_prep.manifests.files.temporary_beside", lambda _: Path("/dev/full"))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(OSError, match="No space left") as caught:
        extract(made, MEMBER, tmp_path / "video.mp4")
    assert not isinstance(caught.value, BrokenArchive)


def listing(path: Path, entries: int) -> Path:
    """An archive of nothing but a directory of so many empty members."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + b"%08d" % number for number in range(entries))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(directory), 0, 0)
    path.write_bytes(directory + end)
    return path


def test_a_directory_longer_than_any_release_has_is_not_read(tmp_path: Path) -> None:
    made = listing(tmp_path / "a.zip", 300_000)
    tracemalloc.start()
    with pytest.raises(BadVideo, match="its directory would have 16200000 bytes"):
        extract(made, MEMBER, tmp_path / "video.mp4")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_release_of_some_thousand_files_is_read(tmp_path: Path) -> None:
    names = {
        f"Audio_Video_Speech_and_Song_Actors_01-24/Actor_{n % 24:02}/{n:06}-01-01-01-01.mp4": b"" for n in range(8000)
    }
    extract(zipped(tmp_path / "a.zip", names | {MEMBER: CONTENT}), MEMBER, tmp_path / "video.mp4")
    assert (tmp_path / "video.mp4").read_bytes() == CONTENT


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(OSError, match="Not a regular file"):
        extract(tmp_path / "a.zip", MEMBER, tmp_path / "video.mp4")

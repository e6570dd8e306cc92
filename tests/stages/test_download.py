import errno
import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from portrait_prep.errors import SourceAway
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.manifests.video import Video, source_of
from portrait_prep.pipeline.declare.stage import BadVideo
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.download import STAGE, proof, read_through
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.sources import facts, link, picture_file
from tests.memory_job import MemoryJob, collect
from tests.stages.fetch.server import Server


def download(source: Path, workspace: Path) -> dict[str, Any]:
    workspace.mkdir(exist_ok=True)
    video = Video(video_id="v", corpus="folder", subject="s", source=source_of(source))
    job = MemoryJob(DownloadParams(), workspace, source=source, video=video)
    return {name: values[0] for name, values in collect(STAGE, job).items()}


@pytest.mark.parametrize("content", [b"", b"some bytes" * 300_000])
def test_a_source_is_known_by_its_bytes_and_linked(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "Clip 1.MOV"
    source.write_bytes(content)
    row = download(source, tmp_path / "w")
    known = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    alone = {"sound_file": None, "sound_bytes": None, "sound_sha256": None}
    assert row == {"source": str(source), "file": "v.mov", **known, **alone}
    link = tmp_path / "w/sources/v.mov"
    assert link.is_symlink()
    assert link.read_bytes() == content


def test_a_link_follows_a_source_that_moved_and_nothing_is_left_aside(tmp_path: Path) -> None:
    for name in ("old.mp4", "new.mp4"):
        (tmp_path / name).write_bytes(name.encode())
        download(tmp_path / name, tmp_path / "w")
        download(tmp_path / name, tmp_path / "w")
    assert [path.name for path in (tmp_path / "w/sources").iterdir()] == ["v.mp4"]
    assert (tmp_path / "w/sources/v.mp4").read_bytes() == b"new.mp4"


@pytest.mark.parametrize(
    ("member", "words"),
    [("a." + "x" * 250, "has a longer name"), ("a.%00mp4", "has a NUL in it"), ("a.mp4\0", "has a NUL in it")],
)
def test_a_member_that_no_file_can_be_called_is_the_video_s_own_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str, words: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(member, b"1")
    with Server() as server:
        address = f"{server.put('/a.zip', packed.getvalue())}#{member}"
        video = Video(video_id="v", corpus="folder", subject="s", source=address)
        with pytest.raises(BadVideo, match=words):
            collect(STAGE, MemoryJob(DownloadParams(reserve=0.0), tmp_path, video=video))


@pytest.mark.parametrize(("name", "words"), [("a.mp4\0", "has a NUL in it"), (f"a.{'x' * 250}", "has a longer name")])
def test_a_source_whose_link_no_file_can_be_called_is_the_video_s_own_failure(
    tmp_path: Path, name: str, words: str
) -> None:
    if "\0" not in name:
        (tmp_path / name).write_bytes(b"1")
    video = Video(video_id="v" * 100, corpus="folder", subject="s", source=str(tmp_path / name))
    with pytest.raises(BadVideo, match=words):
        collect(STAGE, MemoryJob(DownloadParams(), tmp_path, video=video))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere.mp4", "does not exist"),
        (".", "is a folder"),
        ("file/a.mp4", "a part of its path is no folder"),
        ("loop.mp4", "leads back to itself"),
        ("pipe.mp4", "is a pipe or device"),
        ("x" * 300 + ".mp4", "has a longer name"),
    ],
)
def test_what_cannot_be_had_is_told_at_once(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pipe.mp4").symlink_to(tmp_path / "pipe")
    with pytest.raises(BadVideo, match=words):
        download(tmp_path / name, tmp_path / "w")


def test_a_disk_that_fails_may_be_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "stat", failing)
    with pytest.raises(OSError, match="Input/output error"):
        read_through(tmp_path / "a.mp4")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_source_that_this_user_may_not_read_says_nothing_of_the_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def forbidden(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.mp4").write_bytes(b"1")
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(SourceAway, match="may not be read: mend its permissions"):
        read_through(tmp_path / "a.mp4")


def test_only_a_link_that_leads_to_the_source_is_read_in_its_place(tmp_path: Path) -> None:
    for name in ("mine.mp4", "other.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    job = MemoryJob(DownloadParams(), tmp_path / "w", source=tmp_path / "mine.mp4")
    assert picture_file(job).path == tmp_path / "mine.mp4"
    collect(STAGE, job)
    assert picture_file(job).path == tmp_path / "w/sources/v.mp4"
    link(tmp_path / "other.mp4", tmp_path / "w/sources/v.mp4")
    assert picture_file(job).path == tmp_path / "mine.mp4"


def test_a_changed_or_missing_source_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    video = Video(video_id="v", corpus="folder", subject="s", source=str(source))
    missing = facts(video)
    source.write_bytes(b"1")
    one = facts(video)
    source.write_bytes(b"22")
    two = facts(video)
    assert missing is None
    assert one != two
    assert two is not None
    assert two["bytes"] == 2
    assert facts(video) == two


def test_proof_reads_the_source_again_and_follows_the_link(tmp_path: Path) -> None:
    source, sources = tmp_path / "a.mp4", tmp_path / "w/sources"
    source.write_bytes(b"1")
    download(source, tmp_path / "w")
    video = Video(video_id="v", corpus="folder", subject="s", source=str(source))
    digest = hashlib.sha256(b"1").hexdigest()
    record = Record(
        video_id="v",
        stage="download",
        outcome="done",
        fingerprint="",
        basis=Basis(version=1),
        metrics={"file": "v.mp4", "sha256": digest},
    )

    def problems() -> list[str]:
        return [f"{problem}: {mend}" for problem, mend in proof(Workspace(tmp_path / "w"), video, record)]

    assert problems() == []
    source.write_bytes(b"2")
    (changed,) = problems()
    assert "no longer what it was" in changed
    source.unlink()
    (gone,) = problems()
    assert "cannot be read again" in gone
    assert "bring it back" in gone
    source.write_bytes(b"1")
    link(tmp_path / "other.mp4", sources / "v.mp4")
    (elsewhere,) = problems()
    (sources / "v.mp4").unlink()
    assert problems() == [elsewhere]
    assert elsewhere.startswith(f"sources/v.mp4 does not lead to {source}: delete")


@pytest.mark.parametrize("metrics", [{"file": None}, {"file": 1, "sha256": "0"}, {"file": "v.mp4"}, {"file": ["v"]}])
def test_proof_of_a_record_that_tells_no_names_is_none(tmp_path: Path, metrics: dict[str, Any]) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"1")
    video = Video(video_id="v", corpus="folder", subject="s", source=str(source))
    record = Record(
        video_id="v", stage="download", outcome="done", fingerprint="", basis=Basis(version=1), metrics=metrics
    )
    told = [problem for problem, _ in proof(Workspace(tmp_path / "w"), video, record)]
    assert told == [] or "no longer what it was" in told[0]

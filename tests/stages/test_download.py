import hashlib
from pathlib import Path
from typing import Any

import pytest

from manifests.catalogue import Video, source_of
from manifests.record import Basis, Record
from pipeline.stage import BadVideo
from stages.download import STAGE, DownloadParams, proof, source_facts
from tests.memory_job import MemoryJob, collect


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
    assert row == {"source": str(source), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    link = tmp_path / "w/v.mov"
    assert link.is_symlink()
    assert link.read_bytes() == content


def test_a_link_follows_a_source_that_moved_and_nothing_is_left_aside(tmp_path: Path) -> None:
    for name in ("old.mp4", "new.mp4"):
        (tmp_path / name).write_bytes(name.encode())
        download(tmp_path / name, tmp_path / "w")
        download(tmp_path / name, tmp_path / "w")
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["v.mp4"]
    assert (tmp_path / "w/v.mp4").read_bytes() == b"new.mp4"


def test_what_cannot_be_had_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadVideo, match="does not exist"):
        download(tmp_path / "nowhere.mp4", tmp_path / "w")
    with pytest.raises(BadVideo, match="is a folder"):
        download(tmp_path, tmp_path / "w")


def test_a_changed_or_missing_source_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    video = Video(video_id="v", corpus="folder", subject="s", source=str(source))
    missing = source_facts(video)
    source.write_bytes(b"1")
    one = source_facts(video)
    source.write_bytes(b"22")
    two = source_facts(video)
    assert missing is None
    assert one != two
    assert two is not None
    assert two["bytes"] == 2
    assert source_facts(video) == two


def test_proof_reads_the_source_again(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"1")
    video = Video(video_id="v", corpus="folder", subject="s", source=str(source))
    digest = hashlib.sha256(b"1").hexdigest()
    record = Record(
        video_id="v",
        stage="download",
        outcome="done",
        fingerprint="",
        basis=Basis(version=1),
        metrics={"sha256": digest},
    )
    assert list(proof(video, record, Path)) == []
    source.write_bytes(b"2")
    assert "no longer what it was" in next(iter(proof(video, record, Path)))
    source.unlink()
    assert "cannot be read again" in next(iter(proof(video, record, Path)))

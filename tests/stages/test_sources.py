import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.errors import BadInput, Damaged, MissingPrerequisite, SourceAway
from portrait_prep.manifests.record import Basis, Record
from portrait_prep.manifests.video import Video, source_of
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.download import STAGE, proof
from portrait_prep.stages.fetch.settings import DownloadParams
from portrait_prep.stages.sources import SourceFile, facts, picture_file, require, sound_file
from tests.memory_job import MemoryJob, collect
from tests.stages.fetch.server import Server
from tests.stages.fetch.test_source import MEMBERS, zipped

PARAMS = DownloadParams(reserve=0.0, retries=0, timeout=5.0)
PICTURE, SOUND = MEMBERS


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("NO_PROXY", "*")
    with Server() as running:
        yield running


def job_of(folder: Path, source: str, sound: str | None = None) -> MemoryJob[DownloadParams]:
    """A job after download: its columns are those that the stage made."""
    video = Video(video_id="v", corpus="ravdess", subject="s", source=source, sound=sound)
    job = MemoryJob(PARAMS, folder, video=video, source=folder / video.path)
    made = collect(STAGE, job)
    columns = {f"download.{name}": values for name, values in made.items()}
    after = MemoryJob(PARAMS, folder, video=video, source=folder / video.path, columns=columns)
    after.metrics = job.metrics
    return after


def remote(folder: Path, server: Server) -> MemoryJob[DownloadParams]:
    address = server.put("/a.zip", zipped())
    return job_of(folder, f"{address}#{PICTURE}", f"{address}#{SOUND}")


def test_picture_and_sound_that_were_fetched_are_read_by_the_name_of_the_video(tmp_path: Path, server: Server) -> None:
    job = remote(tmp_path / "w", server)
    picture, sound = picture_file(job), sound_file(job)
    assert sound is not None
    assert picture.path == tmp_path / "w/sources/v.mp4"
    assert sound.path == tmp_path / "w/sources/v.sound.mp4"
    assert (picture.path.read_bytes(), sound.path.read_bytes()) == tuple(MEMBERS.values())
    assert (job.metrics["bytes"], job.metrics["sound_bytes"]) == tuple(len(content) for content in MEMBERS.values())
    assert facts(job.video) == {}
    require(job)


def test_a_workspace_may_be_moved_with_what_was_fetched(tmp_path: Path, server: Server) -> None:
    remote(tmp_path / "w", server)
    shutil.move(tmp_path / "w", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere/sources/v.mp4").read_bytes() == MEMBERS[PICTURE]


def test_what_was_fetched_and_is_gone_is_damage_that_fetching_mends(tmp_path: Path, server: Server) -> None:
    job = remote(tmp_path / "w", server)
    (tmp_path / "w/sources/v.sound.mp4").resolve().unlink()
    assert picture_file(job).path.is_file()
    with pytest.raises(Damaged, match="fetched once more"):
        sound_file(job)
    again = remote(tmp_path / "w", server)
    assert sound_file(again)
    assert len(server.log) == 1  # the archive is still here


def test_a_sound_file_of_one_s_own_is_read_through_its_link(tmp_path: Path) -> None:
    picture, sound = tmp_path / "a.mp4", tmp_path / "b.WAV"
    picture.write_bytes(b"picture")
    sound.write_bytes(b"sound")
    job = job_of(tmp_path / "w", source_of(picture), source_of(sound))
    assert sound_file(job) == SourceFile(tmp_path / "w/sources/v.sound.wav", "b.WAV")
    before = facts(job.video)
    sound.write_bytes(b"another sound")
    assert facts(job.video) != before
    (tmp_path / "w/sources/v.sound.wav").unlink()
    assert sound_file(job) == SourceFile(sound, "b.WAV")
    sound.unlink()
    assert facts(job.video) is None
    with pytest.raises(SourceAway, match=r"b\.WAV is not there"):
        require(job)


def test_without_a_sound_file_the_sound_is_the_picture_s(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"picture")
    job = job_of(tmp_path / "w", source_of(tmp_path / "a.mp4"))
    assert sound_file(job) is None
    (name,) = job._columns["download.sound_file"]
    assert name is None
    assert job._columns["download.sound_bytes"].tolist() == [None]


def test_proof_of_what_was_fetched(tmp_path: Path, server: Server) -> None:
    job = remote(tmp_path / "w", server)
    fields = {"video_id": "v", "stage": "download", "outcome": "done", "fingerprint": "", "basis": Basis(version=1)}
    record = Record(metrics=job.metrics, **fields)

    def problems() -> list[str]:
        return [f"{problem}: {mend}" for problem, mend in proof(Workspace(tmp_path / "w"), job.video, record)]

    assert problems() == []
    (tmp_path / "w/sources/v.sound.mp4").resolve().write_bytes(b"rotten")
    (changed,) = problems()
    assert "v.sound.mp4 is no longer what it was: delete what it leads to" in changed
    (tmp_path / "w/sources/v.mp4").resolve().unlink()
    gone, _ = problems()
    assert "cannot be read again" in gone
    assert "fetched once more" in gone


def test_names_of_links_never_lead_out(tmp_path: Path) -> None:
    (tmp_path / "strange name\n.MP4").write_bytes(b"1")
    job = job_of(tmp_path / "w", source_of(tmp_path / "strange name\n.MP4"))
    assert np.array_equal(job._columns["download.file"], np.array(["v.mp4"], object))


def test_a_source_that_lies_where_its_link_would_stays_as_it_is(tmp_path: Path) -> None:
    sources = tmp_path / "w/sources"
    sources.mkdir(parents=True)
    (sources / "v.mp4").write_bytes(b"the only copy")
    job = job_of(tmp_path / "w", source_of(sources / "v.mp4"))
    assert not (sources / "v.mp4").is_symlink()
    assert picture_file(job).path.read_bytes() == b"the only copy"


def test_a_folder_of_originals_may_stand_in_for_sources(tmp_path: Path) -> None:
    originals = tmp_path / "originals"
    originals.mkdir()
    (originals / "v.mp4").write_bytes(b"the only copy")
    (tmp_path / "w").mkdir()
    (tmp_path / "w/sources").symlink_to(originals)
    job = job_of(tmp_path / "w", source_of(originals / "v.mp4"))
    assert picture_file(job).path.read_bytes() == b"the only copy"
    assert not (originals / "v.mp4").is_symlink()


def test_another_file_is_not_replaced_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"mine")
    (tmp_path / "w/sources").mkdir(parents=True)
    (tmp_path / "w/sources/v.mp4").write_bytes(b"someone else's")
    with pytest.raises(BadInput, match=r"sources/v\.mp4 lies where the link to .* belongs: move it"):
        job_of(tmp_path / "w", source_of(tmp_path / "a.mp4"))
    assert (tmp_path / "w/sources/v.mp4").read_bytes() == b"someone else's"


def test_nothing_is_put_into_a_folder_elsewhere_that_stands_in_for_sources(tmp_path: Path, server: Server) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "w").mkdir()
    (tmp_path / "w/sources").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(MissingPrerequisite, match="sources is a link that leads out"):
        job_of(tmp_path / "w", source_of(tmp_path / "a.mp4"))
    with pytest.raises(MissingPrerequisite, match="sources is a link that leads out"):
        remote(tmp_path / "w", server)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_record_that_names_what_lies_elsewhere_has_nothing_deleted(tmp_path: Path) -> None:
    (tmp_path / "victim.mp4").write_bytes(b"dear to somebody")
    video = Video(video_id="v", corpus="c", subject="s", shard="c-00000", source="https://x.org/v")
    for name in ("../../victim.mp4", str(tmp_path / "victim.mp4")):
        metrics = {"file": name, "bytes": 1, "sha256": "0" * 64}
        record = Record(
            video_id="v", stage="download", outcome="done", fingerprint="", basis=Basis(version=2), metrics=metrics
        )
        workspace = Workspace(tmp_path / "w")
        for _, remedy in proof(workspace, video, record):
            assert not any("victim" in command for command in remedy.commands(workspace.root))


def test_a_source_that_no_file_can_be_called_is_one_that_is_away(tmp_path: Path) -> None:
    assert facts(Video(video_id="v", corpus="c", subject="s", source="/no\0file")) is None


def test_a_source_named_from_the_workspace_on_is_watched_wherever_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "w"
    root.mkdir()
    (root / "pipeline.toml").write_text("")
    (root / "a.mp4").write_bytes(b"abc")
    (tmp_path / "a.mp4").write_bytes(b"another")
    monkeypatch.chdir(tmp_path)
    video = Video(video_id="v", corpus="folder", subject="s", source="a.mp4", sound="gone.wav")
    planner = Session(Workspace(root), (STAGE,)).planner
    assert planner.basis(STAGE, video, {}).outside == {}
    assert planner.basis(STAGE, video.model_copy(update={"sound": None}), {}).outside["bytes"] == len(b"abc")

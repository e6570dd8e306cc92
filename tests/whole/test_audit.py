"""A finished workspace of real stages, broken in every way: the audit names the damage, and what it says mends it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from portrait_prep.cli import audit
from portrait_prep.cli.opening import open_session
from portrait_prep.errors import BadInput, WorkspaceBusy
from portrait_prep.manifests.files import sha256_of
from portrait_prep.pipeline.auditing.audit import Audit, Sample
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.order import STAGES
from tests.clips import clicks, make, portrait, steady, write_clip
from tests.pipeline.damage import audited, edit_json, edit_row, exchange, flip, forge, keys_of, obey, rewrite_manifests
from tests.whole.runs import portrait_prep

NAMES = [stage.name for stage in STAGES if stage.on is None]
FIRST = "folder-00000.parquet"
"""The shard of `ann`, who is seen throughout, and `bob`, who is not for half a second."""
SECOND = "folder-00001.parquet"
"""That of `cat`, and of `nobody`, who fails."""
GAP = (12, 22)


SETTINGS = """
[run]
shard_seconds = 3.0

[quality]
min_face_share = 0.5
max_repeated_share = 1.0
min_picture_rate = 0.0
max_longest_repeat = 60.0
min_face_motion = 0.0
min_mouth_motion = 0.0
"""
"""Of stills, which are quick to make, nothing is asked that only the living have."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audit") / "w"
    sources = root.parent / "sources"
    sources.mkdir()
    root.mkdir()
    face = portrait(256, 256, 0.4)
    sound = clicks(1.4, 48000, [0.3, 0.8])
    write_clip(sources / "ann.mp4", steady(25, 1.4), face, sound=sound)
    hidden = f"drawbox=color=gray:t=fill:enable='between(n,{GAP[0]},{GAP[1] - 1})'"
    make("-i", sources / "ann.mp4", "-vf", hidden, "-c:a", "copy", sources / "bob.mp4")
    write_clip(sources / "cat.mp4", steady(25, 1.6), portrait(288, 288, 0.45))
    write_clip(sources / "nobody.mp4", steady(25, 1.2), np.full((128, 128, 3), 90, np.uint8))
    (root / "pipeline.toml").write_text(SETTINGS)
    added = portrait_prep("init", "folder", "-w", root, "--source", sources, "--subject-from", "each")
    assert added.returncode == 0, added.stderr
    session = open_session(root)
    assert [video.video_id for video in session.videos] == ["ann", "bob", "cat", "nobody"]
    session.run(session.select((), (), False), workers=0)
    status_counts = open_session(root).status_counts()
    assert [(row["video_id"], row["stage"]) for row in status_counts.failures] == [("nobody", "normalize")]
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    """A copy to break; the sources are shared."""
    return Path(shutil.copytree(finished, tmp_path / "w", symlinks=True))


@pytest.fixture
def session(root: Path) -> Session:
    return open_session(root)


@contextmanager
def source(session: Session, video_id: str) -> Iterator[Path]:
    """A source to change; it is put back at the end."""
    path = next(Path(video.source) for video in session.videos if video.video_id == video_id)
    content, state = path.read_bytes(), path.stat()
    try:
        yield path
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_an_intact_workspace_with_a_failure_and_a_gap_is_passed_over(finished: Path) -> None:
    gaps = json.loads((finished / "manifests/bob.json").read_text())["stages"]["landmarks"]["metrics"]["gaps"]
    assert gaps == [list(GAP)]
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert audited(open_session(finished)) == audited(open_session(finished), deep=True) == []
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    assert after == before


@pytest.mark.parametrize("stage", NAMES)
@pytest.mark.parametrize("at", [0.02, 0.4])
def test_a_flipped_byte_in_a_shard(session: Session, stage: str, at: float) -> None:
    flip(session.workspace.root / stage / FIRST, at)
    findings = audited(session)
    assert {finding.path for finding in findings} == {f"{stage}/{FIRST}"}
    assert all(finding.remedy.delete for finding in findings)


@pytest.mark.parametrize("name", ["media/ann.mp4", "media/ann.wav"])
@pytest.mark.parametrize("at", [0.0, 0.5, 0.999])
def test_a_flipped_byte_in_media(session: Session, name: str, at: float) -> None:
    flip(session.workspace.root / name, at)
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("media", name, "ann")}
    if at == 0.5:
        obey(session, findings)
        assert audited(session, deep=True) == []


DELETED = {
    "media/ann.mp4": "missing media",
    "media/bob.wav": "missing media",
    "manifests/nobody.json": "missing manifest",
    "manifests.parquet": "missing table",
    "stats/subjects.parquet": "missing output",
    "stats/ann.npz": "missing output",
    **{f"{stage}/{FIRST}": "missing shard" for stage in NAMES},
}


@pytest.mark.parametrize("name", DELETED)
def test_a_deleted_file(session: Session, name: str) -> None:
    (session.workspace.root / name).unlink()
    findings = audited(session)
    assert [(finding.kind, finding.path) for finding in findings] == [(DELETED[name], name)]
    if name.startswith(("media", "manifests", "stats")):
        obey(session, findings)
        assert audited(session, deep=True) == []


def test_a_deleted_link_to_a_source(session: Session) -> None:
    (session.workspace.root / "sources/ann.mp4").unlink()
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("proof", f"download/{FIRST}", "ann")}
    obey(session, findings)
    assert audited(session, deep=True) == []


@pytest.mark.parametrize("stage", ["download", "headpose", "stats"])
def test_exchanged_shards(session: Session, stage: str) -> None:
    folder = session.workspace.root / stage
    exchange(folder / FIRST, folder / SECOND)
    findings = audited(session)
    assert keys_of(findings) == {("exchanged", f"{stage}/{FIRST}", ""), ("exchanged", f"{stage}/{SECOND}", "")}
    assert f"it holds what belongs in {stage}/{SECOND}; put it there" in findings[0].line()
    obey(session, findings)
    assert audited(session, deep=True) == []


def test_a_replaced_source(session: Session) -> None:
    with source(session, "ann") as path:
        shutil.copyfile(path.with_name("cat.mp4"), path)
        findings = audited(session)
        assert keys_of(findings) == {("source", f"download/{FIRST}", "ann")}
        assert str(path) in findings[0].problem
        obey(session, findings)
        assert audited(session, deep=True) == []


def test_a_source_replaced_by_one_of_the_same_size_and_time(session: Session) -> None:
    with source(session, "ann") as path:
        state = path.stat()
        flip(path, 0.95)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert audited(session) == []
        findings = audited(session, deep=True)
        assert keys_of(findings) == {("proof", f"download/{FIRST}", "ann")}
        assert findings[0].problem == f"the source {path} is no longer what it was"
        obey(session, findings)
        assert audited(session, deep=True) == []


def test_a_leaked_subject(session: Session) -> None:
    root = session.workspace.root
    edit_row(root, "ann", subject="bob", split="train")
    edit_row(root, "bob", split="test")
    findings = audited(session)
    assert ("leak", "catalogue.parquet", "") in keys_of(findings)
    assert {finding.path for finding in findings} == {"catalogue.parquet"}
    edit_row(root, "bob", split="train")
    obey(session, findings)
    assert audited(session, deep=True) == []


def nan_at(column: str, frame: int) -> Callable[[Batch], Batch]:
    def change(batch: Batch) -> Batch:
        values = batch[column].copy()
        values[frame] = np.nan
        return batch | {column: values}

    return change


@pytest.mark.parametrize(
    ("stage", "column"), [("landmarks", "landmarks"), ("headpose", "euler"), ("torso", "billboard")]
)
def test_a_value_that_is_missing_outside_of_gaps(session: Session, stage: str, column: str) -> None:
    """With every digest done again, and manifests that agree."""
    forge(session, stage, "ann", nan_at(column, 7))
    rewrite_manifests(session)
    findings = audited(session)
    assert ("no value", f"{stage}/{FIRST}", "ann") in keys_of(findings)
    assert {finding.video_id for finding in findings} == {"ann"}
    assert f"{column} has no value in frame 7" in next(f.problem for f in findings if f.kind == "no value")


def test_one_frame_fewer_in_the_mp4(session: Session) -> None:
    path = session.workspace.root / "media/ann.mp4"
    copy_all_but_one(path)
    recorded(session, "ann", path)
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("proof", f"normalize/{FIRST}", "ann")}
    assert findings[0].problem == "the mp4 holds 34 frames, not 35"
    obey(session, findings)
    assert audited(session, deep=True) == []


def test_one_sample_fewer_in_the_wav(session: Session) -> None:
    path = session.workspace.root / "media/ann.wav"
    path.write_bytes(path.read_bytes()[:-2])
    recorded(session, "ann", path)
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("proof", f"normalize/{FIRST}", "ann")}
    assert "the wav holds 22399 samples" in findings[0].problem


def test_a_stage_that_covers_other_frames(session: Session) -> None:
    forge(session, "speech", "ann", lambda batch: {name: values[:-1] for name, values in batch.items()}, {"frames": 34})
    rewrite_manifests(session)
    findings = audited(session)
    assert keys_of(findings) == {("frames", f"speech/{FIRST}", "ann")}
    assert findings[0].problem == "it covers 34 frames, where the other stages cover 35"
    obey(session, findings)
    assert audited(session, deep=True) == []


def copy_all_but_one(path: Path) -> None:
    """The same packets without the last."""
    fresh = path.with_suffix(".fresh.mp4")
    with av.open(str(path)) as old, av.open(str(fresh), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for packet in packets[:-1]:
            packet.stream = stream
            new.mux(packet)
    fresh.rename(path)


def recorded(session: Session, video_id: str, path: Path) -> None:
    """Have everything say that the file is as it should be."""
    forge(session, "normalize", video_id, media=path)
    rewrite_manifests(session)


def test_an_edited_row_of_statistics(session: Session) -> None:
    """All digests done again: only the columns themselves tell."""
    forge(session, "stats", "ann", lambda batch: batch | {"euler_mean": batch["euler_mean"] + 0.1})
    rewrite_manifests(session)
    (session.workspace.root / "stats/reduction.json").unlink()
    (session.workspace.root / "stats/subjects.parquet").unlink()
    rewrite_manifests(session)
    assert audited(session) == []
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("proof", f"stats/{FIRST}", "ann")}
    assert findings[0].problem == "euler_mean is not what the frames of headpose.euler come to"
    obey(session, findings)
    assert audited(session, deep=True) == []


def test_edited_statistics_of_a_subject(session: Session) -> None:
    path = session.workspace.root / "stats/subjects.parquet"
    flip(path, 0.3)
    findings = audited(session)
    assert keys_of(findings) == {("output", "stats/subjects.parquet", "")}
    obey(session, findings)
    assert audited(session, deep=True) == []


def test_edited_statistics_of_a_subject_with_digests_done_again(session: Session) -> None:
    path = session.workspace.root / "stats/subjects.parquet"
    table = pq.read_table(path)
    column = table.schema.get_field_index("n_frames")
    pq.write_table(
        table.set_column(column, table.schema.field(column), [table["n_frames"].combine_chunks()[::-1]]), path
    )

    def redo(note: Any) -> None:
        for output in note["outputs"]:
            if output["path"] == "stats/subjects.parquet":
                output |= {"bytes": path.stat().st_size, "sha256": sha256_of(path)}

    edit_json(path.with_name("reduction.json"), redo)
    assert audited(session) == []
    findings = audited(session, deep=True)
    assert keys_of(findings) == {("recomputed output", "stats/subjects.parquet", "")}
    obey(session, findings)
    assert audited(session, deep=True) == []


def break_three(root: Path) -> None:
    flip(root / "media/ann.wav")
    (root / "media/orphan.mp4").touch()
    (root / "notes.txt").touch()


def test_what_the_command_line_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.audit(workspace=root) == 0
    assert capsys.readouterr().out == "Nothing found: every claim holds.\n"
    break_three(root)
    assert audit.audit(workspace=root) == 1
    assert capsys.readouterr().out.splitlines() == [
        "media/ann.wav [ann]: its bytes are not those recorded; delete the file and run again",
        "notes.txt: it is no file of the workspace's own; move it elsewhere",
        "media/orphan.mp4: nothing in the catalogue accounts for this file; delete it or move it away",
        "3 findings.",
        "Commands that mend them:",
        f"    rm {root}/media/ann.wav",
        f"    rm {root}/media/orphan.mp4",
        f"    portrait-prep run -w {root}",
        "1 has no automatic fix; see above.",
    ]
    assert audit.audit(workspace=root, json_=True) == 1
    assert [row["kind"] for row in json.loads(capsys.readouterr().out)] == ["media", "stranger", "orphan"]


@pytest.mark.slow
def test_the_commands_that_are_printed_mend(root: Path) -> None:
    break_three(root)
    done = portrait_prep("audit", "-w", root)
    assert (done.returncode, done.stderr) == (1, "")
    commands = [line for line in done.stdout.splitlines() if line.startswith("    ")]
    (root / "notes.txt").unlink()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["/bin/sh", "-c", "\n".join(commands)], env=os.environ | {"PATH": path}, check=False)
    again = portrait_prep("audit", "-w", root, "--deep", "--json")
    assert (again.returncode, again.stdout) == (0, "[]\n")


def test_a_workspace_that_a_run_holds_is_not_audited(root: Path) -> None:
    with open_session(root).workspace.lock(), pytest.raises(WorkspaceBusy):
        audit.audit(workspace=root)
    with pytest.raises(BadInput, match="--sample"):
        audit.audit(workspace=root, sample=-1)


def test_a_sample_recomputes_the_same_tables(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.parent.rglob("*")}
    assert list(Audit(open_session(root), sample=Sample(1, seed=3, workers=0)).findings()) == []
    assert {path: path.stat().st_mtime_ns for path in root.parent.rglob("*")} == before | {
        root: root.stat().st_mtime_ns
    }


@pytest.mark.slow
def test_a_sample_of_all_and_one_that_deviates(root: Path) -> None:
    assert portrait_prep("audit", "-w", root, "--deep", "--sample", "3").returncode == 0
    session = open_session(root)
    forge(session, "speech", "ann", lambda batch: batch | {"fbank": batch["fbank"] + np.float32(0.25)})
    rewrite_manifests(session)
    done = portrait_prep("audit", "-w", root, "--sample", "3", "--seed", "1", "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert found["path"] == f"speech/{FIRST}"
    assert found["problem"] == "recomputed from its source, fbank differs by up to 0.25, first in frame 0"

"""Damage of each kind is named, and nothing else is; what the audit says mends it; what is intact is passed over."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from portrait_prep.manifests.record import Failure
from portrait_prep.manifests.verdict import Review
from portrait_prep.pipeline.auditing.finding import KINDS
from portrait_prep.pipeline.declare.stage import Batch
from portrait_prep.pipeline.reviewing import decide
from portrait_prep.pipeline.store.shards import ShardReader, ShardWriter
from tests.pipeline.damage import (
    Key,
    as_is,
    audited,
    drop_row,
    edit_json,
    edit_row,
    exchange,
    flip,
    forge,
    keys_of,
    leave_one,
    obey,
    repeat_row,
    rewrite_manifests,
)
from tests.pipeline.toy import SCALE, add_videos, numbers, toy_session

FIRST, SECOND = "scale/toy-00000.parquet", "scale/toy-00001.parquet"
COUNTED = "count/toy-00000.parquet"
"""a1 and a2 are in the first shard, b1 and bad in the second."""
MANIFEST = "manifests/a1.json"


@dataclass(frozen=True)
class Damage:
    """What is done to a workspace, and what an audit says of it: nothing else."""

    harm: Callable[[Path], object]
    found: set[Key]
    undo: Callable[[Path], object] = field(default=lambda _: None)
    """What a person does where no command can."""
    deep: bool = False


def manifest_of(video_id: str, change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda root: edit_json(root / f"manifests/{video_id}.json", change)


def record_of(stage: str, video_id: str, **fields: object) -> Callable[[Path], None]:
    return lambda root: forge(toy_session(root), stage, video_id, as_is, fields, redo_digests=False)


def forged_and_blessed(stage: str, video_id: str, **fields: object) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        record_of(stage, video_id, **fields)(root)
        rewrite_manifests(toy_session(root))

    return harm


def other_basis(root: Path) -> None:
    """The record, and so the manifest, says of another setting that it was made with it; its fingerprint fits."""
    with ShardReader(root / FIRST) as reader:
        basis = reader.records["a1"].basis
    forged_and_blessed("scale", "a1", basis=basis.model_copy(update={"params": {"factor": 7.0}}))(root)


def orphan(path: str, root: Path) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).touch()


def claim(path: str, root: Path) -> None:
    """A note that names a file beyond the workspace: nothing may advise to delete that."""
    edit_json(root / "total/reduction.json", lambda note: note["outputs"][0].update(path=path))


def link_to_nowhere(root: Path) -> None:
    (root / "sources").mkdir()
    (root / "sources/zz.mp4").symlink_to("/nowhere")


def add_rows(root: Path) -> None:
    """At the end of a shard."""
    with ShardReader(root / FIRST) as reader, ShardWriter(root / "fresh", SCALE, SCALE.params()) as writer:
        for record in reader.records.values():
            writer.copy(reader, record)
        writer.rows("a1", iter([{"pair": np.zeros((3, 2), np.float32)}]))
    (root / "fresh").rename(root / FIRST)


def set_factor(root: Path) -> None:
    (root / "pipeline.toml").write_text("[scale]\nfactor = 9\n")


def replace_source(root: Path) -> None:
    """By another of the same size, which is noticed by its time."""
    source = Path(toy_session(root).videos[0].source)
    text = source.read_text()
    source.write_text(text.replace("299", "298"))
    assert len(source.read_text()) == len(text)


DAMAGES: dict[str, Damage] = {
    # shards
    "a byte of values": Damage(lambda root: flip(root / FIRST, 0.2), {("values", FIRST, "a1")}),
    "a byte of the footer": Damage(lambda root: flip(root / FIRST, 0.99), {("unreadable", FIRST, "")}),
    "a shard cut short": Damage(
        lambda root: (root / FIRST).write_bytes((root / FIRST).read_bytes()[:-9]), {("unreadable", FIRST, "")}
    ),
    "a shard emptied": Damage(lambda root: (root / FIRST).write_bytes(b""), {("unreadable", FIRST, "")}),
    "a shard deleted": Damage(lambda root: (root / FIRST).unlink(), {("missing shard", FIRST, "")}),
    "a shard of the first stage deleted": Damage(
        lambda root: (root / COUNTED).unlink(), {("missing shard", COUNTED, "")}
    ),
    "two shards exchanged": Damage(
        lambda root: exchange(root / FIRST, root / SECOND), {("exchanged", FIRST, ""), ("exchanged", SECOND, "")}
    ),
    "a shard copied over another": Damage(
        lambda root: shutil.copy(root / SECOND, root / FIRST), {("exchanged", FIRST, "")}
    ),
    "two stages' shards exchanged": Damage(
        lambda root: exchange(root / FIRST, root / COUNTED), {("exchanged", FIRST, ""), ("exchanged", COUNTED, "")}
    ),
    "rows that no record tells of": Damage(add_rows, {("row count", FIRST, "")}),
    "values changed, digests not": Damage(
        lambda root: forge(toy_session(root), "scale", "a1", lambda batch: {"pair": batch["pair"] + 1}, None, False),
        {("values", FIRST, "a1")},
    ),
    # records
    "a record that says two things": Damage(forged_and_blessed("scale", "a1", frames=299), {("record", FIRST, "a1")}),
    "a failure that has rows": Damage(
        forged_and_blessed("scale", "a1", outcome="failed", error=Failure(type="E", message="m", permanent=True)),
        {("record", FIRST, "a1"), ("outdated manifest", MANIFEST, "a1")},
    ),
    "a digest edited": Damage(forged_and_blessed("scale", "a1", digest="0" * 64), {("record", FIRST, "a1")}),
    "a stale fingerprint": Damage(record_of("scale", "a1", fingerprint="0" * 64), {("unfinished", FIRST, "a1")}),
    "a record of another basis": Damage(other_basis, {("record", FIRST, "a1")}),
    "metrics edited in a shard": Damage(record_of("count", "a1", metrics={"seconds": 99}), {("checksum", COUNTED, "")}),
    "a setting changed": Damage(set_factor, {("unfinished", FIRST, ""), ("unfinished", SECOND, "b1")}),
    # media
    "a byte of a media file": Damage(lambda root: flip(root / "media/a1.txt"), {("media", "media/a1.txt", "a1")}),
    "a media file cut short": Damage(
        lambda root: (root / "media/a1.txt").write_text("1"), {("media", "media/a1.txt", "a1")}
    ),
    "a media file deleted": Damage(
        lambda root: (root / "media/a1.txt").unlink(), {("missing media", "media/a1.txt", "a1")}
    ),
    # sources
    "a source replaced": Damage(replace_source, {("source", COUNTED, "a1")}),
    # manifests
    "a manifest edited": Damage(
        manifest_of("a1", lambda told: told["stages"]["count"]["metrics"].update(seconds=99)),
        {("manifest", MANIFEST, "a1")},
    ),
    "a manifest's checksum edited": Damage(
        manifest_of("a1", lambda told: told["stages"]["scale"]["outputs"][0].update(sha256="0" * 64)),
        {("manifest", MANIFEST, "a1")},
    ),
    "a manifest's verdict edited": Damage(
        manifest_of("a1", lambda told: told["quality"].update(accepted=False)), {("outdated manifest", MANIFEST, "a1")}
    ),
    "a manifest's label edited": Damage(
        manifest_of("a1", lambda told: told["labels"].update(emotion="sad")), {("outdated manifest", MANIFEST, "a1")}
    ),
    "a manifest without stages": Damage(
        manifest_of("a1", lambda told: told.pop("stages")), {("manifest", MANIFEST, "a1")}
    ),
    "a manifest that is a list": Damage(
        lambda root: (root / MANIFEST).write_text("[]"), {("unreadable manifest", MANIFEST, "a1")}
    ),
    "a manifest cut short": Damage(
        lambda root: (root / MANIFEST).write_text("{"), {("unreadable manifest", MANIFEST, "a1")}
    ),
    "a manifest deleted": Damage(lambda root: (root / MANIFEST).unlink(), {("missing manifest", MANIFEST, "a1")}),
    "the table deleted": Damage(
        lambda root: (root / "manifests.parquet").unlink(), {("missing table", "manifests.parquet", "")}
    ),
    "the table cut short": Damage(
        lambda root: (root / "manifests.parquet").write_bytes(b"PAR1"), {("table", "manifests.parquet", "")}
    ),
    "the table of another time": Damage(
        lambda root: shutil.copy(root / "catalogue.parquet", root / "manifests.parquet"),
        {("table", "manifests.parquet", "")},
    ),
    # what joins the videos
    "a reduction edited": Damage(lambda root: flip(root / "total/all.parquet"), {("output", "total/all.parquet", "")}),
    "a reduction's file deleted": Damage(
        lambda root: (root / "total/all.parquet").unlink(), {("missing output", "total/all.parquet", "")}
    ),
    "a reduction's note deleted": Damage(
        lambda root: (root / "total/reduction.json").unlink(),
        {("missing reduction", "total/reduction.json", ""), ("orphan", "total/all.parquet", "")},
    ),
    "a reduction of other videos": Damage(
        lambda root: edit_json(root / "total/reduction.json", lambda note: note.update(basis="0" * 64)),
        {("outdated reduction", "total/reduction.json", "")},
    ),
    "a reduction that counts otherwise": Damage(
        lambda root: edit_json(root / "total/reduction.json", lambda note: note.update(videos=99)),
        {("outdated reduction", "total/reduction.json", "")},
    ),
    **{
        f"a reduction that claims {path}": Damage(
            partial(claim, path),
            {("missing reduction", "total/reduction.json", ""), ("orphan", "total/all.parquet", "")},
        )
        for path in ("/etc/hosts", "../elsewhere.txt", "total/../../elsewhere.txt", "pipeline.toml", "media/a1.txt")
    },
    # the catalogue
    "a row repeated": Damage(
        lambda root: repeat_row(root, "a1"),
        {("repeated row", "catalogue.parquet", "a1")},
        lambda root: leave_one(root, "a1"),
    ),
    "a row of no time": Damage(
        lambda root: edit_row(root, "a1", start=2.0, end=1.0),
        {
            ("bad row", "catalogue.parquet", "a1"),
            ("unfinished", COUNTED, "a1"),
            ("outdated manifest", MANIFEST, "a1"),
        },
        lambda root: edit_row(root, "a1", start=None, end=None),
    ),
    "a row dropped": Damage(
        lambda root: drop_row(root, "b1"),
        {("gone", "manifests/b1.json", "b1")},
    ),
    "a subject edited": Damage(lambda root: edit_row(root, "b1", subject="c"), {("row", "catalogue.parquet", "b1")}),
    "a label edited": Damage(
        lambda root: edit_row(root, "b1", emotion="sad"), {("outdated manifest", "manifests/b1.json", "b1")}
    ),
    "what is taken of a source edited": Damage(
        lambda root: edit_row(root, "a1", start=1.0), {("unfinished", COUNTED, "a1")}
    ),
    "an id that leads out": Damage(
        lambda root: edit_row(root, "a1", video_id="../a1"),
        {
            ("unsafe name", "catalogue.parquet", "../a1"),
            ("gone", MANIFEST, "a1"),
        },
        lambda root: drop_row(root, "../a1"),
    ),
    # files
    **{
        f"an orphan in {path}": Damage(partial(orphan, path), {("orphan", path, "")})
        for path in (
            "media/zz.txt",
            "media/a1.wav",
            "scale/zz.parquet",
            "manifests/zz.json",
            "total/zz.npz",
            "report/zz.js",
            "report/overlay/zz.mp4",
        )
    },
    "a link in sources": Damage(link_to_nowhere, {("orphan", "sources/zz.mp4", "")}),
    "a file in sources that no link leads to": Damage(
        partial(orphan, "sources/zz.mp4"),
        {("unused source", "sources/zz.mp4", "")},
        lambda root: (root / "sources/zz.mp4").unlink(),
    ),
    "a stranger": Damage(
        lambda root: (root / "notes.txt").touch(),
        {("stranger", "notes.txt", "")},
        lambda root: (root / "notes.txt").unlink(),
    ),
    "a temporary file": Damage(lambda root: (root / "scale/.tmp-1-x").touch(), {("temporary", "scale/.tmp-1-x", "")}),
    "a scratch folder": Damage(
        lambda root: shutil.copytree(root / "scale", root / ".tmp-1-audit/scale"), {("temporary", ".tmp-1-audit", "")}
    ),
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audit") / "w"
    session = add_videos(root, {"a1": numbers(300), "a2": numbers(30), "b1": numbers(40, 3), "bad": "1 bad"})
    session.run(session.select((), (), False), workers=0)
    return root


@pytest.fixture
def root(intact: Path, tmp_path: Path) -> Path:
    """A copy to break, with sources of its own."""
    root = tmp_path / "w"
    add_videos(root, {"a1": numbers(300), "a2": numbers(30), "b1": numbers(40, 3), "bad": "1 bad"})
    originals = {video.video_id: Path(video.source) for video in toy_session(intact).videos}
    for video in toy_session(root).videos:
        shutil.copy2(originals[video.video_id], video.source)
    for path in intact.iterdir():
        if path.is_dir():
            shutil.copytree(path, root / path.name)
        elif path.name != "catalogue.parquet":
            shutil.copy2(path, root)
    rewrite_manifests(toy_session(root))
    return root


def test_an_intact_workspace_is_passed_over(root: Path) -> None:
    assert audited(toy_session(root)) == audited(toy_session(root), deep=True) == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_mended(root: Path, damage: str) -> None:
    session, case = toy_session(root), DAMAGES[damage]
    case.harm(root)
    findings = audited(session, case.deep)
    assert keys_of(findings) == case.found
    case.undo(root)
    obey(session, findings)
    assert audited(session, deep=True) == []


def test_every_kind_is_known_and_says_what_mends_it() -> None:
    """Those that no damage here brings about need media, gaps, leaks or a sample: they have tests of their own."""
    kinds = {kind for damage in DAMAGES.values() for kind, _, _ in damage.found}
    assert kinds <= KINDS.keys()
    assert all(kind.words for kind in KINDS.values())


def test_what_was_not_run_is_told_once_a_shard(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 2", "a2": "3 4", "b1": "5"})
    session.run(session.select(["count"], (), False), workers=0)
    expected = {("missing shard", FIRST, ""), ("missing shard", SECOND, "")}
    findings = audited(session)
    assert keys_of(findings) == expected
    assert findings[0].problem == "it is missing: 2 (a1, a2) are to be computed"


def test_a_source_that_is_away_says_nothing_against_the_workspace(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 2", "away": "away", "bad": "bad"})
    session.run(session.select((), (), False), workers=0)
    Path(session.videos[0].source).unlink()
    assert audited(session, deep=True) == []


def test_the_first_row_at_which_a_claim_is_broken_is_named(root: Path) -> None:
    def spoil(batch: Batch) -> Batch:
        numbers = batch["number"].copy()
        if len(numbers) == 50:  # behind the 250 of the first row group
            numbers[[10, 20]] = -1
        return {"number": numbers}

    forge(toy_session(root), "count", "a1", spoil)
    rewrite_manifests(toy_session(root))
    (finding,) = audited(toy_session(root))
    assert (finding.kind, finding.path, finding.video_id) == ("claim", COUNTED, "a1")
    assert "numbers are not negative" in finding.problem
    assert "(first at row 260)" in finding.problem


@pytest.mark.parametrize("frames", [299, 301])
def test_a_stage_that_covers_fewer_or_more_frames_than_the_others_is_named(root: Path, frames: int) -> None:
    forged_and_blessed("total", "a1", frames=frames)(root)
    findings = audited(toy_session(root))
    assert [(found.kind, found.path, found.video_id) for found in findings] == [
        ("frames", "total/toy-00000.parquet", "a1")
    ]
    assert findings[0].problem == f"it covers {frames} frames, where the other stages cover 300"
    obey(toy_session(root), findings)
    assert audited(toy_session(root)) == []


def test_a_killed_driver_left_old_manifests(root: Path) -> None:
    """The shards were written, the manifests were not: that is no damage to a shard."""
    before = {path: path.read_bytes() for path in (root / "manifests").iterdir()}
    table = (root / "manifests.parquet").read_bytes()
    set_factor(root)
    obey(toy_session(root), audited(toy_session(root)))
    for path, content in before.items():
        path.write_bytes(content)
    (root / "manifests.parquet").write_bytes(table)
    findings = audited(toy_session(root))
    assert {finding.kind for finding in findings} == {"manifest"}
    obey(toy_session(root), findings)
    assert audited(toy_session(root)) == []


def test_a_review_is_no_orphan_and_an_undone_one_is_noticed(root: Path) -> None:
    session = toy_session(root)
    decide(session, ["a1"], Review(decision="reject", why="blurred", who="ann", when="2026-01-01T00:00:00+00:00"))
    assert audited(session, deep=True) == []
    (root / "reviews.jsonl").unlink()
    findings = audited(session)
    assert ("outdated manifest", MANIFEST, "a1") in keys_of(findings)
    assert {finding.kind for finding in findings} <= {"outdated manifest", "table"}
    obey(session, findings)
    assert audited(session) == []


def test_report_and_overlays_are_no_orphans(root: Path) -> None:
    for path in ("report/index.html", "report/overlay/a1.mp4"):
        orphan(path, root)
    assert audited(toy_session(root)) == []
    orphan("report/overlay/.tmp-1-a1.mp4", root)
    findings = audited(toy_session(root))
    assert keys_of(findings) == {("temporary", "report/overlay/.tmp-1-a1.mp4", "")}
    obey(toy_session(root), findings)
    assert audited(toy_session(root)) == []


def test_what_is_the_user_s_own_is_no_orphan(root: Path) -> None:
    for path in (".gitignore", "models/net.onnx", "export/a.npz", "sources/release/a.mp4", "sources/.a.mp4.lock"):
        orphan(path, root)
    assert audited(toy_session(root)) == []


def test_a_user_s_own_folder_of_sources_may_hold_anything(tmp_path: Path) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 2"})
    source = tmp_path / "w/sources/a1.src"
    source.parent.mkdir()
    shutil.move(session.videos[0].source, source)
    edit_row(tmp_path / "w", "a1", source=str(source))
    (source.parent / "notes.txt").touch()
    session = toy_session(tmp_path / "w")
    session.run(session.select((), (), False), workers=0)
    assert audited(session) == []


def test_findings_are_data(root: Path) -> None:
    flip(root / "media/a1.txt")
    (finding,) = audited(toy_session(root))
    assert finding.line() == "media/a1.txt [a1]: its bytes are not those recorded; delete the file and run again"
    assert json.loads(json.dumps(finding.to_json(root))) == {
        "kind": "media",
        "path": "media/a1.txt",
        "video_id": "a1",
        "problem": "its bytes are not those recorded",
        "mend": "delete the file and run again",
        "commands": [f"rm {root}/media/a1.txt", f"portrait-prep run -w {root}"],
    }


@pytest.mark.parametrize(
    "name",
    ["count/toy-00000.parquet", "media/a1.txt", "manifests/a1.json", "manifests.parquet", "total/all.parquet"],
)
def test_a_folder_in_place_of_a_file_goes_as_one(root: Path, name: str) -> None:
    (root / name).unlink()
    (root / name / "within").mkdir(parents=True)
    obey(toy_session(root), audited(toy_session(root)))
    assert audited(toy_session(root)) == []


def test_commands_are_safe_in_a_shell(tmp_path: Path) -> None:
    root = tmp_path / "a b; c"
    (root / "media").mkdir(parents=True)
    add_videos(root, {})
    (root / "media/$(x) 'y'.mp4").touch()
    (finding,) = (finding for finding in audited(toy_session(root)) if finding.kind == "orphan")
    obey(toy_session(root), [finding])
    assert list((root / "media").iterdir()) == []


def test_a_hidden_file_of_somebody_else_is_neither_swept_nor_told(root: Path) -> None:
    own = [root / name for name in (".tmp-photos", ".tmp-", ".tmp-2024", "sources/.tmp-notes/x")]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    session = toy_session(root)
    session.run(session.select((), (), retry_failed=False), workers=0)
    assert all(path.exists() for path in own)
    assert audited(toy_session(root)) == []

"""The command `segment`, and what other commands tell of recordings. Scans and voices are made."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from portrait_prep.cli import opening
from portrait_prep.cli.assign import assign
from portrait_prep.cli.audit import audit
from portrait_prep.cli.init import folder, segments
from portrait_prep.cli.inspect import status
from portrait_prep.cli.listing import list_
from portrait_prep.cli.publish import report
from portrait_prep.cli.segment import segment
from portrait_prep.errors import BadInput, BadSetting, MissingPrerequisite
from portrait_prep.manifests.catalogue import read_catalogue, write_catalogue
from portrait_prep.manifests.corpora import recordings
from portrait_prep.stages.order import STAGES
from portrait_prep.stages.recordings import overview
from portrait_prep.stages.recordings.segments import SECTION
from tests.pipeline.damage import flip
from tests.stages.recordings.toy import TOYS, write_recording

Told = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    borrow_toys(monkeypatch)


def borrow_toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put them in place of the stages of recordings."""
    sections = (*STAGES, *TOYS[1:3], SECTION)
    monkeypatch.setattr(overview, "RECORDING_STAGES", TOYS)
    monkeypatch.setattr(overview, "SECTIONS", sections)
    monkeypatch.setattr(opening, "SECTIONS", sections)


@pytest.fixture
def interviews(tmp_path: Path) -> Path:
    """A folder with a short and a long recording."""
    for name in ("short", "long"):
        write_recording(tmp_path / "interviews", name)
    return tmp_path / "interviews"


def table(root: Path) -> list[dict[str, object]]:
    """Every row of segments.parquet."""
    rows: list[dict[str, object]] = pq.read_table(root / "segments.parquet").to_pylist()
    return rows


def state(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of a workspace, and when it was written."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_recordings_become_segments_and_these_become_videos(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    assert segment(source=interviews, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "2 recordings (2 new) in 4 parts" in told
    assert "Computed (parts): download 4, scan 4, voice 4; recordings joined: 2." in told
    assert "Not kept: " in told
    kept = [row for row in table(root) if row["kept"]]
    assert {row["recording"] for row in kept} == {"short", "long"}
    assert any(row["start"] < 300 < row["end"] for row in kept if row["recording"] == "long")  # type: ignore[operator]
    assert "min_seconds = 3.0" in (root / "pipeline.toml").read_text()

    assert segments(workspace=root) == 0
    videos = read_catalogue(root / "catalogue.parquet")
    assert [video.video_id for video in videos] == [row["segment_id"] for row in kept]
    assert {video.corpus for video in videos} == {"segments"}
    for video, row in zip(videos, kept, strict=True):
        assert (video.start, video.end, video.subject) == (row["start"], row["end"], row["subject"])
        assert (video.crop_x, video.crop_y, video.crop_w, video.crop_h) == tuple(row[f"crop_{n}"] for n in "xywh")
    sides = {video.subject.rpartition("-")[0]: video.split for video in videos}
    assert all(video.split == sides[video.subject.rpartition("-")[0]] for video in videos)
    capsys.readouterr()
    assert segments(workspace=root) == 0
    assert f"{len(kept)} videos (0 new)" in capsys.readouterr().out


def test_again_computes_and_writes_nothing(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    before, _ = state(root), capsys.readouterr()
    assert segment(workspace=root, workers=0) == 0
    assert "download 0, scan 0, voice 0; recordings joined: 0." in capsys.readouterr().out
    changed = {path for path, facts in state(root).items() if before.get(path) != facts}
    assert not {path for path in changed if not path.endswith((".log", ".lock"))}


def test_a_new_recording_costs_itself_only_and_moves_nothing(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    before, _ = table(root), capsys.readouterr()
    write_recording(interviews, "dull")
    write_recording(interviews, "again", copy_of="short")
    assert segment(source=interviews, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "download 1, scan 1, voice 1; recordings joined: 1." in told
    assert "Duplicates, byte for byte: 1 (again of short)" in told
    assert [row for row in table(root) if row["recording"] != "dull"] == before


def test_settings_of_segments_join_anew_and_compute_nothing(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("max_seconds = 60.0", "max_seconds = 20.0"))
    capsys.readouterr()
    status(workspace=root)
    assert "rest on other settings or findings than those of now: 2 (long, short): run" in capsys.readouterr().out
    status(workspace=root, json_=True)
    assert json.loads(capsys.readouterr().out)["recordings"]["outdated"] == ["long", "short"]
    segments(workspace=root)
    assert "rest on other settings or findings than those of now: 2 (long, short): run" in capsys.readouterr().out
    assert segment(workspace=root, workers=0) == 0
    assert "download 0, scan 0, voice 0; recordings joined: 2." in capsys.readouterr().out
    assert max(float(str(row["end"])) - float(str(row["start"])) for row in table(root) if row["kept"]) <= 20
    status(workspace=root)
    assert "other settings" not in capsys.readouterr().out
    settings.write_text(settings.read_text().replace("min_face = 64.0", "min_face = 4000.0"))
    segment(workspace=root, workers=0)
    assert "Next: portrait-prep report -w" in capsys.readouterr().out
    settings.write_text(settings.read_text().replace("max_seconds = 20.0", "max_seconds = 1.0"))
    with pytest.raises(BadSetting, match="is not allowed: min_seconds must not be above max_seconds"):
        segment(workspace=root, workers=0)


def switch(root: Path, backend: str) -> None:
    """The recogniser on or off."""
    settings = root / "pipeline.toml"
    before, section = settings.read_text().split("[identity]")
    lines = section.split("\n")
    place = next(number for number, line in enumerate(lines) if line.startswith("backend = "))
    lines[place] = f'backend = "{backend}"'
    settings.write_text(f"{before}[identity]" + "\n".join(lines))


def made(root: Path) -> dict[str, bytes]:
    """All tables that are made of recordings, but for what the stage that is off has left."""
    names = ("segments.parquet", "recordings/scan/*.parquet", "recordings/voice/*.parquet")
    return {str(path): path.read_bytes() for name in names for path in sorted(root.glob(name))}


def people(root: Path, recording: str) -> list[object]:
    """The persons of what is kept, in order."""
    return [row["subject"] for row in table(root) if row["kept"] and row["recording"] == recording]


def test_switched_on_a_recogniser_joins_persons_and_off_again_all_is_as_before(tmp_path: Path, capsys: Told) -> None:
    root, source = tmp_path / "w", tmp_path / "interviews"
    for name in ("brief", "short"):
        write_recording(source, name)
    segment(source=source, workspace=root, workers=0)
    assert "identity" not in capsys.readouterr().out
    assert not (root / "recordings" / "identity").exists()
    before, others = made(root), people(root, "short")
    assert people(root, "brief") == ["brief-000", "brief-001"]

    switch(root, "sface")
    assert segment(workspace=root, workers=0) == 1
    told = capsys.readouterr().out
    assert "download 0, scan 0, voice 0, identity 2; recordings joined: 1." in told
    assert "short: identity failed (1 part): it dazzles" in told
    assert people(root, "brief") == ["brief-000", "brief-000"]
    assert people(root, "short") == others, "by proportions, since nobody looked"
    assert audit(workspace=root, deep=True, workers=0) == 0
    on = made(root)
    assert {path for path in before if on[path] != before[path]} == {str(root / "segments.parquet")}
    capsys.readouterr()
    segment(workspace=root, workers=0)
    assert "identity 0; recordings joined: 0." in capsys.readouterr().out

    switch(root, "off")
    outdated = [one for one in found(root, capsys) if one[0] == "segments"]
    assert outdated == [("segments", "segments.parquet", "brief")]
    assert segment(workspace=root, workers=0) == 0
    assert "voice 0; recordings joined: 1." in capsys.readouterr().out
    assert made(root) == before
    assert audit(workspace=root, deep=True, workers=0) == 0

    switch(root, "sface")
    segment(workspace=root, workers=0)
    assert "identity 0; recordings joined: 1." in capsys.readouterr().out
    assert made(root) == on


def test_what_cannot_be_read_is_told_and_the_rest_is_used(tmp_path: Path, capsys: Told) -> None:
    root, source = tmp_path / "w", tmp_path / "interviews"
    write_recording(source, "half")
    (source / "notes.mp4").write_text("no video")
    assert segment(source=source, workspace=root, workers=0) == 1
    told = capsys.readouterr().out
    assert "half: scan failed (1 part): it is damaged" in told
    assert "notes: scan failed (1 part): notes.mp4 is no video" in told
    rows = [row for row in table(root) if row["recording"] == "half"]
    assert [row["reason"] for row in rows] == ["silent", None, "unreadable"]
    assert rows[-1]["end"] == pytest.approx(500, abs=1.1)
    assert audit(workspace=root, workers=0) == 0


def test_a_recording_that_is_shorter_now_has_fewer_parts(tmp_path: Path, interviews: Path) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    shutil.copyfile(interviews / "short.mp4", interviews / "long.mp4")
    segment(source=interviews, workspace=root, workers=0)
    parts = read_catalogue(root / "recordings" / "catalogue.parquet")
    assert [part.video_id for part in parts] == ["long-p0000", "short-p0000"]
    assert audit(workspace=root, workers=0) == 0


def test_one_that_has_lost_most_of_many_parts_too(
    tmp_path: Path, interviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mistake is suspected, as it is where whole recordings are gone from the catalogue."""
    root = tmp_path / "w"
    monkeypatch.setattr(recordings, "PART", 30.0)
    segment(source=interviews, workspace=root, workers=0)
    shutil.copyfile(interviews / "short.mp4", interviews / "long.mp4")
    segment(source=interviews, workspace=root, workers=0)
    catalogue = root / "recordings" / "catalogue.parquet"
    assert [part.video_id for part in read_catalogue(catalogue)] == ["long-p0000", "short-p0000"]
    assert audit(workspace=root, workers=0) == 0


@pytest.mark.parametrize("lost", ["long-p0000", "long-p0001", "long-p0002"])
def test_nothing_is_made_of_a_recording_that_lacks_a_part(tmp_path: Path, interviews: Path, lost: str) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    before, catalogue = table(root), root / "recordings" / "catalogue.parquet"
    write_catalogue(catalogue, [part for part in read_catalogue(catalogue) if part.video_id != lost])
    with pytest.raises(BadInput, match=r"the parts of long do not follow each other to its end: run .* --source"):
        segment(workspace=root, workers=0)
    assert segment(source=interviews, workspace=root, workers=0) == 0
    assert table(root) == before


@pytest.mark.parametrize("workers", [0, 2])
def test_one_that_cannot_be_joined_costs_no_other(tmp_path: Path, interviews: Path, workers: int) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    before, catalogue = table(root), root / "recordings" / "catalogue.parquet"
    known = read_catalogue(catalogue)
    write_catalogue(catalogue, [part for part in known if part.video_id != "long-p0001"])
    settings = root / "pipeline.toml"
    settings.write_text(settings.read_text().replace("min_seconds = 3.0", "min_seconds = 2.9"))
    (root / "segments.parquet").unlink()
    with pytest.raises(BadInput, match="the parts of long do not follow each other"):
        segment(workspace=root, workers=workers)
    assert {row["recording"] for row in table(root)} == {"short"}
    assert segment(source=interviews, workspace=root, workers=workers) == 0
    assert len(table(root)) == len(before)


def test_a_catalogue_that_has_lost_recordings_stops_it(
    tmp_path: Path, interviews: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "w"
    monkeypatch.setattr(recordings, "PART", 30.0)
    segment(source=interviews, workspace=root, workers=0)
    catalogue = root / "recordings" / "catalogue.parquet"
    write_catalogue(catalogue, [part for part in read_catalogue(catalogue) if part.subject == "short"])
    with pytest.raises(BadInput, match="run segment --source for all that is to stay"):
        segment(workspace=root, workers=0)
    assert segment(source=interviews, workspace=root, workers=0) == 0


def test_status_list_and_report_tell_of_recordings(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    capsys.readouterr()
    assert status(workspace=root) == 0
    told = capsys.readouterr().out
    assert "No videos yet: portrait-prep init segments" in told
    assert "2 recordings in 4 parts: download 4 done; scan 4 done; voice 4 done." in told
    status(workspace=root, json_=True)
    assert list(json.loads(capsys.readouterr().out)) == ["recordings"]
    segments(workspace=root)
    capsys.readouterr()
    status(workspace=root, json_=True)
    assert json.loads(capsys.readouterr().out)["recordings"]["stages"]["scan"]["videos"]["done"] == 4
    list_(workspace=root)
    assert "2 recordings in 4 parts" in capsys.readouterr().out
    report(workspace=root)
    assert "2 recordings in 4 parts" in (root / "report" / "index.html").read_text()


def test_the_audit_finds_what_is_missing_outdated_or_altered(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    assert audit(workspace=root, deep=True, workers=0) == 0
    settings, path = root / "pipeline.toml", root / "segments.parquet"
    settings.write_text(settings.read_text().replace("min_face = 64.0", "min_face = 65.0"))
    assert found(root, capsys) == [("segments", "segments.parquet", "long"), ("segments", "segments.parquet", "short")]
    settings.write_text(settings.read_text().replace("min_face = 65.0", "min_face = 64.0"))
    rows = pq.read_table(path)
    pq.write_table(rows.slice(1), path)
    assert found(root, capsys) == [("segments", "segments.parquet", "long")]
    path.write_bytes(path.read_bytes()[:-50])
    assert found(root, capsys) == [("segments", "segments.parquet", "")]
    path.unlink()
    assert found(root, capsys) == [("segments", "segments.parquet", "")]
    flip(root / "recordings" / "scan" / "recordings-00000.parquet", 0.3)
    audit(workspace=root, workers=0)
    told = capsys.readouterr().out
    assert f"rm {root}/recordings/scan/recordings-00000.parquet" in told
    assert f"portrait-prep segment -w {root}" in told
    (root / "recordings" / "scan" / "recordings-00000.parquet").unlink()
    assert segment(workspace=root, workers=0) == 0
    assert found(root, capsys) == []
    assert pq.read_table(path).equals(rows)


def test_what_lies_about_is_found_where_there_are_no_videos_yet(tmp_path: Path, interviews: Path, capsys: Told) -> None:
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    left = root / ".tmp-0123456789ab-segments.parquet"
    for path in (left, root / "notes.txt", root / "cache" / "mine.bin"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert found(root, capsys) == [
        ("temporary", left.name, ""),
        ("stranger", "notes.txt", ""),
        ("orphan", "cache/mine.bin", ""),
    ]
    audit(workspace=root, workers=0)
    assert f"portrait-prep segment -w {root}" in capsys.readouterr().out
    segment(workspace=root, workers=0)
    assert not left.exists()


def found(root: Path, capsys: Told) -> list[tuple[str, str, str]]:
    """Kind, path and recording of what the audit finds."""
    capsys.readouterr()
    audit(workspace=root, workers=0, json_=True)
    return [(one["kind"], one["path"], one["video_id"]) for one in json.loads(capsys.readouterr().out)]


def test_a_workspace_with_videos_takes_recordings_too(tmp_path: Path, interviews: Path) -> None:
    root = tmp_path / "w"
    write_recording(tmp_path / "clips", "dull")
    folder(source=tmp_path / "clips", workspace=root)
    settings = (root / "pipeline.toml").read_text()
    segment(source=interviews, workspace=root, workers=0)
    assert (root / "pipeline.toml").read_text() == settings
    segments(workspace=root)
    assert {video.corpus for video in read_catalogue(root / "catalogue.parquet")} == {"folder", "segments"}


def test_without_recordings_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--source"):
        segment(workspace=tmp_path / "w")
    with pytest.raises(BadInput, match="portrait-prep segment"):
        segments(workspace=tmp_path / "w")


def test_a_small_table_gives_persons_names(tmp_path: Path, interviews: Path) -> None:
    root, names = tmp_path / "w", tmp_path / "names.csv"
    segment(source=interviews, workspace=root, workers=0)
    segments(workspace=root)
    names.write_text("video_id,subject\nshort-000-*,ann\nshort-001-*,ann\n")
    assert assign(names, workspace=root) == 0
    named = {video.video_id for video in read_catalogue(root / "catalogue.parquet") if video.subject == "ann"}
    assert named == {
        str(row["segment_id"]) for row in table(root) if row["subject"] in ("short-000", "short-001") and row["kept"]
    }
    assert len(named) == 2
    segments(workspace=root)
    assert {video.video_id for video in read_catalogue(root / "catalogue.parquet") if video.subject == "ann"} == named


def test_it_goes_on_after_a_kill_to_the_same_table(tmp_path: Path, interviews: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    segment(source=interviews, workspace=whole, workers=0)
    segment(source=interviews, workspace=broken, workers=0)
    for stage, shard in (("scan", 1), ("voice", 2), ("voice", 3)):
        (broken / f"recordings/{stage}/recordings-{shard:05d}.parquet").unlink()
    (broken / "segments.parquet").unlink()
    segment(workspace=broken, workers=2)
    assert (broken / "segments.parquet").read_bytes() == (whole / "segments.parquet").read_bytes()


def test_nothing_is_written_behind_a_link_that_leads_out(tmp_path: Path, interviews: Path) -> None:
    root, elsewhere = tmp_path / "w", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / "recordings").symlink_to(elsewhere)
    with pytest.raises(MissingPrerequisite, match="leads out of the workspace"):
        segment(source=interviews, workspace=root, workers=0)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(("deep", "sample"), [(True, 0), (False, 1)])
def test_no_audit_writes_behind_a_link_either(tmp_path: Path, interviews: Path, deep: bool, sample: int) -> None:
    root, elsewhere = tmp_path / "w", tmp_path / "elsewhere"
    segment(source=interviews, workspace=root, workers=0)
    (root / "recordings").rename(elsewhere)
    (elsewhere / ".lock").unlink()
    (root / "recordings").symlink_to(elsewhere)
    before = state(elsewhere)
    with pytest.raises(MissingPrerequisite, match="leads out of the workspace"):
        audit(workspace=root, workers=0, deep=deep, sample=sample)
    assert state(elsewhere) == before

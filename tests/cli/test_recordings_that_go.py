"""Recordings whose files go, change or are renamed, and those that a person takes out. Scans and voices are made."""

import json
from pathlib import Path

import pytest

from portrait_prep.cli.init import segments
from portrait_prep.cli.inspect import status
from portrait_prep.cli.publish import report
from portrait_prep.cli.remove import remove
from portrait_prep.cli.segment import segment
from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue
from tests.cli.test_segment import Told, _toys, found, state, table
from tests.stages.recordings.toy import SCRIPTS, found_in, write_recording

__all__ = ["_toys"]


@pytest.fixture
def interviews(tmp_path: Path) -> Path:
    """A folder with two short recordings."""
    for name in ("short", "brief"):
        write_recording(tmp_path / "interviews", name)
    return tmp_path / "interviews"


@pytest.fixture
def root(tmp_path: Path, interviews: Path) -> Path:
    """A workspace with videos of both recordings."""
    root = tmp_path / "w"
    segment(source=interviews, workspace=root, workers=0)
    segments(workspace=root)
    return root


def recordings_in(root: Path) -> set[str]:
    """Of which there are segments."""
    return {str(row["recording"]) for row in table(root)}


def doubts(root: Path, capsys: Told) -> list[tuple[str, str, str]]:
    """What the audit finds of recordings and segments: of the videos nothing is computed here."""
    return [one for one in found(root, capsys) if one[1].startswith(("recordings/", "segments."))]


def videos_in(root: Path) -> set[str]:
    """Recordings of which there are videos."""
    return {Path(video.source).stem for video in read_catalogue(root / "catalogue.parquet")}


def test_a_file_that_is_gone_is_told_and_what_was_found_stays(root: Path, interviews: Path, capsys: Told) -> None:
    before = table(root)
    (interviews / "short.mp4").unlink()
    capsys.readouterr()
    assert segment(source=interviews, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "scan 0, voice 0; recordings joined: 0." in told
    assert "not there: 1 (short); what was found in them stays" in told
    assert "portrait-prep remove --recording short" in told
    assert table(root) == before
    status(workspace=root)
    assert "not there: 1 (short)" in capsys.readouterr().out
    status(workspace=root, json_=True)
    assert json.loads(capsys.readouterr().out)["recordings"]["away"] == ["short"]
    assert doubts(root, capsys) == []


def test_a_renamed_file_is_another_recording_and_the_old_name_is_told(
    root: Path, interviews: Path, capsys: Told
) -> None:
    (interviews / "short.mp4").rename(interviews / "dull.mp4")
    capsys.readouterr()
    assert segment(source=interviews, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "3 recordings (1 new)" in told
    assert "not there: 1 (short)" in told
    assert recordings_in(root) == {"short", "brief", "dull"}
    assert remove(recording=("short",), workspace=root) == 0
    assert recordings_in(root) == {"brief", "dull"}
    assert doubts(root, capsys) == []


def test_a_folder_that_was_moved_holds_the_same_recordings(root: Path, interviews: Path, capsys: Told) -> None:
    before = [row | {"source": None} for row in table(root)]
    moved = interviews.rename(interviews.parent / "elsewhere")
    capsys.readouterr()
    assert segment(source=moved, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "2 recordings (0 new)" in told
    assert "scan 0, voice 0; recordings joined: 2." in told
    assert "not there" not in told
    assert [row | {"source": None} for row in table(root)] == before
    segments(workspace=root)
    assert all(video.path.exists() for video in read_catalogue(root / "catalogue.parquet"))
    assert doubts(root, capsys) == []


def test_of_a_file_that_was_changed_the_old_videos_are_named(
    root: Path, interviews: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recording(interviews, "short", copy_of="brief", size=(66, 48))
    monkeypatch.setitem(SCRIPTS, "short", SCRIPTS["brief"])
    found_in.cache_clear()
    capsys.readouterr()
    assert segment(source=interviews, workspace=root, workers=0) == 0
    assert "scan 1, voice 1; recordings joined: 1." in capsys.readouterr().out
    there = {str(row["segment_id"]) for row in table(root) if row["kept"]}
    segments(workspace=root)
    told = capsys.readouterr().out
    gone = {video.video_id for video in read_catalogue(root / "catalogue.parquet")} - there
    assert f"No longer in the source: {len(gone)} (" in told
    assert gone
    assert doubts(root, capsys) == []
    found_in.cache_clear()


def test_a_removed_recording_stays_out_and_its_videos_stay(root: Path, interviews: Path, capsys: Told) -> None:
    report(workspace=root)
    kept = [str(row["segment_id"]) for row in table(root) if row["kept"] and row["recording"] == "brief"]
    capsys.readouterr()
    before = state(root)
    assert remove(recording=("br*",), dry_run=True, workspace=root) == 0
    assert f"To remove: 1 (brief), with {len(kept)} segments." in capsys.readouterr().out
    assert state(root) == before

    assert remove(recording=("br*",), why="no consent", workspace=root) == 0
    told = capsys.readouterr().out
    assert f"Removed: 1 (brief), with {len(kept)} segments." in told
    assert f"stay: {len(kept)} (" in told
    assert "portrait-prep remove 'brief-???-????????'" in told
    assert recordings_in(root) == {"short"}
    assert videos_in(root) == {"short", "brief"}
    assert not list((root / "recordings").rglob("*brief*"))
    assert not (root / "report" / "index.html").exists()
    assert (interviews / "brief.mp4").exists()
    assert doubts(root, capsys) == []

    assert segment(source=interviews, workspace=root, workers=0) == 0
    told = capsys.readouterr().out
    assert "Kept out, since removed before: 1 (brief); to take them all the same" in told
    assert "scan 0, voice 0; recordings joined: 0." in told
    segments(workspace=root)
    assert f"No longer in the source: {len(kept)} (" in capsys.readouterr().out
    assert remove("brief-???-????????", workspace=root) == 0
    assert videos_in(root) == {"short"}


def test_a_removal_is_forgotten(root: Path, interviews: Path, capsys: Told) -> None:
    before = table(root)
    remove(recording=("brief",), workspace=root)
    capsys.readouterr()
    assert remove(recording=("brief",), workspace=root) == 0
    assert "Nothing to remove" in capsys.readouterr().out
    assert remove(recording=("brief",), forget=True, workspace=root) == 0
    assert "Forgotten: 1 (brief). 'portrait-prep segment --source'" in capsys.readouterr().out
    assert segment(source=interviews, workspace=root, workers=0) == 0
    assert table(root) == before


def test_all_recordings_can_go(root: Path, capsys: Told) -> None:
    assert remove(recording=("*",), workspace=root) == 0
    assert table(root) == []
    assert doubts(root, capsys) == []
    capsys.readouterr()
    assert status(workspace=root) == 0
    assert "No recordings are left" in capsys.readouterr().out
    assert report(workspace=root) == 0
    assert segment(workspace=root, workers=0) == 0


def test_a_removal_that_was_broken_off_offers_no_segment_of_it(
    root: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portrait_prep.stages.recordings.removing.drop_gone", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        remove(recording=("brief",), workspace=root)
    assert recordings_in(root) == {"short", "brief"}
    capsys.readouterr()
    segments(workspace=root)
    assert "No longer in the source: " in capsys.readouterr().out
    assert ("segments", "segments.parquet", "brief") in found(root, capsys)
    assert segment(workspace=root, workers=0) == 0
    assert recordings_in(root) == {"short"}
    assert doubts(root, capsys) == []


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_copies_go_with_their_recording(root: Path, interviews: Path, capsys: Told) -> None:
    (interviews / "second.mp4").write_bytes((interviews / "brief.mp4").read_bytes())
    segment(source=interviews, workspace=root, workers=0)
    capsys.readouterr()
    assert remove(recording=("brief",), workspace=root) == 0
    assert "with them, as copies of the same files: 1 (second)" in capsys.readouterr().out
    segment(source=interviews, workspace=root, workers=0)
    assert recordings_in(root) == {"short"}


def test_what_makes_no_sense_is_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recording 'breif' here; did you mean brief"):
        remove(recording=("breif",), workspace=root)
    with pytest.raises(BadInput, match="stands alone"):
        remove("brief-000-00000000", recording=("brief",), workspace=root)
    with pytest.raises(BadInput, match="no recordings in"):
        remove(recording=("brief",), workspace=tmp_path / "elsewhere")


def test_a_damaged_table_does_not_keep_a_recording_in(root: Path, capsys: Told) -> None:
    (root / "segments.parquet").write_bytes(b"nothing")
    assert remove(recording=("brief",), workspace=root) == 0
    segment(workspace=root, workers=0)
    assert recordings_in(root) == {"short"}

"""What is taken of a folder, what is left out, what belongs together, and what is there twice."""

import os
import shutil
from pathlib import Path

import pytest

from portrait_prep.manifests.corpora.folder.catalogue import catalogue, listed
from portrait_prep.manifests.corpora.folder.summary import summary
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import Video
from tests.clips import clicks, make, portrait, steady, write_clip

TONE = ("-f", "lavfi", "-i", "sine=440:r=16000:d=1")
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1")


def lines(root: Path) -> list[str]:
    listing = listed(root)
    return summary(listing, listing.rows())


def picture(path: Path, *options: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    make(*PICTURE, *options, path)
    return path


def sound(path: Path, seconds: float = 1.0) -> Path:
    make("-f", "lavfi", "-i", f"sine=440:r=16000:d={seconds}", path)
    return path


def test_what_is_left_out_is_told_by_ending(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    for name in ("b.txt", "c.TXT", "sub/d.part", "README", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert lines(tmp_path)[-1] == (
        "Left out by ending, as no videos: .part: 1 (sub/d.part), .txt: 2 (b.txt, c.TXT), no ending: 1 (README)."
    )


def test_a_workspace_s_own_files_go_unmentioned(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    (tmp_path / "w/landmarks").mkdir(parents=True)
    for name in ("w/catalogue.parquet", "w/pipeline.toml", "w/landmarks/folder-00000.parquet"):
        (tmp_path / name).touch()
    assert not [line for line in lines(tmp_path) if line.startswith("Left out")]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.dv", ("-s", "720x576", "-r", "25", "-pix_fmt", "yuv420p")),
        ("a.divx", ("-f", "avi", "-c:v", "mpeg4")),
        ("a.3g2", ("-c:v", "mpeg4")),
        ("a.qt", ("-f", "mov")),
        ("a.mod", ("-f", "mpeg")),
        ("a.ogg", ("-c:v", "libtheora")),
        ("a.ogv", ("-c:v", "libtheora")),
        ("a.mxf", ("-c:v", "mpeg2video")),
        ("a.m2ts", ("-f", "mpegts")),
        ("a.rm", ("-c:v", "rv20")),
        ("a.DAT", ("-f", "vcd", "-s", "352x288", "-r", "25", "-c:v", "mpeg1video")),
    ],
)
def test_videos_of_further_endings_are_taken(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    picture(tmp_path / name, *options)
    (row,) = catalogue(tmp_path)
    assert row.video_id == "a"
    assert row.duration == pytest.approx(1.0, abs=0.4)  # some formats declare none that is exact


def test_an_ending_of_videos_and_other_things_goes_by_what_is_in_it(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    sound(tmp_path / "b.ogg")
    (tmp_path / "go.mod").write_text("module x\n")
    assert [row.video_id for row in catalogue(tmp_path)] == ["a"]
    assert ".mod: 1 (go.mod), .ogg: 1 (b.ogg)" in lines(tmp_path)[-1]


@pytest.mark.parametrize(
    ("of_picture", "of_sound"),
    [
        ("Ann_1.f137.mp4", "Ann_1.f140.m4a"),
        ("Ann_1.f248.webm", "Ann_1.f251.webm"),
        ("Ann_1.f399.mp4", "Ann_1.f251-drc.webm"),
        ("Ann_1.mp4", "Ann_1.wav"),
        ("Ann_1.mov", "Ann_1.mp3"),
        ("Ann_1.f137.mp4", "Ann_1.m4a"),
    ],
)
def test_picture_and_sound_in_two_files_are_joined(tmp_path: Path, of_picture: str, of_sound: str) -> None:
    picture(tmp_path / of_picture)
    sound(tmp_path / of_sound)
    (row,) = catalogue(tmp_path)
    assert (row.path.name, Path(row.sound or "").name, row.subject) == (of_picture, of_sound, "Ann")
    assert f"Picture and sound in two files, joined: 1 ({of_picture} with {of_sound})." in lines(tmp_path)
    assert not [line for line in lines(tmp_path) if line.startswith("Left out")]


def test_what_is_unclear_is_told_and_left_alone(tmp_path: Path) -> None:
    picture(tmp_path / "two.f137.mp4")
    sound(tmp_path / "two.f140.m4a")
    sound(tmp_path / "two.f251.webm")
    picture(tmp_path / "long.mp4")
    sound(tmp_path / "long.wav", 3.0)
    picture(tmp_path / "other/far.mp4")
    sound(tmp_path / "far.wav")
    rows = {row.path.name: row.sound for row in catalogue(tmp_path)}
    assert rows == dict.fromkeys(["long.mp4", "far.mp4", "two.f137.mp4", "two.f251.webm"])
    told = [line for line in lines(tmp_path) if line.startswith("No sound in")]
    assert told == [
        "No sound in long.mp4, and no picture in long.wav: not joined, since they are not of one length; join them "
        "yourself.",
        "No sound in two.f137.mp4, and no picture in two.f140.m4a, two.f251.webm: not joined, since it is not clear "
        "which belong together; join them yourself.",
    ]


def test_a_video_with_sound_of_its_own_takes_no_other(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", steady(25, 1), portrait(64, 64), sound=clicks(1, 48000, [0.5]))
    sound(tmp_path / "a.wav")
    picture(tmp_path / "b.f137.mp4")
    sound(tmp_path / "b.f140.m4a")
    write_clip(tmp_path / "b.mp4", steady(25, 1), portrait(64, 64), sound=clicks(1, 48000, [0.5]))
    assert [row.sound for row in catalogue(tmp_path)] == [None, None, None]
    assert [line for line in lines(tmp_path) if line.startswith("No sound in b.f137.mp4")]


def defects(rows: list[Video]) -> dict[str, str | None]:
    return {row.video_id: row.defect for row in rows}


def test_a_second_copy_is_a_duplicate_of_the_first(tmp_path: Path) -> None:
    picture(tmp_path / "b.mp4")
    for name in ("b (1).mp4", "sub/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(tmp_path / "b.mp4", tmp_path / name)
    picture(tmp_path / "other.mp4", "-vf", "negate")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "other.mp4")
    rows = catalogue(tmp_path)
    assert {Path(row.source).name: row.defect for row in rows} == {
        "b (1).mp4": "duplicate of b",
        "b.mp4": None,
        "link.mp4": None,
        "other.mp4": "duplicate of link",
        "c.mp4": "duplicate of b",
    }
    assert [line for line in lines(tmp_path) if line.startswith("Duplicates, byte for byte: 3 (b_1-")]


def test_files_of_one_size_that_differ_are_not(tmp_path: Path) -> None:
    data = picture(tmp_path / "a.mp4").read_bytes() + bytes(300_000)
    for number, name in enumerate("abc"):
        (tmp_path / f"{name}.mp4").write_bytes(data[:-150_000] + bytes([number]) + data[-149_999:])
    assert set(defects(catalogue(tmp_path)).values()) == {None}


def test_what_cannot_be_read_fails_by_its_own_name(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mkv"):
        (tmp_path / name).write_bytes(b"<html>not found</html>")
    assert set(defects(catalogue(tmp_path)).values()) == {None}


def test_a_known_video_stays_and_the_new_one_is_the_duplicate(tmp_path: Path) -> None:
    picture(tmp_path / "one/m.mp4")
    before = merge([], catalogue(tmp_path / "one"), 120)
    (tmp_path / "two").mkdir()
    for name in ("one/a.mp4", "two/x.mp4"):
        shutil.copy(tmp_path / "one/m.mp4", tmp_path / name)
    after = merge(before, catalogue(tmp_path / "one", known=before), 120)
    assert after[0] == before[0]
    assert defects(after) == {"m": None, "a": "duplicate of m"}
    last = merge(after, catalogue(tmp_path / "two", known=after), 120)
    assert last[:2] == after
    assert defects(last)["x"] == "duplicate of m"
    assert merge(last, catalogue(tmp_path / "one", known=last), 120) == last


def test_videos_that_were_taken_before_duplicates_were_looked_for_are_not_disturbed(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    before = [row.model_copy(update={"defect": None}) for row in merge([], catalogue(tmp_path), 120)]
    assert merge(before, catalogue(tmp_path, known=before), 120) == before


def test_a_copy_whose_first_is_gone_is_worked_on(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    before = merge([], catalogue(tmp_path), 120)
    assert defects(before) == {"a": None, "b": "duplicate of a"}
    (tmp_path / "a.mp4").unlink()
    assert defects(merge(before, catalogue(tmp_path, known=before), 120))["b"] is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "a.mp4")
    (tmp_path / "closed").mkdir(mode=0)
    assert lines(tmp_path)[-1] == "Left out: folders that may not be read: 1 (closed)."

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.hdtf.annotations import read_annotations
from portrait_prep.manifests.corpora.hdtf.catalogue import SplitBy, catalogue, subject_of, summary
from portrait_prep.manifests.merging import merge
from portrait_prep.manifests.video import CUT, Video
from tests.clips import SHARED, portrait, steady, write_clip
from tests.hdtf_lists import address, lists

HDTF = SHARED / "data/hdtf/HDTF_dataset"
EXPECTED = SHARED / "data/hdtf/expected_clips.csv"
real = pytest.mark.skipif(not HDTF.is_dir(), reason=f"the lists of HDTF are not at {HDTF}")

SPLITS: tuple[SplitBy, ...] = ("subject", "random")


def rows_of(folder: Path, source: Path | None = None) -> Mapping[str, Video]:
    return {row.video_id: row for row in catalogue(folder, source)}


@real
def test_every_row_agrees_with_what_an_independent_reading_of_the_lists_found() -> None:
    found = catalogue(HDTF)
    with EXPECTED.open(newline="") as file:
        expected = [row for row in csv.DictReader(file) if row["status"] != "no_interval"]
    assert len(found) == len(expected) == 436
    assert sum(row.crop_w is not None for row in found) == 421
    for row, clip in zip(found, expected, strict=True):
        assert row.video_id == f"{clip['subset']}_{clip['video']}_{int(clip['clip_idx']):03d}"
        assert row.source == f"https://www.youtube.com/watch?v={clip['youtube_id']}"
        assert (row.start, row.end) == (float(clip["start_s"]), float(clip["end_s"]))
        assert row.duration == float(clip["end_s"]) - float(clip["start_s"])
        crop = [None if clip[name] == "" else int(clip[name]) for name in "xywh"]
        assert [row.crop_x, row.crop_y, row.crop_w, row.crop_h] == crop
        assert row.source_height == int(clip["declared_height"])
    ratios = [None if clip["crop_ratio"] == "" else float(clip["crop_ratio"]) for clip in expected]
    assert [clip.ratio for clip in read_annotations(HDTF).clips] == ratios


STATUS = {
    "ok": None,
    "no_crop": "no crop",
    "odd_resolution": "odd declared height",
    "crop_taller_than_declared_height": "crop taller than declared height",
    "bad_resolution_0": "declared height 0",
}


@real
def test_every_row_has_the_defects_that_are_known_of_it_and_no_other() -> None:
    with EXPECTED.open(newline="") as file:
        expected = {
            f"{row['subset']}_{row['video']}_{int(row['clip_idx']):03d}": STATUS[row["status"]]
            for row in csv.DictReader(file)
            if row["status"] != "no_interval"
        }
    expected["WRA_MittRomney_001"] = "out of order; contains another interval; no crop"
    expected["WDA_WhipJimClyburn_000"] = "duplicate of WDA_JamesClyburn1_000"
    assert {row.video_id: row.defect for row in catalogue(HDTF)} == expected


@real
def test_the_rows_are_of_persons_and_all_but_one_is_worked_on() -> None:
    found = rows_of(HDTF)
    assert found["WDA_KatieHill_000"].subject == "KatieHill"
    assert {found[f"WDA_{name}_000"].subject for name in ("WhipJimClyburn", "JamesClyburn", "JamesClyburn1")} == {
        "JamesClyburn"
    }
    assert [row.video_id for row in found.values() if not row.worked_on] == ["WDA_WhipJimClyburn_000"]
    assert "WDA_CarolynMaloney2_000" in found  # behind the byte-order mark
    assert not any(any(digit.isdigit() for digit in row.subject) for row in found.values())


@real
def test_what_is_told_counts_each_kind_of_defect() -> None:
    lines = "\n".join(summary(catalogue(HDTF), HDTF))
    for words in (
        "15 x no crop",
        "1 x duplicate of another",
        "1 x out of order",
        "1 x contains another interval",
        "2 x declared height 0",
        "4 x odd declared height",
        "3 x crop taller than declared height",
        "RD_Radio24 has no interval",
        "WDA_video_url.txt begins with a byte-order mark",
        "WRA_annotion_time.txt has a space at the end of 7 lines",
    ):
        assert words in lines


@real
def test_by_default_nobody_is_on_both_sides_and_a_fifth_is_tested_on() -> None:
    rows = catalogue(HDTF)
    sides = {(row.subject, row.split) for row in rows}
    assert len(sides) == len({row.subject for row in rows})
    tested = sum(side == "test" for _, side in sides)
    assert tested / len(sides) == pytest.approx(0.2, abs=0.05)


@real
def test_the_paper_s_split_has_its_numbers_of_videos() -> None:
    rows = catalogue(HDTF, split="random")
    counts = Counter(dict.fromkeys((row.source, row.split) for row in rows))
    assert Counter(side for _, side in counts) == {"train": 132, "test": 32, None: 368 - 164}
    assert rows == catalogue(HDTF, split="random")
    assert [row.split for row in rows] != [row.split for row in catalogue(HDTF, split="random", seed=1)]


def test_defects_of_a_list_of_one_s_own(tmp_path: Path) -> None:
    folder = lists(
        tmp_path / "lists",
        [
            ("Ann", 720, "00:10-00:20 00:05-00:30 00:02-00:04 ", ["1 10 2 10", "", "1 10 700 21"]),
            ("Bob0", 0, "01:00-02:00", ["1 10 2 10"]),
            ("Bob1", 480, "99:59-100:00", [""]),
            ("Cy-Dee", 1080, "", []),
        ],
    )
    for path in folder.glob("*url.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert {row.video_id: row.defect for row in catalogue(folder)} == {
        "WDA_Ann_000": None,
        "WDA_Ann_001": "out of order; contains another interval; no crop",
        "WDA_Ann_002": "out of order; crop taller than declared height",
        "WDA_Bob0_000": "declared height 0",
        "WDA_Bob1_000": "no crop; odd declared height",
    }
    lines = summary(catalogue(folder), folder)
    assert "WDA_Cy-Dee has no interval: left out." in lines
    assert "WDA_annotion_time.txt has a space at the end of 1 line: read all the same." in lines
    assert sum("byte-order mark" in line for line in lines) == 3


@given(st.from_regex(r"[A-Za-z]+(-[A-Za-z]+)?", fullmatch=True), st.integers(0, 999))
def test_a_number_behind_a_name_does_not_make_another_person(name: str, number: int) -> None:
    assert subject_of(f"{name}{number}") == subject_of(name)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("video_url", "Ann", "Line 1 of .*one value expected"),
        ("video_url", "Ann ftp://x.org/Ann", "no address"),
        ("video_url", "Ann /videos/Ann.mp4", "no address"),
        ("video_url", "Ann https:///Ann.mp4", "no address"),
        ("video_url", "Ann https://www.youtube.com/watch?v=tooshort", "no address"),
        ("resolution", "Ann.mp4 high", "Line 1 of .*high"),
        ("annotion_time", "Ann.mp4 10-20", "no interval"),
        ("annotion_time", "Ann.mp4 00:20-00:10", "ends before"),
        ("annotion_time", "Ann.mp4 00:00-00:10\nAnn.mp4 00:00-00:10", "Line 2 of .*twice"),
        ("annotion_time", "Eve.mp4 00:00-00:10", "Eve, which the other lists"),
        ("crop_wh", "Ann_0.mp4 1 2 3", "four values"),
        ("crop_wh", "Ann_0.mp4 1 0 3 0", "of no size"),
        ("crop_wh", "Ann_7.mp4 1 2 3 2", "Ann_7, which the other lists"),
    ],
)
def test_a_list_that_breaks_the_grammar_is_told_with_its_place(
    tmp_path: Path, kind: str, text: str, words: str
) -> None:
    folder = lists(tmp_path / "lists", [("Ann", 720, "00:00-00:10", ["1 10 2 10"])])
    (folder / f"WDA_{kind}.txt").write_text(text + "\n")
    with pytest.raises(BadInput, match=words) as caught:
        catalogue(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_lists_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"RD_video_url\.txt: give the folder HDTF_dataset"):
        catalogue(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"split": "fair"}, "subject, random"), ({}, "have no interval")],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        catalogue(lists(tmp_path / "lists", []), **options)


def twice_listed(tmp_path: Path) -> Path:
    """One video under two names."""
    names = ("WhipJimClyburn", "JamesClyburn1")
    folder = lists(tmp_path / "lists", [(name, 720, "00:05-04:40", [""]) for name in names])
    path = folder / "WDA_video_url.txt"
    path.write_text(path.read_text().replace(address(names[0]), address(names[1])))
    return folder


WATCH = "https://www.youtube.com/watch?v="


def addressed(tmp_path: Path, *addresses: str) -> list[Video]:
    """The rows of names that stand at these addresses, with the same interval each."""
    names = [f"Ann{number}" for number in range(len(addresses))]
    folder = lists(tmp_path / "lists", [(name, 720, "00:00-00:10", [""]) for name in names])
    lines = [f"{name} {address}\n" for name, address in zip(names, addresses, strict=True)]
    (folder / "WDA_video_url.txt").write_text("".join(lines))
    return catalogue(folder)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{WATCH}abcdefghij_", f"{WATCH}abcdefghij_"),
        ("http://youtube.com/watch?v=abcdefghij_&t=6s", f"{WATCH}abcdefghij_"),
        ("https://m.youtube.com/watch?v=abcdefghij_#t=6", f"{WATCH}abcdefghij_"),
        ("http://127.0.0.1:8000/a%20b/Ann.mp4?x=1", "http://127.0.0.1:8000/a%20b/Ann.mp4?x=1"),
        ("https://mirror.example/watch?v=Ann", "https://mirror.example/watch?v=Ann"),
        ("https://www.youtube.com.mirror.example/watch?v=1", "https://www.youtube.com.mirror.example/watch?v=1"),
        ("https://mirror.example", "https://mirror.example"),
    ],
)
def test_a_video_may_lie_on_youtube_or_elsewhere(tmp_path: Path, written: str, expected: str) -> None:
    (row,) = addressed(tmp_path, written)
    assert (row.source, row.remote) == (expected, True)


def test_videos_are_the_same_by_their_id_on_youtube_and_by_their_address_elsewhere(tmp_path: Path) -> None:
    rows = addressed(
        tmp_path,
        f"{WATCH}abcdefghij_&t=6s",
        "http://youtube.com/watch?v=abcdefghij_",
        "http://mirror.example/a.mp4",
        "http://mirror.example/b.mp4",
        "http://mirror.example/a.mp4",
    )
    assert [row.defect for row in rows] == [
        "no crop",
        "duplicate of WDA_Ann0_000; no crop",
        "no crop",
        "no crop",
        "duplicate of WDA_Ann2_000; no crop",
    ]


def test_a_height_that_nobody_knows_is_not_taken_for_the_source_s_own(tmp_path: Path) -> None:
    rows = catalogue(
        lists(tmp_path / "lists", [("Ann", 0, "00:00-00:10", ["1 10 2 10"]), ("Bob", 714, "00:00-00:10", [""])])
    )
    assert [row.source_height for row in rows] == [0, 714]


ANN = [("Ann", 720, "00:01-00:03 00:04-00:08", ["10 400 20 400", ""]), ("Bob1", 720, "00:00-00:02", ["1 90 2 90"])]


def test_a_ready_clip_is_taken_as_it_is_and_told_where_shorter(tmp_path: Path) -> None:
    source = tmp_path / "files"
    (source / "sub").mkdir(parents=True)
    write_clip(source / "sub/WDA_Ann_001.mp4", steady(25, 1), portrait(64, 64))
    write_clip(source / "Bob1_0.mkv", steady(25, 2), portrait(64, 64))
    for name in ("WDA_Ann_002.mp4", "WRA_Ann_000.mp4", "notes.mov", "WDA_bob1_000.mp4"):
        (source / name).write_bytes(b"")
    folder = lists(tmp_path / "lists", ANN)
    found = rows_of(folder, source)
    row = found["WDA_Ann_001"]
    assert row.source == str(source / "sub/WDA_Ann_001.mp4")
    assert (row.start, row.end, row.crop_x, row.crop_w, row.source_height) == (None,) * 5
    assert row.duration == pytest.approx(1, abs=0.05)
    assert found["WDA_Bob1_000"].path.name == "Bob1_0.mkv"
    assert found["WDA_Ann_000"].source == address("Ann")
    lines = summary(list(found.values()), folder, source)
    assert any(line.startswith("1 (WDA_Ann_001) shorter than annotated") for line in lines)
    assert f"1 (WDA_Ann_002.mp4) in {source}, of videos of HDTF, but of no interval that its lists have: left out." in (
        lines
    )
    assert f"3 (WDA_bob1_000.mp4, WRA_Ann_000.mp4, notes.mov) in {source}, of no video of HDTF: left out." in lines
    assert "2 of 3 videos have a file." in lines
    assert "1 video has only an address: 'portrait-prep run download' gets it, with yt-dlp." in lines


@pytest.mark.parametrize("name", ["Ann.mp4", "WDA_Ann.mp4"])
def test_of_a_whole_video_its_interval_is_taken(tmp_path: Path, name: str) -> None:
    source = tmp_path / "files"
    source.mkdir()
    write_clip(source / name, steady(25, 6), portrait(640, 360))
    folder = lists(tmp_path / "lists", ANN)
    found = rows_of(folder, source)
    one, two = found["WDA_Ann_000"], found["WDA_Ann_001"]
    assert one.source == two.source == str(source / name)
    assert (one.start, one.end, one.duration) == (1, 3, 2)
    assert (one.crop_x, one.crop_y, one.crop_w, one.crop_h, one.source_height) == (10, 20, 400, 400, 720)
    assert (two.start, two.crop_w) == (4, None)
    assert two.duration == pytest.approx(2, abs=0.05)
    lines = summary(list(found.values()), folder, source)
    assert any(line.startswith("1 (WDA_Ann_001) shorter") for line in lines)


def test_a_file_that_is_no_video_is_listed_for_the_stages_to_judge(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    (source / "Ann.mp4").write_bytes(b"no video")
    row = rows_of(lists(tmp_path / "lists", ANN), source)["WDA_Ann_000"]
    assert (row.source, row.start, row.end, row.duration) == (str(source / "Ann.mp4"), 1, 3, 2)


def test_a_clip_s_own_file_comes_before_the_whole_video(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    for name in ("Bob1.mp4", "WDA_Bob1_000.mp4"):
        write_clip(source / name, steady(25, 2), portrait(64, 64))
    assert rows_of(lists(tmp_path / "lists", ANN), source)["WDA_Bob1_000"].path.name == "WDA_Bob1_000.mp4"


def test_a_whole_video_serves_all_names_that_it_is_listed_under(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    write_clip(source / "WhipJimClyburn.mp4", steady(25, 2), portrait(64, 64))
    assert [row.path.name for row in catalogue(twice_listed(tmp_path), source)] == ["WhipJimClyburn.mp4"] * 2


def test_crops_are_as_annotated_wherever_the_video_lies_and_whether_they_can_be_right_or_not(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    rows = [
        ("Ann", 720, "00:00-00:02", ["10 400 20 400"]),  # fits the picture, of half its height
        ("Bob", 720, "00:00-00:02", ["1200 400 20 400"]),  # reaches beyond it
        ("Cy", 0, "00:00-00:02", ["1 90 2 90"]),
        ("Dee", 714, "00:00-00:02", [""]),
    ]
    for name, *_ in rows:
        write_clip(source / f"{name}.mp4", steady(25, 3), portrait(640, 360))
    folder = lists(tmp_path / "lists", rows)
    local, remote = (
        [row.model_dump(include={*CUT, "duration", "defect"}) for row in catalogue(folder, place)]
        for place in (source, None)
    )
    assert local == remote
    assert [row["source_height"] for row in local] == [720, 720, 0, 714]


@pytest.mark.parametrize("name", ["WDA_WhipJimClyburn_000.mp4", "JamesClyburn1_0.mp4"])
def test_a_ready_clip_serves_all_names_that_its_footage_is_listed_under(tmp_path: Path, name: str) -> None:
    source, folder = tmp_path / "files", twice_listed(tmp_path)
    source.mkdir()
    write_clip(source / name, steady(25, 2), portrait(64, 64))
    rows = catalogue(folder, source)
    assert [(row.path.name, row.worked_on) for row in rows] == [(name, False), (name, True)]
    lines = summary(rows, folder, source)
    assert "1 of 1 video has a file." in lines
    assert not any("only an address" in line for line in lines)


def test_a_clip_s_own_file_comes_before_one_of_the_same_footage(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    names = ["WDA_WhipJimClyburn_000.mp4", "WDA_JamesClyburn1_000.mp4"]
    for name in names:
        write_clip(source / name, steady(25, 2), portrait(64, 64))
    assert [row.path.name for row in catalogue(twice_listed(tmp_path), source)] == names


def test_other_footage_of_the_same_video_is_no_substitute(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    write_clip(source / "WDA_Ann_001.mp4", steady(25, 1), portrait(64, 64))
    assert rows_of(lists(tmp_path / "lists", ANN), source)["WDA_Ann_000"].remote


@pytest.mark.parametrize("name", ["Cy2.mp4", "WDA_Cy2.mp4", "WDA_Cy2_000.mp4"])
def test_a_video_of_hdtf_without_an_interval_is_not_taken_for_another_s(tmp_path: Path, name: str) -> None:
    source = tmp_path / "files"
    source.mkdir()
    (source / name).write_bytes(b"")
    folder = lists(tmp_path / "lists", [*ANN, ("Cy2", 720, "", [])])
    lines = summary(catalogue(folder, source), folder, source)
    assert f"1 ({name}) in {source}, of videos of HDTF, but of no interval that its lists have: left out." in lines
    assert not any("of no video" in line for line in lines)


def test_files_come_to_rows_that_had_only_an_address_and_stay(tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    write_clip(source / "Ann.mp4", steady(25, 6), portrait(640, 360))
    folder = lists(tmp_path / "lists", ANN)
    before = merge([], catalogue(folder), 120)
    after = merge(before, catalogue(folder, source), 120)
    assert [(row.video_id, row.shard, row.split) for row in after] == [
        (row.video_id, row.shard, row.split) for row in before
    ]
    assert [row.remote for row in before] == [True] * 3
    assert [row.remote for row in after] == [False, False, True]
    assert merge(after, catalogue(folder), 120) == after


@pytest.mark.parametrize("split", SPLITS)
def test_a_video_that_is_listed_twice_is_on_one_side(tmp_path: Path, split: SplitBy) -> None:
    one, two = catalogue(twice_listed(tmp_path), split=split)
    assert one.split == two.split is not None
    assert one.subject == two.subject
    assert one.defect == "duplicate of WDA_JamesClyburn1_000; no crop"
    assert (one.worked_on, two.worked_on) == (False, True)

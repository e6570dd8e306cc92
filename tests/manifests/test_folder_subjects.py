"""Whose a video is: the N-th folder, an expression; and names that may mislead are told."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.folder.catalogue import listed
from portrait_prep.manifests.corpora.folder.naming import CAMERA
from portrait_prep.manifests.corpora.folder.subjects import DEFAULT, likely_rule
from portrait_prep.manifests.corpora.folder.summary import summary
from tests.manifests.test_folder import fill

VOXCELEB = ("id00012/21Uxsk56VDQ/00001.mp4", "id00012/21Uxsk56VDQ/00002.mp4", "id00015/0fijmz4vTVU/00001.mp4")
MEAD = (
    "M003/video/front/angry/level_1/001.mp4",
    "M003/video/down/sad/level_1/001.mp4",
    "W009/video/front/happy/level_1/001.mp4",
)
CREMA = ("1001_DFA_ANG_XX.flv", "1001_IEO_HAP_HI.flv", "1002_DFA_ANG_XX.flv")


def subjects(root: Path, how: str) -> list[str]:
    return [row.subject for row in listed(root, how).rows()]


def lines(root: Path, how: str = "stem-prefix") -> list[str]:
    listing = listed(root, how)
    return summary(listing, listing.rows())


def warned(told: Sequence[str]) -> list[str]:
    return [line for line in told if line.startswith(("Warning", "Every"))]


@pytest.mark.parametrize(
    ("names", "how", "expected"),
    [
        (VOXCELEB, "folder:1", ["id00012", "id00012", "id00015"]),
        (VOXCELEB, "folder:2", ["21Uxsk56VDQ", "21Uxsk56VDQ", "0fijmz4vTVU"]),
        (VOXCELEB, r"regex:^(?P<subject>id\d+)/", ["id00012", "id00012", "id00015"]),
        (MEAD, "folder:1", ["M003", "M003", "W009"]),
        (MEAD, "folder:4", ["sad", "angry", "happy"]),
        (MEAD, r"regex:(?P<subject>[MW]\d{3})", ["M003", "M003", "W009"]),
        (CREMA, r"regex:(?P<subject>\d{4})_", ["1001", "1001", "1002"]),
        (CREMA, r"regex:_(?P<subject>\w+)\.flv$", ["DFA_ANG_XX", "IEO_HAP_HI", "DFA_ANG_XX"]),
        (("a/Zoë 1.mp4", "b/x.mp4"), "folder:1", ["a", "b"]),
        (("s03/p1/c.mp4", "s03/p2/c.mp4"), r"regex:(?P<subject>s\d+/p\d)", ["s03_p1-16b7fb66", "s03_p2-e3d2a9bc"]),
    ],
)
def test_folders_and_expressions_name_subjects(
    tmp_path: Path, names: Sequence[str], how: str, expected: list[str]
) -> None:
    found = subjects(fill(tmp_path, *names), how)
    assert [name.partition("-")[0] for name in found] == [name.partition("-")[0] for name in expected]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("folder:0", "names no folder"),
        ("folder:", "names no folder"),
        ("folder:-1", "names no folder"),
        ("folder:one", "names no folder"),
        ("folder", "no way to name subjects"),
        ("regex", "no way to name subjects"),
        ("regex:", "no group 'subject'"),
        ("regex:(.*)_", "no group 'subject'"),
        ("regex:(?P<subject>", "no regular expression"),
        ("regex:(?P<subject>a{99999999999})", "no regular expression"),
        ("regex:(?P<subject>[z-a])", "no regular expression"),
        ("regex:(?P<subject>nobody)", "fits none of 3 videos"),
        ("folder:3", "fits none of 3 videos"),
        ("Folder:1", "no way to name subjects"),
    ],
)
def test_a_wrong_way_is_refused_in_one_sentence(tmp_path: Path, how: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        listed(fill(tmp_path, *VOXCELEB), how)
    assert len(str(caught.value).splitlines()) == 1


def test_videos_of_which_the_rule_says_nothing_are_left_out_and_named(tmp_path: Path) -> None:
    root = fill(tmp_path, *CREMA, "extra/intro.mp4")
    listing = listed(root, r"regex:^(?P<subject>\d{4}|)_?")  # an empty name is none
    assert [row.video_id for row in listing.rows()] == ["1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_DFA_ANG_XX"]
    (line,) = [line for line in summary(listing, listing.rows()) if line.startswith("Left out")]
    assert "1 (extra/intro.mp4)" in line
    assert "folder:1" in next(line for line in lines(root, "folder:1") if line.startswith("Left out: 3"))


def test_three_examples_and_the_largest_subjects_are_shown(tmp_path: Path) -> None:
    told = lines(fill(tmp_path, "ann_1.mp4", "ann_2.mp4", "bob_1.mp4", "carl_1.mp4", "dan_1.mp4"))
    assert told[:4] == [
        "By subject (stem-prefix): ann: 2, bob: 1, carl: 1, dan: 1.",
        "  ann_1.mp4 -> ann",
        "  carl_1.mp4 -> carl",
        "  dan_1.mp4 -> dan",
    ]
    assert lines(fill(tmp_path / "one", "ann_1.mp4"))[1:] == ["  ann_1.mp4 -> ann"]
    assert lines(fill(tmp_path / "two", "a_1.mp4", "a_2.mp4", "a_3.mp4", "b_1.mp4"))[1:4] == [
        "  a_1.mp4 -> a",
        "  b_1.mp4 -> b",
        "  a_2.mp4 -> a",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("IMG", "VID", "MVI", "DSC00012", "GX010034", "PXL_20230101", "video", "Clip", "clip 7", "00001", "20230101"),
        *("VID-20230101-WA", "Screen Recording 2023-01-01 at 10.00.00", "IMG_E0012", "WIN_20230101_12_00", "untitled"),
        *("DJI", "GOPR0012", "DSCF", "WhatsApp Video 2023-01-01 at 10.00.00", "01-01-06-01-02-01-12"),
    ],
)
def test_names_that_machines_give(name: str) -> None:
    assert CAMERA.fullmatch(name)


@pytest.mark.parametrize(
    "name",
    ["WDA_KatieHill", "Sam", "Victor", "Dscott", "Imga", "id00012", "M003", "Clipper", "anna1", "Testa", "portrait_d0"],
)
def test_names_of_people(name: str) -> None:
    assert not CAMERA.fullmatch(name)


def test_a_camera_s_names_are_warned_of_and_people_s_are_not(tmp_path: Path) -> None:
    (line,) = warned(lines(fill(tmp_path / "a", "IMG_0001.MOV", "IMG_0002.MOV", "ann_1.mp4")))
    assert line.startswith("Warning: 1 (IMG) of the subjects have names that machines give")
    assert "parent, folder:N or regex:EXPR" in line
    assert len(warned(lines(fill(tmp_path / "vox", *VOXCELEB)))) == 1
    assert not warned(lines(tmp_path / "vox", "folder:1"))
    assert not warned(lines(fill(tmp_path / "b", "ann_1.mp4", "ann_2.mp4", "bob_1.mp4")))
    assert not warned(lines(fill(tmp_path / "c", "train/ann_1.mp4", "test/ann_2.mp4", "test/bob_1.mp4")))
    assert not warned(lines(tmp_path / "a", "each"))


def test_one_name_for_very_different_files_is_warned_of(tmp_path: Path) -> None:
    (line,) = warned(lines(fill(tmp_path / "mead", *MEAD), "parent"))
    assert line.startswith("Warning: 1 (level_1) of the subjects cover videos of several folders, as level_1 of 3 (")
    assert not warned(lines(tmp_path / "mead", "folder:1"))
    same = fill(tmp_path / "same", "ann/interview_1.mp4", "bob/interview_1.mp4", "bob/lecture_1.mp4")
    assert "interview of 2 (ann, bob)" in warned(lines(same))[0]
    most = fill(tmp_path / "most", "a/talk_1.mp4", "b/talk_2.mp4", "c/talk_3.mp4", "c/x_1.mp4")
    assert "talk of 3 (a, b, c)" in warned(lines(most))[0]
    (line,) = warned(lines(fill(tmp_path / "crema", *CREMA, "1003_X_Y_Z.flv")))
    assert line.startswith("Every video is a subject of its own")


@pytest.mark.parametrize("how", ["stem-prefix", "parent", "each", "folder:1"])
def test_videos_that_come_later_are_named_as_those_before(tmp_path: Path, how: str) -> None:
    root = fill(tmp_path / "v", *VOXCELEB, "id00015/other/speech_1.mp4").resolve()
    known = listed(root, how).rows()
    assert likely_rule(root, known) == how
    known[0] = known[0].model_copy(update={"subject": "renamed by hand"})
    assert likely_rule(root, known) == how
    assert likely_rule(tmp_path / "elsewhere", known) == DEFAULT
    assert likely_rule(root, ()) == DEFAULT


def test_of_no_videos_there_is_only_what_was_left_out(tmp_path: Path) -> None:
    """All were removed before."""
    fill(tmp_path, "a_1.mp4", "notes.txt")
    listing = listed(tmp_path, DEFAULT)
    assert [line.partition(":")[0] for line in summary(listing, ())] == ["Left out by ending, as no videos"]

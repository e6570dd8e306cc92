"""`init` as a user types it: each corpus, the filters that all have, and a release that has changed since."""

import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.video import Video
from tests.hdtf_lists import lists
from tests.iemocap_release import evaluation_file, release, said, transcription_file
from tests.ravdess_release import make_release, release_names
from tests.whole.runs import SHARED

HDTF = SHARED / "data/hdtf/HDTF_dataset"
Init = Callable[..., list[str]]

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


@pytest.fixture
def command(typed: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    """`portrait-prep init …`: exit code, and what it printed on stdout and stderr."""
    return partial(typed, "init")


@pytest.fixture
def init(command: Callable[..., tuple[int, str, str]]) -> Init:
    """The lines that it prints when all is well."""

    def call(*arguments: str | Path | int) -> list[str]:
        code, out, errors = command(*arguments)
        assert (code, errors) == (0, "")
        return out.splitlines()

    return call


def rows_in(root: Path) -> Mapping[str, Video]:
    return {row.video_id: row for row in read_catalogue(root / "catalogue.parquet")}


def told(lines: Sequence[str], *kinds: str) -> list[str]:
    """Those of the lines that tell what changed; `Kept`: what stays as it was."""
    found = (("Kept" if " old " in line.partition(";")[0] else line, line) for line in lines)
    return [line for kind, line in found if kind.startswith(kinds or ("Added", "No longer", "Changed", "Kept"))]


@pytest.fixture(scope="module")
def two_actors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 312 files of actors 12 and 20. Not to be written to."""
    names = [name for name in release_names() if name.startswith(("Actor_12", "Actor_20"))]
    return make_release(tmp_path_factory.mktemp("ravdess") / "release", names)


def test_ravdess_from_files_in_parts(tmp_path: Path, init: Init, two_actors: Path) -> None:
    root = tmp_path / "w"
    lines = init("ravdess", "-w", root, "--source", two_actors, "--actor", 20, "--channel", "song", "--limit", 40)
    assert lines[0].startswith("40 videos (40 new) of 1 subject in")
    assert not [line for line in lines if "not there" in line]
    part = rows_in(root)
    assert {(row.subject, row.channel, row.split, row.fold) for row in part.values()} == {
        ("Actor_20", "song", "val", 1)
    }
    lines = init("ravdess", "-w", root, "--source", two_actors, "--actor", 12, 20)
    assert lines[0].startswith("208 videos (168 new) of 2 subjects")
    assert told(lines) == ["Added: 168 (01-01-01-01-01-01-12, 01-01-01-01-01-02-12, 01-01-01-01-02-01-12 …)."]
    assert not [line for line in lines if "not there" in line]
    assert part.items() <= rows_in(root).items()
    lines = init("ravdess", "-w", root, "--source", two_actors, "--only", "01-01-01-01-01-01-12")
    assert lines[0].startswith("208 videos (0 new)")
    assert told(lines) == []


def test_ravdess_whose_files_have_changed(tmp_path: Path, init: Init) -> None:
    one, two, three = (f"Actor_12/{{}}-01-06-01-02-0{n}-{actor}.{{}}" for n, actor in ((1, 12), (2, 12), (1, 13)))
    source = make_release(tmp_path / "files", [name.format("01", "mp4") for name in (one, two)])
    root = tmp_path / "w"
    init("ravdess", "-w", root, "--source", source)
    before = rows_in(root)
    (source / one.format("01", "mp4")).unlink()
    make_release(tmp_path / "more", [two.format("03", "wav"), three.format("01", "mp4")])
    for name in (two.format("03", "wav"), three.format("01", "mp4")):
        shutil.copy(tmp_path / "more" / name, source / name)
    lines = init("ravdess", "-w", root, "--source", source)
    assert told(lines) == [
        "Added: 1 (01-01-06-01-02-01-13).",
        "No longer in the source: 1 (01-01-06-01-02-01-12); still in the workspace; "
        "to take out: portrait-prep remove 01-01-06-01-02-01-12",
        "Changed: sound of 1 (01-01-06-01-02-02-12).",
    ]
    after = rows_in(root)
    assert after["01-01-06-01-02-01-12"] == before["01-01-06-01-02-01-12"]
    assert after["01-01-06-01-02-02-12"].sound == str(source / two.format("03", "wav"))


def test_ravdess_of_which_some_files_are_there(tmp_path: Path, init: Init, two_actors: Path) -> None:
    root = tmp_path / "w"
    init("ravdess", "-w", root)
    lines = init("ravdess", "-w", root, "--source", two_actors)
    assert lines[0].startswith("2452 videos (0 new)")
    assert told(lines, "No longer") == []  # the others are where they were
    lines = init("ravdess", "-w", root, "--actor", 11, 12)
    assert told(lines) == []
    assert any(line.startswith("104 takes have only an address") for line in lines)


def test_ravdess_from_a_mirror_of_its_archives(tmp_path: Path, init: Init) -> None:
    root = tmp_path / "w"
    lines = init("ravdess", "-w", root, "--record", "http://127.0.0.1:8000/record/")
    assert lines[0].startswith("2452 videos (2452 new) of 24 subjects")
    found = rows_in(root)
    assert found["01-02-06-01-02-01-12"].source == (
        "http://127.0.0.1:8000/record/files/Video_Song_Actor_12.zip#Actor_12/01-02-06-01-02-01-12.mp4"
    )
    lines = init(
        "ravdess", "-w", root, "--split", "stratified", "--channel", "speech", "--only", "01-01-06-01-02-01-12"
    )
    assert told(lines, "Changed")[0].startswith("Changed: source, sound of 1 (01-01-06-01-02-01-12)")
    again = rows_in(root)
    assert any(line.startswith("1 take has only an address: 'portrait-prep run download' gets") for line in lines)
    assert again["01-01-06-01-02-01-12"].source.startswith("https://zenodo.org/records/1188976/files/Video_Speech_")
    assert {name: row.split for name, row in again.items()} == {name: row.split for name, row in found.items()}
    lines = init("ravdess", "-w", root, "--split", "stratified", "--record", "http://127.0.0.1:8000/record")
    (kept,) = told(lines, "Kept")
    assert kept.endswith(f"to re-split: portrait-prep split --as ravdess:stratified --seed 42 -w {root}")
    assert rows_in(root) == found


LABELLED = {
    **{f"Ses01F_impro01_{speaker}00{n}": "neu" for speaker in "FM" for n in range(3)},
    **{f"Ses02M_impro02_{speaker}00{n}": "fru" for speaker in "FM" for n in range(3)},
}


def test_iemocap_and_its_filters(tmp_path: Path, init: Init) -> None:
    source = release(tmp_path, LABELLED)
    root = tmp_path / "w"
    lines = init("iemocap", "-w", root, "--source", source, "--session", 1, "--subject", "Ses01M", "--limit", 2)
    assert lines[0].startswith("2 videos (2 new) of 1 subject in")
    assert f"12 labelled utterances of 2 dialogs are in {source}." in lines
    first = rows_in(root)
    assert list(first) == ["Ses01F_impro01_M000", "Ses01F_impro01_M001"]
    lines = init("iemocap", "-w", root, "--source", source, "--classes", "four")
    assert lines[0].startswith("6 videos (4 new)")
    lines = init("iemocap", "-w", root, "--source", source, "--test-session", 2)
    assert lines[0].startswith("12 videos (6 new) of 4 subjects")
    assert told(lines, "No longer", "Changed", "Kept") == []
    found = rows_in(root)
    assert first.items() <= found.items()
    assert Counter((row.session, row.split) for row in found.values()) == {(1, "train"): 6, (2, "test"): 6}


def test_iemocap_whose_labels_were_corrected(tmp_path: Path, init: Init) -> None:
    source = release(tmp_path, LABELLED)
    root = tmp_path / "w"
    init("iemocap", "-w", root, "--source", source)
    before = rows_in(root)
    gone, corrected, new = "Ses01F_impro01_F000", "Ses01F_impro01_F001", "Ses01F_impro01_F009"
    evaluation_file(source, "Ses01F_impro01").unlink()
    release(
        tmp_path, {name: label for name, label in LABELLED.items() if name != gone} | {corrected: "ang", new: "sad"}
    )
    lines = init("iemocap", "-w", root, "--source", source, "--marker-side", "right", "--test-session", 1)
    added, removed, changed, kept = told(lines)
    assert added == f"Added: 1 ({new})."
    assert (
        removed
        == f"No longer in the source: 1 ({gone}); still in the workspace; to take out: portrait-prep remove {gone}"
    )
    assert changed == (
        "Changed: crop_x of 11 (Ses01F_impro01_M000, Ses01F_impro01_F001, Ses01F_impro01_M001 …); "
        f"emotion, four_class, votes of 1 ({corrected})."
    )
    assert kept == f"5 videos keep their old split; to re-split: portrait-prep split --as iemocap:1 -w {root}"
    after = rows_in(root)
    assert after[gone] == before[gone]
    assert (after[corrected].emotion, after[corrected].split) == ("ang", "train")
    assert [row.shard for row in after.values()][:12] == [row.shard for row in before.values()]
    assert after[new].split == "train"  # as its speaker
    assert told(init("iemocap", "-w", root, "--source", source, "--marker-side", "right"), "Changed", "Kept") == []


def test_texts_come_to_known_utterances_once_the_release_tells_them(tmp_path: Path, init: Init) -> None:
    source, root = release(tmp_path, LABELLED), tmp_path / "w"
    path = transcription_file(source, "Ses01F_impro01")
    content = path.read_bytes()
    path.unlink()
    lines = init("iemocap", "-w", root, "--source", source)
    silent = [name for name in LABELLED if name.startswith("Ses01F_impro01")]
    told_first = f"The text of {12 - len(silent)} of 12 utterances is known; Session*/dialog/transcriptions lacks "
    assert [line for line in lines if line.startswith(told_first)]
    assert {name for name, row in rows_in(root).items() if row.text is None} == set(silent)
    path.write_bytes(content)
    lines = init("iemocap", "-w", root, "--source", source)
    assert told(lines, "Changed", "Kept")[0].startswith(f"Changed: text of {len(silent)} (")
    assert "The text of 12 of 12 utterances is known." in lines
    assert {name: row.text for name, row in rows_in(root).items()} == {name: said(name) for name in LABELLED}


@pytest.mark.skipif(not HDTF.is_dir(), reason=f"the lists of HDTF are not at {HDTF}")
def test_hdtf_by_its_lists(tmp_path: Path, init: Init) -> None:
    root = tmp_path / "w"
    lines = init("hdtf", "-w", root, "--annotations", HDTF, "--subject", "KatieHill", "DeanPhillips", "--limit", 2)
    assert lines[0].startswith("2 videos (2 new)")
    part = rows_in(root)
    lines = init("hdtf", "-w", root, "--annotations", HDTF)
    assert lines[0].startswith("436 videos (434 new) of 220 subjects")
    assert "435 videos have only an address: 'portrait-prep run download' gets them, with yt-dlp." in lines
    assert told(lines, "No longer", "Changed", "Kept") == []
    assert part.items() <= rows_in(root).items()
    whole = tmp_path / "whole"
    init("hdtf", "-w", whole, "--annotations", HDTF)
    assert {name: row.split for name, row in rows_in(root).items()} == {
        name: row.split for name, row in rows_in(whole).items()
    }


def test_hdtf_whose_lists_have_changed(tmp_path: Path, init: Init) -> None:
    first = lists(tmp_path / "1", [(name, 720, "00:00-00:02", ["1 90 2 90"]) for name in ("Ann", "Bob", "Cy")])
    root = tmp_path / "w"
    init("hdtf", "-w", root, "--annotations", first)
    before = rows_in(root)
    second = lists(
        tmp_path / "2",
        [
            ("Dee", 720, "00:00-00:02", [""]),
            ("Cy", 720, "00:00-00:04", [""]),
            ("Bob", 720, "00:00-00:02", ["1 90 2 90"]),
        ],
    )
    assert told(init("hdtf", "-w", root, "--annotations", second)) == [
        "Added: 1 (WDA_Dee_000).",
        "No longer in the source: 1 (WDA_Ann_000); still in the workspace; "
        "to take out: portrait-prep remove WDA_Ann_000",
        "Changed: end, crop_x, crop_y, crop_w, crop_h, duration, defect of 1 (WDA_Cy_000).",
    ]
    after = rows_in(root)
    assert [after[f"WDA_{name}_000"] for name in ("Ann", "Bob")] == [
        before[f"WDA_{name}_000"] for name in ("Ann", "Bob")
    ]


def test_folders_and_their_filters(tmp_path: Path, init: Init) -> None:
    for name in ("one/ann_1.mp4", "one/ann_2.mp4", "one/bob_1.mp4", "two/ann_1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no video")
    root = tmp_path / "w"
    init("folder", "-w", root, "--source", tmp_path / "one", "--subject", "ann", "--limit", 1)
    assert list(rows_in(root)) == ["ann_1"]
    init("folder", "-w", root, "--source", tmp_path / "one", "--only", "bob_1", "ann_2")
    assert list(rows_in(root)) == ["ann_1", "ann_2", "bob_1"]
    lines = init("folder", "-w", root, "--source", tmp_path / "two")
    assert len(told(lines)) == 1  # another folder: nothing of the first is gone
    assert told(lines)[0].startswith("Added: 1 (ann_1-")
    (tmp_path / "one/ann_2.mp4").unlink()
    lines = init("folder", "-w", root, "--source", tmp_path / "one", "--subject-from", "each")
    assert told(lines) == [
        "No longer in the source: 1 (ann_2); still in the workspace; to take out: portrait-prep remove ann_2",
        f"2 videos keep their old subject; to change it: portrait-prep assign --template -w {root}",
    ]
    assert len(rows_in(root)) == 4


def test_the_command_to_go_on_with_can_be_pasted(tmp_path: Path, init: Init) -> None:
    (tmp_path / "ann_1.mp4").write_bytes(b"no video")
    root = tmp_path / "my 'work'"
    _, _, command = init("folder", "-w", root, "--source", tmp_path)[-1].partition("Next: ")
    assert shlex.split(command) == ["portrait-prep", "run", "-w", str(root)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ravdess", "--actor", 25), "subject 'Actor_25'"),
        (("ravdess", "--actor", "twelve"), "twelve"),
        (("ravdess", "--actor"), "--actor needs at least one value"),
        (("ravdess", "--channel", "talk"), "talk"),
        (("ravdess", "--actor", 18, "--channel", "song"), "all that was asked for (--actor, --channel)"),
        (("ravdess", "--only", "01-01-01-01-01-01-01", "x", "y"), "video_id 'x'"),
        (("ravdess", "--only"), "--only needs at least one value"),
        (("ravdess", "--limit", 0), "--limit must be at least 1"),
        (("ravdess", "--split", "fair"), "fair"),
        (("ravdess", "--record", "1188976"), "no address of a record"),
        (("ravdess", "--source", "/nowhere"), "There is no folder /nowhere"),
        (("iemocap",), "https://sail.usc.edu/iemocap/iemocap_release.htm"),
        (("iemocap", "--source", "/nowhere"), "https://sail.usc.edu/iemocap/iemocap_release.htm"),
        (("iemocap", "--source", "{release}", "--session", 3), "session '3'"),
        (("iemocap", "--source", "{release}", "--subject", "Ses01X"), "subject 'Ses01X'"),
        (("iemocap", "--source", "{release}", "--session", 2, "--classes", "four"), "(--session, --classes)"),
        (("iemocap", "--source", "{release}", "--marker-side", "top"), "top"),
        (("iemocap", "--source", "{release}", "--test-session", 6), "'6' is no session"),
        (("folder", "--source", "{release}"), "There are no videos"),
        (("hdtf", "--annotations", "{release}"), "There is no"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_makes_nothing(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], arguments: Sequence[str | int], words: str
) -> None:
    source = release(tmp_path, LABELLED) if "{release}" in arguments else tmp_path
    filled = [str(argument).format(release=source) for argument in arguments]
    code, out, errors = command(*filled, "-w", tmp_path / "w")
    assert (code, out) == (2, "")
    assert errors.startswith("portrait-prep: ")
    assert len(errors.splitlines()) == 1
    assert words in errors
    assert not (tmp_path / "w").exists()


def test_a_slip_leaves_a_catalogue_as_it_is(tmp_path: Path, command: Callable[..., tuple[int, str, str]]) -> None:
    root = tmp_path / "w"
    assert command("ravdess", "-w", root, "--limit", 3)[0] == 0
    before = (root / "catalogue.parquet").read_bytes()
    assert command("ravdess", "-w", root, "--only", "x")[0] == 2
    assert (root / "catalogue.parquet").read_bytes() == before

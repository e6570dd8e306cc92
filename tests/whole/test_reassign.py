"""`assign` and `split` as a user types them."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.video import Video
from tests.hdtf_lists import lists

Command = Callable[..., list[str]]
PEOPLE = ("ann", "bob", "cat", "dee", "eve", "fay", "gus", "hal", "ida", "joe", "kim", "leo")

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")


@pytest.fixture
def command(typed: Callable[..., tuple[int, str, str]]) -> Command:
    """The lines that it prints when all is well."""

    def call(*arguments: str | Path) -> list[str]:
        code, out, errors = typed(*arguments)
        assert (code, errors) == (0, "")
        return out.splitlines()

    return call


@pytest.fixture
def refused(typed: Callable[..., tuple[int, str, str]]) -> Callable[..., str]:
    """The one sentence by which it refuses."""

    def call(*arguments: str | Path) -> str:
        code, out, errors = typed(*arguments)
        assert (code, out, len(errors.splitlines())) == (2, "", 1)
        return errors.removeprefix("portrait-prep: ").rstrip()

    return call


def pasted(line: str) -> list[str]:
    """The words of the command that ends a line."""
    return shlex.split(line.partition("portrait-prep ")[2])


def rows_in(root: Path) -> dict[str, Video]:
    return {row.video_id: row for row in read_catalogue(root / "catalogue.parquet")}


def add(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.mp4").write_bytes(name.encode())
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return add(tmp_path / "clips", *(f"{who}_{number}" for who in PEOPLE for number in range(2)))


@pytest.fixture
def root(tmp_path: Path, source: Path, command: Command) -> Path:
    """A folder's workspace."""
    root = tmp_path / "my work"
    command("init", "folder", "--source", source, "-w", root)
    return root


def test_a_folder_is_split_by_the_command_that_init_gives(tmp_path: Path, source: Path, command: Command) -> None:
    root = tmp_path / "my work"
    (hint,) = [line for line in command("init", "folder", "--source", source, "-w", root) if "no split" in line]
    assert hint == f"24 videos have no split: portrait-prep split --ratios 80/10/10 --by subject -w '{root}'"
    lines = command(*pasted(hint))
    assert [line.split() for line in lines[:4]] == [
        ["split", "subjects", "videos", "footage", "share"],
        ["train", "10", "20", "0", "s", "83.3", "%"],
        ["val", "1", "2", "0", "s", "8.3", "%"],
        ["test", "1", "2", "0", "s", "8.3", "%"],
    ]
    assert lines[4:] == ["Changed: split, split_by of 24 (ann_0, ann_1, bob_0 …)."]
    first = {name: row.split for name, row in rows_in(root).items()}
    assert command(*pasted(hint))[4:] == ["Nothing changes: all is as asked for already."]
    other = command(*pasted(hint), "--seed", "1", "--dry-run")[4]
    assert other.startswith("Would change: split of ")
    assert {name: row.split for name, row in rows_in(root).items()} == first
    assert other.removeprefix("Would change") == command(*pasted(hint), "--seed", "1")[4].removeprefix("Changed")
    assert {name: row.split for name, row in rows_in(root).items()} != first


def test_videos_that_come_later(root: Path, source: Path, command: Command) -> None:
    command("split", "--ratios", "80/10/10", "-w", root)
    before = rows_in(root)
    add(source, "ann_7", "new_0", "more_0")
    told = command("init", "folder", "--source", source, "-w", root)
    hint = f"2 videos have no split: portrait-prep split --only-new -w '{root}'"
    assert hint in told
    assert not [line for line in told if "old split" in line]
    assert rows_in(root)["ann_7"].split == before["ann_0"].split
    assert command("status", "-w", root)[-1] == hint
    assert command("list", "-w", root)[-1] == hint
    lines = command(*pasted(hint))
    assert lines[-1] == "Changed: split, split_by of 2 (more_0, new_0)."
    after = rows_in(root)
    assert before.items() <= after.items()
    assert None not in {row.split for row in after.values()}
    assert "no split" not in command("status", "-w", root)[-1]


def test_a_template_is_edited_and_assigned(tmp_path: Path, root: Path, command: Command) -> None:
    table = tmp_path / "who is who.csv"
    (written,) = command("assign", "--template", table, "-w", root)
    assert written == f"24 videos in {table}. Edit it, then: portrait-prep assign '{table}' -w '{root}'"
    assert table.read_text().splitlines() == command("assign", "--template", "-w", root)
    assert command(*pasted(written))[0] == "Nothing changes: all is as asked for already."
    text = table.read_text().replace("bob_1,bob,,", "bob_1,ann,,").replace("cat_0,cat,,", "cat_0,cat,test,4")
    table.write_text("\ufeff" + text.replace(",", ";").replace("\n", "\r\n"))
    assert command(*pasted(written), "--dry-run")[0] == (
        "Would change: subject of 1 (bob_1); split, split_by, fold of 1 (cat_0)."
    )
    command(*pasted(written))
    rows = rows_in(root)
    assert (rows["bob_1"].subject, rows["bob_0"].subject) == ("ann", "bob")
    assert (rows["cat_0"].split, rows["cat_0"].split_by, rows["cat_0"].fold) == ("test", "subject", 4)


def test_people_are_set_aside_by_pattern_and_never_cut_unasked(
    tmp_path: Path, root: Path, command: Command, refused: Callable[..., str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("video_id,split\n*,train\nann*,held-out\n")
    command("assign", table, "-w", root)
    table.write_text("video_id,split\nann_0,train\n")
    assert refused("assign", table, "-w", root) == (
        "ann would have videos in more than one split (held-out: 1 (ann_1), train: 1 (ann_0)): give all of them the "
        "same, or say --split-by video if that is on purpose."
    )
    assert rows_in(root)["ann_0"].split == "held-out"
    command("assign", table, "-w", root, "--split-by", "video")
    assert {rows_in(root)[name].split_by for name in ("ann_0", "ann_1")} == {"video"}
    assert "has videos in more than one" not in "".join(command("list", "--split", "held-out", "-w", root))


def test_a_mistake_is_one_sentence(tmp_path: Path, root: Path, refused: Callable[..., str]) -> None:
    table = tmp_path / "t.csv"
    table.write_text("video_id,split\nan_0,train\n")
    assert refused("assign", table, "-w", root).startswith(
        f"{table}, line 2: there is no video 'an_0' in the catalogue; did you mean ann_0"
    )
    assert refused("assign", "-w", root) == (
        "Name the table to assign by; 'portrait-prep assign --template' writes one to start from."
    )
    assert refused("assign", "--template", table, "-w", root) == (
        f"{table} is there already: name another file, or move it away."
    )
    assert refused("split", "-w", root).startswith("Say how to split: --ratios (such as 80/10/10)")
    assert refused("split", "--as", "ravdess:actor", "-w", root) == (
        "There is no video of the corpus 'ravdess' here; there are: folder."
    )
    assert "leave out --ratios" in refused("split", "--as", "ravdess:actor", "--ratios", "8/2", "-w", root)
    assert "without a session are 24" in refused("split", "--ratios", "8/2", "--by", "session", "-w", root)
    assert "'portrait-prep split --ratios 80/10/10' gives them one" in refused("list", "--split", "train", "-w", root)


def test_a_split_by_video_says_whom_it_cuts(root: Path, command: Command) -> None:
    lines = command("split", "--ratios", "50/50", "--by", "video", "-w", root)
    assert lines[3].endswith("on more than one side: it does not tell how unknown people fare.")
    assert "subjects are" in lines[3] or "subject is" in lines[3]


def test_the_published_split_is_chosen_again(tmp_path: Path, command: Command) -> None:
    root, other, some = tmp_path / "w", tmp_path / "other", ("--actor", "1", "22")
    command("init", "ravdess", *some, "-w", root)
    command("init", "ravdess", *some, "--split", "stratified", "-w", other)
    before = rows_in(root)
    told = command("init", "ravdess", *some, "--split", "stratified", "-w", root)
    (kept,) = [line for line in told if "old split" in line]
    differ = sum(row.split != rows_in(other)[name].split for name, row in before.items())
    assert kept == (
        f"{differ} videos keep their old split; to re-split: "
        f"portrait-prep split --as ravdess:stratified --seed 42 -w {root}"
    )
    command(*pasted(kept))
    assert rows_in(root) == rows_in(other)
    command("split", "--as", "ravdess:actor", "-w", root)
    assert rows_in(root) == before


def test_hdtf_is_split_as_published_after_another_split(tmp_path: Path, command: Command) -> None:
    names = [f"Person{first}{second}" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJKLMNOPQRST"]
    annotations = lists(tmp_path / "lists", [(name, 720, "00:00-00:02", ["1 90 2 90"]) for name in names])
    root = tmp_path / "w"
    command("init", "hdtf", "--annotations", annotations, "-w", root)
    published = rows_in(root)
    lines = command("split", "--ratios", "80/10/10", "-w", root)
    assert [line.split()[1:3] for line in lines[1:4]] == [["160", "160"], ["20", "20"], ["20", "20"]]
    told = command("init", "hdtf", "--annotations", annotations, "-w", root)
    (kept,) = [line for line in told if "old split" in line]
    assert "--as hdtf:subject --annotations" in kept
    command(*pasted(kept))
    assert rows_in(root) == published

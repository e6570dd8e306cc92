"""Subjects, splits and folds by a table."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.assignment import assigned, read_assignment, template
from portrait_prep.manifests.video import Video

TABLE = Path("table.csv")


def video(name: str, subject: str = "s", **fields: Any) -> Video:
    return Video(video_id=name, corpus="folder", subject=subject, source="/x", shard="a").model_copy(update=fields)


ROWS = [video("ann_1", "ann", split="train"), video("ann_2", "ann", split="train"), video("bob_1", "bob", fold=3)]


def applied(folder: Path, content: str | bytes, rows: list[Video] = ROWS, split_by: str | None = None) -> list[Video]:
    path = folder / TABLE
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return assigned(rows, read_assignment(path), path, split_by)


def facts(rows: list[Video]) -> list[tuple[Any, ...]]:
    return [(row.subject, row.split, row.split_by, row.fold) for row in rows]


def test_patterns_exceptions_and_empty_cells(tmp_path: Path) -> None:
    found = applied(tmp_path, "video_id,subject,split,fold\n*,,test,0\nann_?,Ann,,\nann_2,,train,-\nbob_[0-9],,-,\n")
    assert facts(found) == [("Ann", "test", "subject", 0), ("Ann", "train", None, None), ("bob", None, None, 0)]


WRITTEN = 'video_id,split,fold\nann_1,"a, b; c",2\n\n ann_2 , x ,\n,,\n\n'
EXPECTED = [("ann", "a, b; c", "subject", 2), ("ann", "x", "subject", None), ("bob", None, None, 3)]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_as_spreadsheets_write_it(tmp_path: Path, mark: str, end: str) -> None:
    assert facts(applied(tmp_path, mark + WRITTEN.replace("\n", end))) == EXPECTED


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators(tmp_path: Path, delimiter: str) -> None:
    text = WRITTEN.replace("a, b; c", "@").replace(",", delimiter).replace("@", "a, b; c")
    assert facts(applied(tmp_path, text)) == EXPECTED


def test_empty_columns_at_the_end(tmp_path: Path) -> None:
    assert facts(applied(tmp_path, "video_id,fold,,\nann_1,0,,\n"))[0] == ("ann", "train", None, 0)
    with pytest.raises(BadInput, match="line 2, has more cells than the head"):
        applied(tmp_path, "video_id,fold,\nann_1,0,x\n")


def test_folds_that_a_data_frame_made_floats(tmp_path: Path) -> None:
    assert [row.fold for row in applied(tmp_path, "Video_ID,fold\nann_*,1.0\n")] == [1, 1, 3]


texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["-", " a", "a;b", 'say "x"', "1.0", "*"])


@given(
    st.lists(st.tuples(texts, st.none() | texts, st.none() | st.integers(-2, 2**62), st.none() | texts), max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
def test_an_unchanged_template_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[Any, ...]], end: str
) -> None:
    rows = [
        video(f"v{n}", subject, split=split, fold=fold, split_by=by)
        for n, (subject, split, fold, by) in enumerate(values)
    ]
    folder = tmp_path_factory.mktemp("template")
    assert applied(folder, end.join(template(rows)) + end, rows) == rows


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    for head in (b"", b"video_id,split\n"):
        try:
            applied(folder, head + content)
        except BadInput as error:
            assert str(error).startswith(str(folder / TABLE))  # noqa: PT017 (either is right)


def test_what_the_split_is_by(tmp_path: Path) -> None:
    changed = "video_id,split\nann_1,test\n"
    cut = [row.model_copy(update={"split_by": "take"}) for row in ROWS]
    assert [row.split_by for row in applied(tmp_path, changed, cut)] == ["take", "take", "take"]
    assert [row.split_by for row in applied(tmp_path, changed, ROWS)] == ["subject", None, None]
    assert [row.split_by for row in applied(tmp_path, changed, ROWS, "video")] == ["video", "video", None]
    assert [row.split_by for row in applied(tmp_path, changed, cut, "subject")] == ["subject", "subject", "take"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "video_id and one or more of subject, split, fold, each once, and no other columns; there is nothing"),
        ("video_id\nann_1\n", "there is 'video_id'"),
        ("video_id,splt\nann_1,x\n", "there is 'video_id', 'splt'"),
        ("video_id,split,split\nann_1,x,y\n", "each once"),
        ("split,fold\nx,1\n", "must have video_id"),
        ("video_id,split\nann_1,x\nanm_1,x\n", "line 3: there is no video 'anm_1' .* did you mean ann_1 or ann_2"),
        ("video_id,split\nan*_3,x\n", r"line 2: there is no video 'an\*_3' .* did you mean ann_"),
        ("video_id,split\nzzz*,x\n", "'portrait-prep list' lists all"),
        ("video_id,split\n,x\n", "line 2, has no video_id"),
        ("video_id,split\nann_1,x,y\n", "line 2, has more cells than the head"),
        ("video_id,fold\nann_1,-1\n", "line 2: '-1' is no fold: give a whole number, 0 or more"),
        ("video_id,fold\nann_1,1.5\n", "'1.5' is no fold"),
        ("video_id,fold\nann_1,\u0663\n", "is no fold"),
        ("video_id,subject\nann_1,-\n", "every video has a subject"),
        ("video_id,subject\nann_1,x\nann*,*\n", r"table.csv, line 3: its subject must not be '\*'"),
        ('video_id,split\nann_1,"x\n', "line 2, is no CSV"),
        (b"video_id,split\nann_1,\xe4\n", "not UTF-8: save it again"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        applied(tmp_path, content)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / TABLE, tmp_path):
        with pytest.raises(BadInput, match=f"{path} cannot be read"):
            read_assignment(path)

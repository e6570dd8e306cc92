"""How videos are listed: as text, as JSON, as CSV."""

import csv
import json
from collections.abc import Iterable, Iterator

import pytest

from portrait_prep.cli.listing import COLUMNS, _csv, _json, _text
from portrait_prep.pipeline.listing import Listed
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result

ROWS = [
    Listed("v1", "folder", 'a "b", c', None, 3, "folder-00000", Result.ACCEPTED, "stats", State.DONE, ()),
    Listed(
        "v2", "folder", "x\x1b[2J", "train", None, "folder-00000", Result.FAILED, "normalize", State.FAILED, ("a", "b")
    ),
]


def test_text_has_a_line_a_video_and_a_count() -> None:
    first, second, count = _text(iter(ROWS))
    assert first.split() == ["v1", "accepted", "stats", "done"]
    assert second.split() == ["v2", "failed", "normalize", "failed", "a;", "b"]
    assert count == "2 videos."
    assert list(_text(ROWS[:1]))[-1] == "1 video."


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_is_one_list(count: int) -> None:
    rows = json.loads("\n".join(_json(ROWS[:count])))
    assert [row["video_id"] for row in rows] == ["v1", "v2"][:count]
    assert all(list(row) == COLUMNS for row in rows)
    assert count < 2 or rows[1]["reasons"] == ["a", "b"]


def test_csv_has_a_head_and_prints_whatever_names_hold() -> None:
    lines = list(_csv(ROWS))
    assert all(line.isprintable() for line in lines)
    first, second = csv.DictReader(lines)
    assert (first["subject"], first["fold"], first["split"]) == ('a "b", c', "3", "")
    assert (second["subject"], second["reasons"]) == (r"x\x1b[2J", "a; b")


def test_lines_come_as_they_are_known() -> None:
    def endless() -> Iterator[Listed]:
        while True:
            yield ROWS[0]

    for written in (_text, _json, _csv):
        found: Iterable[str] = written(endless())
        assert next(iter(found))

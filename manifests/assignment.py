"""Assigning subjects, splits and folds by a table that a person writes: CSV, as spreadsheets save it.

    video_id,subject,split,fold
    ann*,ann,train,1
    ann_07,,test,-

`video_id` is an id, or a shell pattern of ids (`*`, `?`, `[…]`); any of the other columns may be left out. An empty
cell leaves a field as it is, `-` empties it. Where several lines speak of a video, a later one wins, field by field.
Cells are separated by commas, semicolons or tabs: whatever the first line has.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import REQUIRED
from portrait_prep.manifests.ids import did_you_mean, matching
from portrait_prep.manifests.splits import BY_SUBJECT, SUBJECT
from portrait_prep.manifests.video import Video, problem_of
from portrait_prep.media.file import MOST_TEXT, regular

NAME, FIELDS = "video_id", ("subject", "split", "fold")
EMPTY = "-"
"""A cell that empties a field."""
DELIMITERS = ",;\t"
NUMBER = re.compile(r"([0-9]{1,18})(\.0*)?")
"""A fold; tables with empty cells make 1.0 of 1."""


@dataclass(frozen=True)
class Line:
    """One line of the table: which videos, by id or pattern, and what their fields become."""

    number: int
    name: str
    values: Mapping[str, str | int | None]


def read_assignment(path: Path) -> list[Line]:
    """The lines of the table. Raises BadInput for the first thing that is wrong, with its line."""
    rows = _rows(path)
    _, head = next(rows, (0, []))
    columns = [cell.lower() for cell in head]
    while columns and not columns[-1]:  # spreadsheets write columns that once held something
        columns.pop()
    if NAME not in columns or len(columns) < 2 or not {NAME, *FIELDS}.issuperset(columns) or _repeats(columns):
        found = ", ".join(f"'{cell}'" for cell in head) or "nothing"
        raise BadInput(
            f"{path} has no head that can be used: it must have {NAME} and one or more of {', '.join(FIELDS)}, each "
            f"once, and no other columns; there is {found}. 'portrait-prep assign --template' writes such a table."
        )
    return [_line(path, number, columns, cells) for number, cells in rows]


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not blank."""
    try:
        text = regular(path, MOST_TEXT).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8: save it again as CSV in UTF-8.") from error
    first = re.split("[\r\n]", text.lstrip(), maxsplit=1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count), strict=True, skipinitialspace=True
    )
    try:
        for cells in reader:
            if any(stripped := [cell.strip() for cell in cells]):
                yield reader.line_num, stripped
    except csv.Error as error:
        raise BadInput(f"{path}, line {reader.line_num}, is no CSV: {error}.") from error


def _repeats(columns: Sequence[str]) -> bool:
    return len(set(columns)) < len(columns)


def _line(path: Path, number: int, columns: Sequence[str], cells: Sequence[str]) -> Line:
    place = f"{path}, line {number}"
    if any(cells[len(columns) :]):
        raise BadInput(f"{place}, has more cells than the head: put text that has the separator in it into quotes.")
    row = dict(zip(columns, cells, strict=False))
    if not row.get(NAME):
        raise BadInput(f"{place}, has no {NAME}: name a video, or a pattern such as '*'.")
    return Line(number, row[NAME], {name: _value(place, name, row[name]) for name in FIELDS if row.get(name)})


def _value(place: str, name: str, cell: str) -> str | int | None:
    """What a cell that is not empty makes of a field."""
    if cell == EMPTY:
        if name in REQUIRED:
            raise BadInput(f"{place}: every video has a {name}, which '{EMPTY}' would empty: name one.")
        return None
    if name != "fold":
        return cell
    number = NUMBER.fullmatch(cell)
    if number is None:
        raise BadInput(f"{place}: '{cell}' is no fold: give a whole number, 0 or more, or '{EMPTY}' for none.")
    return int(number[1])


def assigned(videos: Sequence[Video], lines: Iterable[Line], path: Path, split_by: str | None = None) -> list[Video]:
    """The rows as the lines of the table at `path` have them.

    `split_by`: what the sides of all subjects in the table keep whole. None: a row whose split becomes another is split
    by subject, unless it was split by something less before, and stays so. Raises BadInput where no video is meant, and
    for a value that no row may have.
    """
    ids = {video.video_id: video for video in videos}
    wanted: dict[str, dict[str, Any]] = defaultdict(dict)
    for line in lines:
        meant = matching(line.name, ids)
        if not meant:
            raise BadInput(
                f"{path}, line {line.number}: there is no video '{line.name}' in the catalogue; "
                f"{did_you_mean(line.name, ids)}'portrait-prep list' lists all."
            )
        one = ids[meant[0]]
        if (problem := problem_of(one.model_copy(update=dict(line.values)))) and not problem_of(one):
            raise BadInput(f"{path}, line {line.number}: {problem}.")
        for name in meant:
            wanted[name] |= line.values
    rows = [video.model_copy(update=wanted.get(video.video_id, {})) for video in videos]
    if split_by is None:
        return [_by_hand(before, row) for before, row in zip(videos, rows, strict=True)]
    subjects = {row.subject for row in rows if row.video_id in wanted}
    return [row.model_copy(update={"split_by": split_by}) if row.subject in subjects else row for row in rows]


def _by_hand(before: Video, row: Video) -> Video:
    if row.split == before.split or row.split_by not in BY_SUBJECT:
        return row
    return row.model_copy(update={"split_by": None if row.split is None else SUBJECT})


def template(videos: Iterable[Video]) -> Iterator[str]:
    """The table of what is now, a line a video. A value that the table cannot tell is left out, and so stays."""
    yield _csv((NAME, *FIELDS))
    for video in videos:
        yield _csv((video.video_id, *(_cell(name, getattr(video, name)) for name in FIELDS)))


def _cell(name: str, value: str | int | None) -> str:
    text = "" if value is None else str(value)
    if name == "fold":
        return text if NUMBER.fullmatch(text) else ""
    return text if text == text.strip() != EMPTY and text.isprintable() else ""


def _csv(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()

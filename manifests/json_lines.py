"""What people decided, as JSON Lines (jsonlines.org) in UTF-8: nothing else of a workspace can restore these files."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from portrait_prep.errors import BadInput
from portrait_prep.manifests.files import replacing
from portrait_prep.manifests.record import Model
from portrait_prep.media.file import regular

MOST_LINE = 1 << 20
"""Most characters of a line; one that a command wrote has a few hundred."""

Line = TypeVar("Line", bound=Model)


def read_lines(path: Path, model: type[Line], name: str) -> Iterator[tuple[int, Line]]:
    """Number and content of each line that is not blank; none where there is no file.

    `name` is what a line is called. Raises BadInput: a decision is never passed over in silence.
    """
    try:
        for number, text in _lines(path):
            yield number, model.model_validate_json(text)
    except (FileNotFoundError, NotADirectoryError):
        return
    except ValidationError as error:
        raise BadInput(f"{path}, line {number}, is not a {name}: mend or remove the line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): restore it, or move it away to do without it.") from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Of a line over MOST_LINE come pieces, which are no valid JSON. A mark of the byte order is passed over."""
    with regular(path).open(encoding="utf-8-sig") as file:
        for number, line in enumerate(iter(lambda: file.readline(MOST_LINE), ""), 1):
            if line.strip():
                yield number, line


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write all rows, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")

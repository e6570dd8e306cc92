"""Printing foreign text (file names, ids, messages) safely to a terminal, a log or a shell command.

A file name may hold characters that move the cursor, ring the bell, start a line or reverse the direction of text; they
are shown as escapes.
"""

import json
import logging
import os
import shlex
from typing import Any


def printable(value: Any) -> Any:
    """Replace the characters of a string that are not printable (`str.isprintable`) by their Python escapes.

    A value that is no string is returned as it is.
    """
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)


def printable_json(value: Any) -> str:
    """JSON with one key a line; characters that are not printable are escaped as in RFC 8259, 7."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def shell_word(text: str) -> str:
    """Quote `text` as one word of a shell command, to be read and pasted.

    Where it is not printable the form is `$'…'` (POSIX.1-2024, 2.2.4), with the bytes of such characters in octal.
    """
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_shell_escape, text))}'"


def _shell_escape(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if character.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(character))


class PrintableFormatter(logging.Formatter):
    """Formats log records safely; lines after the first are indented, so that no message can forge a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return "\n    ".join(map(printable, super().format(record).split("\n")))


def print_logs_safely() -> None:
    """Use `PrintableFormatter` for records without a handler, as all of ours are (`logging.lastResort`)."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())

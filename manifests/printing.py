"""How text of foreign origin is shown: names, ids and messages that a terminal, a log or a shell takes for text alone.

A file's name may hold what moves the cursor, rings, forges a line or turns the text around; it is shown as its escape.
"""

import json
import logging
import os
import shlex
from typing import Any


def printable(value: Any) -> Any:
    """Names come from foreign files: control characters, lone surrogates, line separators and marks that turn the text
    around show as their escapes. What is no text stays as it is."""
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in value)


def printable_json(value: Any) -> str:
    """JSON for people and programs, a key a line; what does not print is escaped as JSON has it (RFC 8259, 7)."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def shell_word(text: str) -> str:
    """`text` quoted as one word of a shell command that can be read and pasted: `$'…'` (POSIX.1-2024, 2.2.4), with the
    bytes of what does not print in octal."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_shell_escape, text))}'"


def _shell_escape(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if character.isprintable() else "".join(f"\\{byte:03o}" for byte in os.fsencode(character))


class PrintableFormatter(logging.Formatter):
    """Formats a log record so that no text in it looks like another: lines after the first are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text."""
        return "\n    ".join(map(printable, super().format(record).split("\n")))


def print_logs_safely() -> None:
    """Have what is logged and has no handler of its own, ours in every process, written by `PrintableFormatter`."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())

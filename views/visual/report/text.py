"""Formats of the report: durations for people, and JSON embedded in the page."""

import json
from collections.abc import Iterable, Iterator
from typing import Any


def clock(seconds: float | None) -> str:
    """Seconds as people read them: `4.96 s`, `2 min 05 s`, `3 h 07 min`."""
    if seconds is None:
        return "unknown"
    if round(seconds, 2) < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def embedded(value: Any) -> str:
    """JSON that can stand inside a `script` element: ASCII, with `<`, `>` and `&` escaped, which could end it.

    See "Restrictions for contents of script elements" in the HTML standard. Raises ValueError for NaN.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def embedded_parts(parts: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """A JSON object in the same form, member by member; an iterator among the values is written as an array."""
    before = "{"
    for name, value in parts:
        yield f"{before}{embedded(name)}:"
        if isinstance(value, Iterator):
            yield from _embedded_array(value)
        else:
            yield embedded(value)
        before = ","
    yield "}" if before == "," else "{}"


def _embedded_array(values: Iterator[Any]) -> Iterator[str]:
    before = "["
    for value in values:
        yield before + embedded(value)
        before = ","
    yield "]" if before == "," else "[]"

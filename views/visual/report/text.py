"""How the report writes things: lengths as people read them, data for a script."""

import json
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
    """JSON that can stand inside a `script` element: ASCII, and without the characters that could end it.

    See "Restrictions for contents of script elements" in the HTML standard. Raises ValueError for NaN.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

"""How long lists are shortened for people, and numbers, footage and moments told."""

from collections.abc import Sequence
from typing import Any

FEW = 3


def a_few(names: Sequence[str]) -> str:
    """How many and the first of them: `4 (a, b, c …)`."""
    return f"{len(names)} ({', '.join(names[:FEW])}{' …' if len(names) > FEW else ''})"


def counted(count: int, noun: str) -> str:
    """`1 video`, `2 videos`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def lasting(seconds: float) -> str:
    """Some footage, in the unit in which people count so much of it: `16 s`, `3.5 min`, `1.20 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def at(places: Sequence[Any]) -> str:
    """Some moments in seconds, or stretches [from, to], the first of them: `at 3.20 s, 5.04 s and 2 more`."""
    told = [
        f"from {place[0]:.2f} to {place[1]:.2f} s" if isinstance(place, list | tuple) else f"{place:.2f} s"
        for place in places
    ]
    more = f" and {len(told) - FEW} more" if len(told) > FEW else ""
    return ("" if told[0].startswith("from") else "at ") + ", ".join(told[:FEW]) + more

"""How long lists are shortened for people, and moments told."""

from collections.abc import Sequence
from typing import Any

FEW = 3


def a_few(names: Sequence[str]) -> str:
    """How many and the first of them: `4 (a, b, c …)`."""
    return f"{len(names)} ({', '.join(names[:FEW])}{' …' if len(names) > FEW else ''})"


def at(places: Sequence[Any]) -> str:
    """Some moments in seconds, or stretches [from, to], the first of them: `at 3.20 s, 5.04 s and 2 more`."""
    told = [
        f"from {place[0]:.2f} to {place[1]:.2f} s" if isinstance(place, list | tuple) else f"{place:.2f} s"
        for place in places
    ]
    more = f" and {len(told) - FEW} more" if len(told) > FEW else ""
    return ("" if told[0].startswith("from") else "at ") + ", ".join(told[:FEW]) + more

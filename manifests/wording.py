"""How long lists are shortened for people, and how numbers, times, footage and moments are told."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FEW, MANY = 3, 12


def a_few(names: Sequence[str]) -> str:
    """How many and the first of them: `4 (a, b, c …)`."""
    return f"{len(names)} ({', '.join(names[:FEW])}{' …' if len(names) > FEW else ''})"


def counted(count: int, noun: str, one: str = "", many: str = "") -> str:
    """A number, its noun, and what goes on by the number: `1 video has`, `2 videos have`."""
    return f"{count} {noun} {one}".rstrip() if count == 1 else f"{count} {noun}s {many}".rstrip()


UNITS = (("s", 1, 90), ("min", 60, 90), ("h", 3600, 72), ("days", 86400, math.inf))
"""Name, seconds, and the number from which the next larger unit is used."""


def lasting(seconds: float) -> str:
    """How long something takes, in the unit in which people would say it: `40 s`, `12 min`, `21 h`."""
    for name, length, most in UNITS:
        if seconds / length < most:
            return f"{seconds / length:.{0 if length < 3600 or seconds / length >= 10 else 1}f} {name}"
    raise ValueError(f"{seconds} s is no time")


def largest(counts: Mapping[str, int]) -> str:
    """The names with the highest counts, and how many more there are: `ann: 3, bob: 1 and 2 more`."""
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(named) - MANY} more" if len(named) > MANY else ""
    return ", ".join(f"{name}: {count}" for name, count in named[:MANY]) + more


def hours(seconds: float) -> str:
    """Some footage, in the unit in which people count so much of it: `16 s`, `3.5 min`, `1.20 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.2f} h"


def hours_of_all(lengths: Iterable[float | None]) -> str:
    """The same of several, some of which may not be known: `49 s and 1 of unknown length`."""
    told = list(lengths)
    unknown = told.count(None)
    return hours(sum(length or 0.0 for length in told)) + (f" and {unknown} of unknown length" if unknown else "")


def at(places: Sequence[Any]) -> str:
    """Some moments in seconds, or stretches [from, to], the first of them: `at 3.20 s, 5.04 s and 2 more`."""
    told = [
        f"from {place[0]:.2f} to {place[1]:.2f} s" if isinstance(place, list | tuple) else f"{place:.2f} s"
        for place in places
    ]
    more = f" and {len(told) - FEW} more" if len(told) > FEW else ""
    return ("" if told[0].startswith("from") else "at ") + ", ".join(told[:FEW]) + more

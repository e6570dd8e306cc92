"""A metric: what a stage measures of a video. With its bounds it is a rule of quality.

It is declared once, with the code that measures it, as columns are. From the declaration follow the settings of
`[quality]`, the rules and what a rejection says, the charts of the report, the audit's look at records, and the page
of measures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from sys import float_info
from typing import Any, Literal

Sense = Literal["at least", "at most", "within"]
"""How a bound binds: from below, from above, or either way of zero."""


@dataclass(frozen=True)
class Switch:
    """A setting of `[quality]` without which a bound does not count."""

    setting: str
    default: bool
    description: str


class _Blank:
    """Stands for whatever value in the sentence of a rejection."""

    def __format__(self, _: str) -> str:
        return "…"

    def __getitem__(self, _: int) -> "_Blank":
        return self


@dataclass(frozen=True)
class Bound:
    """A limit of a metric, which `[quality]` sets; a video beyond it is rejected.

    `allowed` are the limits of the setting itself, as pydantic's Field takes them (`ge`, `gt`, `le`). `rejection` is
    the sentence given, with `{value}` and `{limit}`. In it `{s}` ends a noun that is counted by the value, `{size}` is
    the value without its sign, and `{side}` one of `sides`, for values below and above zero. `places` names the metric
    of the same stage that holds where in the source that was, in seconds: the sentence goes on with it.
    """

    setting: str
    sense: Sense
    default: float
    description: str
    rejection: str
    only_if: Switch | None = None
    places: str = ""
    allowed: dict[str, float] = field(default_factory=dict)
    sides: tuple[str, str] = ("", "")

    def told(self, value: Any, limit: float | None) -> str:
        """The sentence of a rejection for a value."""
        counted = abs(value) if isinstance(value, int | float) else value
        side = self.sides[counted == value] if self.sense == "within" else ""
        return self.rejection.format(value=value, limit=limit, size=counted, side=side, s="" if counted == 1 else "s")

    def heading(self, limit: float | None) -> str:
        """The same for any value."""
        blank, side = _Blank(), " or ".join(self.sides)
        return self.rejection.format(value=blank, limit=limit, size=blank, side=side, s="s")

    def holds(self, value: Any, limit: float) -> bool:
        """Whether a measured value, or each of several, keeps within the limit."""
        values = value if isinstance(value, list | tuple) else (value,)
        if self.sense == "at least":
            return bool(min(values) >= limit)
        return bool(max(map(abs, values) if self.sense == "within" else values) <= limit)


def at_least(
    setting: str,
    default: float,
    description: str,
    rejection: str,
    only_if: Switch | None = None,
    places: str = "",
    **allowed: float,
) -> Bound:
    """No value below the setting."""
    return Bound(setting, "at least", default, description, rejection, only_if, places, allowed)


def at_most(
    setting: str,
    default: float,
    description: str,
    rejection: str,
    only_if: Switch | None = None,
    places: str = "",
    **allowed: float,
) -> Bound:
    """No value above the setting."""
    return Bound(setting, "at most", default, description, rejection, only_if, places, allowed)


def within(
    setting: str,
    default: float,
    description: str,
    rejection: str,
    sides: tuple[str, str] = ("", ""),
    **allowed: float,
) -> Bound:
    """No value farther from zero than the setting."""
    return Bound(setting, "within", default, description, rejection, None, "", allowed, sides)


def only(values: Sequence[float]) -> float:
    """The only one."""
    return values[0]


def farthest(values: Sequence[float]) -> float:
    """The one farthest from zero, with its sign."""
    return max(values, key=abs)


def least(values: Sequence[float]) -> float:
    """The smallest."""
    return min(values)


def spread(values: Sequence[float]) -> float:
    """From the smallest to the greatest."""
    return max(values) - min(values)


Kind = Literal["number", "numbers", "flag", "text", "ranges"]
"""What a record holds of a metric, unless that is null: `numbers` is a list of them, `ranges` one of [first, stop]."""


@dataclass(frozen=True)
class Metric:
    """One metric of a stage; a record holds it under `name`, null where there was nothing to measure.

    `unit` is that of the value; a `share` (0 to 1) is shown in percent. With a `title` it has a chart and a column in
    the report, told to `decimals` places; `take` makes one number of several. `blind` says what it cannot tell.
    `optional`: a record may lack it, since it depends on the parameters or on the video. `view_of` names the metric of
    which this one is only another view, which no record holds.
    """

    name: str
    unit: str
    meaning: str
    title: str = ""
    decimals: int = 2
    kind: Kind = "number"
    bounds: tuple[Bound, ...] = ()
    take: Callable[[Sequence[float]], float] = only
    blind: str = ""
    optional: bool = False
    view_of: str = ""

    @property
    def recorded(self) -> bool:
        """Whether records hold it."""
        return not self.view_of

    def fits(self, value: Any) -> bool:
        """Whether a record may hold this value."""
        return value is None or FITTING[self.kind](value)


def is_finite(value: float) -> bool:
    """Whether a number is not NaN, infinite, or an integer beyond all floats (for which `math.isfinite` raises)."""
    return abs(value) <= float_info.max


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_number, value))


FITTING: dict[Kind, Callable[[Any], bool]] = {
    "number": _is_number,
    "numbers": _are_numbers,
    "flag": lambda value: isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "ranges": lambda value: (
        isinstance(value, list | tuple) and all(_are_numbers(one) and len(one) == 2 for one in value)
    ),
}

"""All rows of the report, stored and written by column: names as numbers, measures as integers.

This takes some hundred bytes a video, and is the form that the script of the page reads.
"""

from array import array
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from math import isnan, nan
from pathlib import Path
from typing import Any

from portrait_prep.manifests.printing import printable
from portrait_prep.pipeline.declare.quality import QualitySettings
from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result
from portrait_prep.views.visual.drawing.still import VideoLocation
from portrait_prep.views.visual.report.charts import Chart
from portrait_prep.views.visual.report.row import FACETS, Row

RESULTS, STATES = list(Result), list(State)
NOTHING = -1
"""Number of a row without a name, or without frames."""


class NamedColumn:
    """A column of names; each name is stored once, and rows refer to it by number, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._column = array("i")

    def __getitem__(self, row: int) -> str:
        """The name of a row that has one."""
        return self.names[self._column[row]]

    def number(self, name: str) -> int:
        """The number of a name, a new one at its first appearance."""
        return self._numbers.setdefault(name, len(self._numbers))

    def add(self, name: str | None) -> None:
        """Take in the next row; None: it has no name."""
        self._column.append(NOTHING if name is None else self.number(name))

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return list(self._numbers)

    def shown(self) -> list[str]:
        """All of them, safe to print."""
        return [str(printable(name)) for name in self._numbers]

    def to_json(self) -> dict[str, Any]:
        """`names`, and for each row the number of its name; -1 where it has none."""
        return {"names": self.shown(), "of": self._column.tolist()}


class Rows:
    """All rows of a workspace, numbered in the order in which they are added. `shown` are the charts of the page."""

    def __init__(self, stages: Sequence[str], shown: Sequence[Chart]) -> None:
        self._stages, self._charts = list(stages), list(shown)
        self._ids, self._files = list[str](), list[str]()
        self._named = {name: NamedColumn() for name in ("subject", "shard", "defect", "folder", "note")}
        self._facets = {name: NamedColumn() for name in FACETS}
        self._headings, self._texts = NamedColumn(), NamedColumn()
        self._reasons, self._reasons_end = array("l"), array("q")
        self._results, self._states, self._frames = bytearray(), bytearray(), array("q")
        self._measures = [array("d") for _ in shown]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ids)

    def add(self, row: Row) -> None:
        """Take in the next one."""
        source = Path(row.source)
        names = (row.subject, row.shard, row.defect, str(source.parent), "\n".join(row.notes))
        for column, name in zip(self._named.values(), names, strict=True):
            column.add(name)
        for column, facet in zip(self._facets.values(), row.facets, strict=True):
            column.add(facet)
        for values, value in zip(self._measures, row.measures, strict=True):
            values.append(nan if value is None else value)
        self._ids.append(row.video_id)
        self._files.append(source.name)
        for heading, text in row.reasons:
            self._reasons.extend((self._headings.number(heading), self._texts.number(text)))
        self._reasons_end.append(len(self._reasons))
        self._results.append(RESULTS.index(row.result))
        self._states += bytes(STATES.index(state) for state in row.states)
        self._frames.append(row.location.frames if row.location else NOTHING)

    def video_id(self, number: int) -> str:
        """The video of a row."""
        return self._ids[number]

    def result(self, number: int) -> Result:
        """The result of a row."""
        return RESULTS[self._results[number]]

    def drawable(self) -> list[int]:
        """Numbers of those that have frames."""
        return [number for number, frames in enumerate(self._frames) if frames != NOTHING]

    def location(self, number: int) -> VideoLocation:
        """Where the frames and columns of a drawable row are."""
        states = zip(self._stages, self._states_of(number), strict=True)
        current = tuple(stage for stage, state in states if STATES[state] is State.DONE)
        return VideoLocation(self._ids[number], self._named["shard"][number], self._frames[number], current)

    def _states_of(self, number: int) -> bytearray:
        return self._states[number * len(self._stages) : (number + 1) * len(self._stages)]

    def _reasons_shown(self) -> Iterator[list[tuple[int, str]]]:
        """Of each row the number of the heading and the text of each reason."""
        texts = self._texts.shown()
        for first, stop in pairwise([0, *self._reasons_end]):
            numbers = self._reasons[first:stop]
            yield [(heading, texts[text]) for heading, text in zip(numbers[::2], numbers[1::2], strict=True)]

    def unmeasured(self) -> list[str]:
        """Titles of the charts that have nothing to show."""
        return [c.metric.title for c, values in zip(self._charts, self._measures, strict=True) if _is_empty(values)]

    def parts(self, settings: QualitySettings, drawn: Collection[int]) -> Iterator[tuple[str, Any]]:
        """Names and JSON-ready values of the object that the script reads; an iterator stands for an array.

        `drawn` are the numbers of the rows with pictures on the page.
        """
        yield "count", len(self)
        yield "stages", self._stages
        yield "states", [state.value for state in STATES]
        yield "results", [result.value for result in RESULTS]
        yield "id", (printable(video_id) for video_id in self._ids)
        yield from ((name, column.to_json()) for name, column in self._named.items())
        yield "file", (printable(file) for file in self._files)
        yield "result", _digits(self._results)
        yield "state", (_digits(self._states_of(number)) for number in range(len(self)))
        yield "reason", self._reasons_shown()
        yield "headings", self._headings.shown()
        yield "drawn", sorted(drawn)
        facets = ((name, column) for name, column in self._facets.items() if column.names)
        yield "facets", ({"key": name, **column.to_json()} for name, column in facets)
        charts = zip(self._charts, self._measures, strict=True)
        yield "measures", (_measure(chart, values, settings) for chart, values in charts)


def _digits(numbers: bytearray) -> str:
    return "".join(map(str, numbers))


def _is_empty(values: "array[float]") -> bool:
    return all(map(isnan, values))


def _measure(chart: Chart, values: "array[float]", settings: QualitySettings) -> dict[str, Any]:
    """A chart with its values as integers, in units of the last decimal; `values` is empty where no row has one."""
    metric = chart.metric
    steps = (None if isnan(value) else round(value * 10**metric.decimals) for value in values)
    return {
        "key": chart.key,
        "title": metric.title,
        "unit": chart.unit,
        "decimals": metric.decimals,
        "told": metric.meaning,
        "limits": chart.limits(settings),
        "values": [] if _is_empty(values) else list(steps),
    }

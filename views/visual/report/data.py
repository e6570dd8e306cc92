"""The rows as the page's script reads them: column by column, names by number, measures as whole numbers."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from portrait_prep.manifests.printing import printable
from portrait_prep.pipeline.declare.quality import QualitySettings
from portrait_prep.pipeline.status.plan import State
from portrait_prep.views.visual.report.charts import Chart
from portrait_prep.views.visual.report.rows import FACETS, Result, Row


def data(
    rows: Sequence[Row],
    stages: Sequence[str],
    shown: Sequence[Chart],
    settings: QualitySettings,
    drawn: Collection[int],
) -> dict[str, Any]:
    """All rows in JSON-ready columns. `drawn` are the numbers of the rows that have a detail on the page."""
    headings = NumberedTexts()
    return {
        "count": len(rows),
        "stages": list(stages),
        "states": [state.value for state in State],
        "results": [result.value for result in Result],
        "id": [printable(row.video_id) for row in rows],
        "subject": _named(rows, lambda row: row.subject),
        "shard": _named(rows, lambda row: row.shard),
        "defect": _named(rows, lambda row: row.defect),
        "folder": _named(rows, lambda row: str(Path(row.source).parent)),
        "file": [printable(Path(row.source).name) for row in rows],
        "result": "".join(str(list(Result).index(row.result)) for row in rows),
        "state": ["".join(str(list(State).index(state)) for state in row.states) for row in rows],
        "note": _named(rows, lambda row: "\n".join(row.notes)),
        "reason": [[[headings.number(heading), printable(text)] for heading, text in row.reasons] for row in rows],
        "headings": headings.texts,
        "drawn": sorted(drawn),
        "facets": [
            {"key": name, **_named(rows, _facet(number))}
            for number, name in enumerate(FACETS)
            if any(row.facets[number] is not None for row in rows)
        ],
        "measures": [_measure(rows, number, chart, settings) for number, chart in enumerate(shown)],
    }


def _facet(number: int) -> Callable[[Row], str | None]:
    return lambda row: row.facets[number]


def _named(rows: Sequence[Row], value: Callable[[Row], str | None]) -> dict[str, Any]:
    """`names`, and for each row the number of its name; -1 where it has none."""
    names = NumberedTexts()
    numbers = [-1 if (name := value(row)) is None else names.number(name) for row in rows]
    return {"names": names.texts, "of": numbers}


def _measure(rows: Sequence[Row], number: int, chart: Chart, settings: QualitySettings) -> dict[str, Any]:
    """A chart with its values in whole steps of their last decimal; `values` is empty where no row has one."""
    metric = chart.metric
    values = [row.measures[number] for row in rows]
    steps = [None if value is None else round(value * 10**metric.decimals) for value in values]
    return {
        "key": chart.key,
        "title": metric.title,
        "unit": chart.unit,
        "decimals": metric.decimals,
        "told": metric.meaning,
        "limits": chart.limits(settings),
        "values": steps if any(step is not None for step in steps) else [],
    }


class NumberedTexts:
    """Texts by number, in order of appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, a new one at its first appearance."""
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """All of them, as they may be shown."""
        return [str(printable(text)) for text in self._numbers]

"""Chooses the videos of which the page shows pictures and curves: mostly problems, from all over the catalogue."""

from collections.abc import Collection, Sequence

from portrait_prep.pipeline.status.result import Result
from portrait_prep.views.visual.report.rows import Rows

PICTURES = 300
"""Videos with pictures and curves on a page: some 40 kB each."""
PROBLEMS = 2 / 3
"""Share of the pictures for videos that are not accepted; more where there are too few accepted ones."""


def pictured(rows: Rows, most: int, wanted: Collection[str] = ()) -> list[int]:
    """Numbers, ascending, of up to `most` rows whose frames can be drawn, and of those whose id is `wanted`.

    Problems and accepted videos are each taken at even distances through the catalogue.
    """
    there = rows.drawable()
    problems = [number for number in there if rows.result(number) is not Result.ACCEPTED]
    accepted = [number for number in there if rows.result(number) is Result.ACCEPTED]
    most_problems = max(round(most * PROBLEMS), most - len(accepted))
    taken = _spread(problems, most_problems)
    taken += _spread(accepted, most - len(taken))
    asked = [number for number in there if rows.video_id(number) in wanted]
    return sorted({*taken, *asked})


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    """Up to `most` of them, evenly from first to last."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * at + 1) * len(numbers) // (2 * most)] for at in range(most)]

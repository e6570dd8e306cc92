"""Which videos the page shows pictures and curves of: problems first, from all over the catalogue."""

from collections.abc import Collection, Sequence

from portrait_prep.views.visual.report.rows import Result, Row

PICTURES = 300
"""Videos with pictures and curves on a page: some 40 kB each."""
PROBLEMS = 2 / 3
"""Share of the pictures that goes to videos that are not accepted, as long as there are others that want the rest."""


def pictured(rows: Sequence[Row], most: int, wanted: Collection[str] = ()) -> list[int]:
    """Numbers, ascending, of up to `most` rows whose frames can be drawn, and of those that are `wanted` by id.

    Problems and accepted videos are each taken evenly from all over the catalogue: a look at every part of it.
    """
    there = [number for number, row in enumerate(rows) if row.location is not None]
    problems = [number for number in there if rows[number].result is not Result.ACCEPTED]
    accepted = [number for number in there if rows[number].result is Result.ACCEPTED]
    most_problems = max(round(most * PROBLEMS), most - len(accepted))
    taken = _spread(problems, most_problems)
    taken += _spread(accepted, most - len(taken))
    asked = [number for number in there if rows[number].video_id in wanted]
    return sorted({*taken, *asked})


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    """Up to `most` of them, evenly from first to last."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * at + 1) * len(numbers) // (2 * most)] for at in range(most)]

"""Which videos have pictures on the page: it stays readable, and of bounded size, for any number of videos."""

from collections.abc import Collection, Sequence

from views.report.rows import Lot, Row

PROBLEMS = 2 / 3
"""Share of the pictures that goes to videos that are not accepted, as long as there are others that want the rest."""


def chosen(rows: Sequence[Row], most: int, wanted: Collection[str] = ()) -> list[int]:
    """Numbers, ascending, of up to `most` rows whose frames can be drawn, and of those that are `wanted` by id.

    Problems and accepted videos are each taken evenly from all over the catalogue: a look at every part of it.
    """
    there = [number for number, row in enumerate(rows) if row.place is not None]
    problems = [number for number in there if rows[number].lot is not Lot.ACCEPTED]
    accepted = [number for number in there if rows[number].lot is Lot.ACCEPTED]
    most_problems = max(round(most * PROBLEMS), most - len(accepted))
    taken = _spread(problems, most_problems)
    taken += _spread(accepted, most - len(taken))
    asked = [number for number in there if rows[number].video_id in wanted]
    return sorted({*taken, *asked})


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    """Up to `most` of them, evenly from first to last."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[(2 * place + 1) * len(numbers) // (2 * most)] for place in range(most)]

"""Chooses the videos of which the page shows pictures and curves: mostly problems, from all over the catalogue."""

from collections.abc import Collection, Sequence
from typing import TypeVar

from portrait_prep.pipeline.status.result import Result
from portrait_prep.views.visual.report.rows import Rows

PICTURES = 300
"""Videos with pictures and curves on a page: some 40 kB each."""
SHARE = 2 / 3
"""Of the pictures for what matters most: videos that are not accepted, segments that are kept."""

T = TypeVar("T")


def pictured(rows: Rows, most: int, wanted: Collection[str] = ()) -> list[int]:
    """Numbers, ascending, of up to `most` rows whose frames can be drawn, and of those whose id is `wanted`.

    Problems and accepted videos are each taken at even distances through the catalogue.
    """
    there = rows.drawable()
    problems = [number for number in there if rows.result(number) is not Result.ACCEPTED]
    accepted = [number for number in there if rows.result(number) is Result.ACCEPTED]
    asked = [number for number in there if rows.video_id(number) in wanted]
    return sorted({*shared(problems, accepted, most), *asked})


def shared(first: Sequence[T], others: Sequence[T], most: int) -> list[T]:
    """Up to `most` of two kinds, each evenly from its first to its last: SHARE of the first kind; more where there are
    too few others."""
    taken = spread(first, max(round(most * SHARE), most - len(others)))
    return [*taken, *spread(others, most - len(taken))]


def spread(items: Sequence[T], most: int) -> list[T]:
    """Up to `most` of them, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[(2 * at + 1) * len(items) // (2 * most)] for at in range(most)]

"""Which videos of a corpus to take: filters that mean the same for every corpus.

They look at finished rows: ids, splits and folds are those of the whole corpus, whatever is taken of it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import Video

EXAMPLES = 3


@dataclass(frozen=True)
class Filter:
    """Lets pass the rows whose `field` is one of `values`; None: all rows. `option` is what the user calls it.

    `named`: the user gave the values, so that one that no row has is a mistake.
    """

    option: str
    field: str
    values: Collection[str | int] | None
    named: bool = True

    def admits(self, video: Video) -> bool:
        """Whether the row passes."""
        return self.values is None or getattr(video, self.field) in self.values

    def check(self, videos: Sequence[Video]) -> None:
        """Raise BadInput where no value was given, and for the first that no row has."""
        if self.values is None or not self.named:
            return
        if not self.values:
            raise BadInput(f"{self.option} needs at least one value.")
        there = dict.fromkeys(getattr(video, self.field) for video in videos)
        for value in self.values:
            if value not in there:
                raise BadInput(
                    f"None of the {len(videos)} videos of this corpus has the {self.field} '{value}': give values "
                    f"such as {', '.join(map(str, list(there)[:EXAMPLES]))} as {self.option}."
                )


@dataclass(frozen=True)
class Choice:
    """The rows that pass all `filters`; of these the first `limit`, in the order of the corpus."""

    filters: tuple[Filter, ...] = ()
    limit: int | None = None

    def admits(self, video: Video) -> bool:
        """Whether the row passes all filters, whatever the limit."""
        return all(chosen.admits(video) for chosen in self.filters)

    def of(self, videos: Sequence[Video]) -> list[Video]:
        """The rows to take. Raises BadInput for a value that no row has, a limit below 1, and when none is left."""
        if self.limit is not None and self.limit < 1:
            raise BadInput("--limit must be at least 1.")
        for chosen in self.filters:
            chosen.check(videos)
        taken = [video for video in videos if self.admits(video)][: self.limit]
        if not taken:
            asked = ", ".join(chosen.option for chosen in self.filters if chosen.values is not None)
            raise BadInput(f"No video of this corpus is all that was asked for ({asked}): ask for less.")
        return taken


EVERYTHING = Choice()

"""The figures that do not depend on what the reader chooses: totals, the funnel of stages, and reasons by kind."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from portrait_prep.pipeline.status.plan import State
from portrait_prep.pipeline.status.result import Result
from portrait_prep.views.visual.report.row import Row


@dataclass
class Amount:
    """So many videos, and their footage in seconds."""

    videos: int = 0
    seconds: float = 0.0

    def add(self, row: Row) -> None:
        """Take in one video. A row that repeats another video adds no footage."""
        self.videos += 1
        self.seconds += 0.0 if row.result is Result.LEFT_OUT else row.seconds or 0.0


@dataclass(frozen=True)
class Step:
    """One stage of the funnel: what came through, and what did not, by state."""

    stage: str
    through: Amount
    lost: dict[State, Amount]


@dataclass
class Totals:
    """Sums over rows, in any order; memory does not grow with their number."""

    stages: Sequence[str]
    all: Amount = field(default_factory=Amount)
    results: dict[Result, Amount] = field(default_factory=lambda: {result: Amount() for result in Result})
    subjects: Counter[str] = field(default_factory=Counter)
    _states: dict[tuple[str, State], Amount] = field(default_factory=lambda: defaultdict(Amount))
    _reasons: dict[tuple[str, Result], Amount] = field(default_factory=lambda: defaultdict(Amount))

    def add(self, row: Row) -> None:
        """Take in one video."""
        self.all.add(row)
        self.results[row.result].add(row)
        self.subjects[row.subject] += 1
        for stage, state in zip(self.stages, row.states, strict=True):
            self._states[stage, state].add(row)
        for reason in {heading for heading, _ in row.reasons}:
            self._reasons[reason, row.result].add(row)

    @property
    def accepted(self) -> Amount:
        """What may be trained on."""
        return self.results[Result.ACCEPTED]

    def funnel(self) -> Iterator[Step]:
        """Stage by stage, in order."""
        for stage in self.stages:
            amounts = {state: self._states[stage, state] for state in State if (stage, state) in self._states}
            yield Step(stage, amounts.pop(State.DONE, Amount()), amounts)

    def reasons(self) -> list[tuple[str, Result, Amount]]:
        """Kinds of reasons with what became of the videos, the most frequent first. A video counts in each it has."""
        rows = [(reason, result, amount) for (reason, result), amount in self._reasons.items()]
        return sorted(rows, key=lambda row: (-row[2].videos, row[0], row[1]))

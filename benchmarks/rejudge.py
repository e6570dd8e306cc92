"""`python -m benchmarks.rejudge`: how long it takes to judge very many videos anew after a threshold changed.

Three changes one after another: all rejected become accepted, half of them rejected again, nothing changes. For each
the seconds until all manifests and their table tell the new verdicts, and the seconds to join the accepted videos'
statistics anew; wall clock and this process's own, since other work on the machine lengthens the former.
"""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import cyclopts

from benchmarks.multiply import SECONDS, finished, multiply
from portrait_prep.cli.opening import open_session
from portrait_prep.pipeline.run.reduction import Reducer

THRESHOLDS = {"all": min(SECONDS), "half of them": sum(SECONDS) / len(SECONDS), "none": sum(SECONDS) / len(SECONDS)}
"""Whose verdict changes -> `min_seconds`; at first it is its default, 1, and every video is shorter."""


@dataclass
class Clock:
    """Seconds of wall clock and of this process."""

    wall: float = 0.0
    own: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add what the block takes."""
        wall, own = time.perf_counter(), time.process_time()
        yield
        self.wall += time.perf_counter() - wall
        self.own += time.process_time() - own


@dataclass
class Timing:
    """One run: all of it, and of that the statistics."""

    computed: int = 0
    accepted: int = 0
    whole: Clock = field(default_factory=Clock)
    statistics: Clock = field(default_factory=Clock)

    def line(self) -> str:
        """Seconds for verdicts and for statistics."""
        judged = Clock(self.whole.wall - self.statistics.wall, self.whole.own - self.statistics.own)
        told = " + ".join(
            f"{name} {clock.wall:.1f} s ({clock.own:.1f} s of this process)"
            for name, clock in (("verdicts", judged), ("statistics", self.statistics))
        )
        return f"{told}; {self.accepted} accepted, {self.computed} computed"


def judge_by(root: Path, seconds: float) -> Timing:
    """Set the threshold and run."""
    settings = root / "pipeline.toml"
    settings.write_text(re.sub(r"min_seconds = .*", f"min_seconds = {seconds}", settings.read_text("utf-8")), "utf-8")
    timing, reduce = Timing(), Reducer.reduce

    def timed(reducer: Reducer, wanted: frozenset[str]) -> None:
        with timing.statistics.running():
            reduce(reducer, wanted)

    with patch.object(Reducer, "reduce", timed), timing.whole.running():
        session = open_session(root)
        run_counts, status_counts = session.run(session.select((), (), retry_failed=False), workers=0)
    timing.computed, timing.accepted = sum(run_counts.computed.values()), status_counts.accepted
    return timing


def rejudge(videos: int = 10_000, *, workspace: Path | None = None) -> None:
    """Measure.

    Parameters
    ----------
    videos
        How many.
    workspace
        Where to make the workspace, to be kept, or where it lies already. Default: a folder that is removed again.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = workspace or Path(folder) / "many"
        if not root.exists():
            sys.stdout.write(f"Making {videos} videos in {root}\n")
            many = multiply(finished(root.with_name(f"{root.name}-few")), root, videos)
            many.run(many.select((), (), retry_failed=False), workers=0)
        judge_by(root, 1.0)
        for name, seconds in THRESHOLDS.items():
            sys.stdout.write(f"{f'The verdict of {name} changes:':<38}{judge_by(root, seconds).line()}\n")


if __name__ == "__main__":
    cyclopts.run(rejudge)

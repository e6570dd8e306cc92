"""Progress of a run: a bar on a terminal, one plain line a shard otherwise."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from manifests.record import Record
from pipeline.cli.terminal import say
from pipeline.foreman import Progress, Selection
from pipeline.session import Session
from pipeline.stage import Stage


@contextmanager
def progress_of(session: Session, selection: Selection) -> Iterator[Progress]:
    """Yield what the foreman calls after each commit."""
    if not sys.stderr.isatty():
        yield _line
        return
    total = sum(
        not standing.settled
        for found in session.unfinished()
        for dossier in found
        for stage, standing in dossier.standings.items()
        if stage in selection.stages
    )
    with tqdm(total=total, unit="video", smoothing=0.1) as bar:

        def advance(stage: Stage[Any], shard: str, records: Sequence[Record]) -> None:
            bar.set_postfix_str(f"{stage.name} {shard}")
            bar.update(len(records))

        yield advance


def _line(stage: Stage[Any], shard: str, records: Sequence[Record]) -> None:
    failed = sum(not record.done for record in records)
    seconds = sum(record.seconds for record in records)
    say(f"{stage.name} {shard}: {len(records) - failed} done, {failed} failed, {seconds:.1f} s of work")

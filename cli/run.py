"""`run`: brings stages up to date, with a progress bar on a terminal and one plain line a shard otherwise."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from tqdm import tqdm

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import Flag, Workers, WorkspaceOption, say
from portrait_prep.errors import BadInput, NoNetwork
from portrait_prep.manifests.record import Record
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.declare.stage import Stage
from portrait_prep.pipeline.dry_run import DryRun
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.run.scheduler import Progress, RunCounts
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.pipeline.status.plan import Selection
from portrait_prep.stages.sources import here


def run(  # noqa: PLR0913 (one for each option)
    *stages: str,
    workspace: WorkspaceOption = Path(),
    workers: Workers = CORES,
    scheduler: str | None = None,
    retry_failed: Annotated[bool, Flag] = False,
    dry_run: Annotated[bool, Flag] = False,
    only: Annotated[tuple[str, ...] | None, Parameter(consume_multiple=True, negative=())] = None,
    local: Annotated[bool, Flag] = False,
    prune: Annotated[bool, Flag] = False,
) -> int:
    """Bring stages up to date: compute what is missing or stale, and nothing else.

    Interrupt it at any moment and run it again: at most the video that each worker was at is computed twice.

    Parameters
    ----------
    stages
        Stages to bring up to date, and the stages they need. Default: all.
    scheduler
        Address of a running dask scheduler (tcp://host:port) whose workers see the workspace.
    retry_failed
        Try videos again that failed before.
    dry_run
        Say what would be computed, and why; compute nothing.
    only
        Videos to work on, by id or pattern ('ann_*'). Default: all.
    local
        Videos whose source is here: nothing is downloaded.
    prune
        Delete what was made of videos that the catalogue no longer has, even of most. Of some it is deleted anyway.
    """
    if only == () or (only and local):
        raise BadInput("--only needs the id of at least one video, and goes without --local.")
    session = open_session(workspace)
    if local:
        only = tuple(video.video_id for video in here(session.workspace, session.videos))
        if not only:
            raise BadInput("No video of the catalogue has its source here: run without --local to download them.")
    selection = session.select(stages, only or (), retry_failed, prune)
    if dry_run:
        for line in DryRun(session, selection).lines():
            say(line)
        return 0
    if workers < 0:
        raise BadInput("--workers must be 0 (this process) or more.")
    return carry_out(session, selection, workers, scheduler)


def carry_out(session: Session, selection: Selection, workers: int, scheduler: str | None = None) -> int:
    """Run, and sum up. Exit code 1 when some video failed a stage, of those that were asked for.

    Raises NoNetwork, at the end, where videos wait for one.
    """
    with progress(session, selection) as advance:
        run_counts, status_counts = session.run(selection, workers, scheduler, advance)
    asked = [row for row in status_counts.failures if selection.covers(row["stage"], row["video_id"])]
    for line in summary(session, selection, run_counts, status_counts, asked):
        say(line)
    if run_counts.offline:
        raise NoNetwork(run_counts.offline)
    return 1 if asked else 0


def summary(
    session: Session,
    selection: Selection,
    run_counts: RunCounts,
    status_counts: StatusCounts,
    asked: Sequence[Mapping[str, Any]],
) -> list[str]:
    """What a run did, and what failed; `asked` are the failures of what was asked for."""
    computed = [
        f"{stage.name} {run_counts.computed[stage.name]}" for stage in session.stages if stage.name in selection.stages
    ]
    lines = [f"Computed (videos): {', '.join(computed)}."]
    if taken_over := run_counts.taken_over.total():
        lines.append(f"Taken over from an interrupted run: {taken_over}.")
    if status_counts.taken_out:
        lines.append(f"Taken out, since the catalogue no longer has them: {a_few(status_counts.taken_out)}.")
    lines += [f"{row['video_id']}: {row['stage']} failed: {row['message']}" for row in asked]
    if others := len(status_counts.failures) - len(asked):
        lines.append(f"Failed, but not asked for now: {others} ('portrait-prep list --failed' names all).")
    lines += [*status_counts.rejections(), status_counts.verdicts]
    return lines


@contextmanager
def progress(session: Session, selection: Selection) -> Iterator[Progress]:
    """Yield what the scheduler calls after each commit."""
    if not sys.stderr.isatty():
        yield _say_shard
        return
    total = sum(
        not status.settled
        for video_statuses in session.unfinished()
        for video_status in video_statuses
        for stage, status in video_status.statuses.items()
        if stage in selection.stages
    )
    with tqdm(total=total, unit="video", smoothing=0.1) as bar:

        def advance(stage: Stage[Any], shard: str, records: Sequence[Record], taken_over: int) -> None:
            bar.set_postfix_str(f"{stage.name} {shard}")
            bar.update(len(records) + taken_over)

        yield advance


def _say_shard(stage: Stage[Any], shard: str, records: Sequence[Record], taken_over: int) -> None:
    failed = sum(not record.done for record in records)
    seconds = sum(record.seconds for record in records)
    before = f", {taken_over} taken over" if taken_over else ""
    say(f"{stage.name} {shard}: {len(records) - failed} done, {failed} failed{before}, {seconds:.1f} s of work")

"""`segment`: finds in long recordings who is seen and speaks, when and where."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.run import progress
from portrait_prep.cli.terminal import Flag, Workers, WorkspaceOption, say
from portrait_prep.errors import BadInput, WorkspaceBusy
from portrait_prep.manifests.catalogue import write_catalogue
from portrait_prep.manifests.corpora import recordings as corpus
from portrait_prep.manifests.corpora import segments as kept
from portrait_prep.manifests.corpora.folder.catalogue import Listing, listed
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.add_videos import add_videos
from portrait_prep.pipeline.declare.workspace import RECORDINGS
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.run.scheduler import RunCounts
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.counts import StatusCounts
from portrait_prep.stages.recordings.joining import join
from portrait_prep.stages.recordings.overview import failures, has_recordings, recordings_of, whereabouts

EACH = "each"
"""The rule by which every file of a folder is a subject of its own."""


def segment(
    *,
    source: Path | None = None,
    workspace: WorkspaceOption = Path(),
    workers: Workers = CORES,
    retry_failed: Annotated[bool, Flag] = False,
) -> int:
    """Find who is seen and speaks in long recordings, when and where: segments.parquet.

    Interrupt it at any moment and run it again: it goes on, and computes only what is missing or stale.

    Parameters
    ----------
    source
        A folder of recordings, searched with the folders in it; what is new there is added. It is only ever read.
        Default: the recordings that are here already.
    retry_failed
        Try parts of recordings again that failed before.
    """
    if workers < 0:
        raise BadInput("--workers must be 0 (this process) or more.")
    session = open_session(workspace)
    if source is None and not has_recordings(session):
        raise BadInput(f"There are no recordings in {session.workspace.root}: name a folder of some by --source.")
    listing = None if source is None else listed(source, EACH)
    session.workspace.create()
    session.workspace.folder(RECORDINGS)
    for line in _added(session, listing) if listing else ():
        say(line)
    recordings = recordings_of(session)
    selection = recordings.select((), (), retry_failed, prune=_are_meant_to_go(recordings))
    with progress(recordings, selection) as advance:
        run_counts, status_counts = recordings.run(selection, workers, None, advance)
    with recordings.workspace.lock():
        segments, joined = join(recordings, workers)
    with suppress(WorkspaceBusy), session.held():  # sweeps away what a killed one left; a run does so itself
        pass
    for line in (*_summed_up(recordings, run_counts, status_counts, joined), *kept.summary(segments)):
        say(line)
    following = "init segments" if any(found.kept for found in segments) else "report"
    say(f"{session.workspace.segments}. Next: portrait-prep {following} -w {shell_word(str(workspace))}")
    return 1 if status_counts.failures else 0


def _added(session: Session, listing: Listing) -> Iterator[str]:
    """Take what is new in a folder into the catalogue of parts; what there is to say of it."""
    session.write_settings()
    _ = session.settings
    _take_out_surplus(recordings_of(session), listing)
    added = add_videos(recordings_of(session), lambda known: corpus.catalogue(listing, known), whole=False)
    yield from corpus.summary(listing, added.videos, added.changes.added)
    if out := sorted({str(removal.subject) for removal in added.changes.kept_out.values()}):
        names = " ".join(map(shell_word, out))
        yield (
            f"Kept out, since removed before: {a_few(out)}; to take them all the same: "
            f"portrait-prep remove --forget --recording {names}, then segment --source."
        )


def _take_out_surplus(recordings: Session, listing: Listing) -> None:
    """Of recordings that are shorter than they were."""
    if not recordings.workspace.catalogue.exists():
        return
    with recordings.held():
        known = recordings.videos
        surplus = corpus.surplus(known, corpus.catalogue(listing, known))
        if surplus:
            write_catalogue(recordings.workspace.catalogue, [part for part in known if part.video_id not in surplus])


def _are_meant_to_go(recordings: Session) -> bool:
    """Whether all parts that have results and no row are of recordings that have some: these are shorter now."""
    names = {part.subject for part in recordings.videos}
    return all(corpus.recording_of(part_id) in names for part_id in recordings.pruning().gone)


def _summed_up(
    recordings: Session, run_counts: RunCounts, status_counts: StatusCounts, joined: Sequence[str]
) -> Iterator[str]:
    computed = [f"{stage.name} {run_counts.computed[stage.name]}" for stage in recordings.stages]
    yield f"Computed (parts): {', '.join(computed)}; recordings joined: {len(joined)}."
    if taken_over := run_counts.taken_over.total():
        yield f"Taken over from an interrupted run: {taken_over}."
    if status_counts.taken_out:
        yield f"Taken out, since they are no longer there: {a_few(status_counts.taken_out)}."
    yield from failures(recordings, status_counts)
    yield from whereabouts(recordings)

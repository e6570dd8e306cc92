"""`audit`: checks every claim of a workspace and changes nothing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Flag, Workers, WorkspaceOption, say, say_json
from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.auditing.audit import Audit, Finding, Sample
from portrait_prep.pipeline.declare.remedy import Remedy
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.recordings.checking import by_segment, relocated, segment_findings
from portrait_prep.stages.recordings.overview import has_recordings, recordings_of


def audit(
    *,
    workspace: WorkspaceOption = Path(),
    deep: Annotated[bool, Flag] = False,
    sample: int = 0,
    seed: int = 0,
    workers: Workers = CORES,
    json_: AsJson = False,
) -> int:
    """Check every claim of the workspace. Prints one line a finding, then what mends them; exit code 1 if there is one.

    Parameters
    ----------
    deep
        Read the sources again too, decode the media, and compute the statistics again.
    sample
        Recompute this many videos, drawn at random, from their sources, and compare them with the shards.
    seed
        Another number draws other videos.
    """
    if sample < 0 or workers < 0:
        raise BadInput("--sample and --workers must be 0 or more.")
    session = open_session(workspace)
    drawn = Sample(sample, seed, workers) if sample else None
    with ExitStack() as held:
        checked = _checked(session, deep, drawn, workers, held)
        findings = list(_each(checked, silent=json_))
    if json_:
        say_json([finding.to_json(session.workspace.root) for finding in findings])
    else:
        for line in _summed_up(findings, session.workspace.root):
            say(line)
    return 1 if findings else 0


def _checked(session: Session, deep: bool, drawn: Sample | None, workers: int, held: ExitStack) -> Iterator[Finding]:
    """What is found of the videos and of the recordings; each of the two that there is is `held` where need be."""
    recordings = recordings_of(session) if has_recordings(session) else None
    for part in (session, recordings):
        if part:
            part.workspace.require_idle()
            if deep or drawn:
                held.enter_context(part.workspace.lock())
    audit = Audit(session, deep, drawn, workers)
    if session.workspace.catalogue.exists() or not recordings:
        yield from audit.findings()
    else:  # no videos yet, and no run
        yield from map(by_segment, audit.strays(()))
    if recordings:
        for finding in Audit(recordings, deep, drawn, workers).findings():
            yield relocated(finding, recordings.workspace.root.name)
        yield from segment_findings(recordings, deep)


def _each(findings: Iterable[Finding], silent: bool) -> Iterator[Finding]:
    """Print them as they come: an audit of a large corpus takes its time."""
    for finding in findings:
        if not silent:
            say(finding.line())
        yield finding


def _summed_up(findings: Sequence[Finding], root: Path) -> Iterator[str]:
    """How many there are, and the commands that mend them, each once: what goes first, then the run."""
    if not findings:
        yield "Nothing found: every claim holds."
        return
    yield f"{counted(len(findings), 'finding')}."
    remedies = [finding.remedy for finding in findings]
    endings = dict.fromkeys(remedy.by for remedy in remedies)
    commands = [command for by in endings for command in _commands(remedies, by, root)]
    if commands:
        yield "Commands that mend it:" if len(findings) == 1 else "Commands that mend them:"
        yield from (f"    {command}" for command in commands)
    if by_hand := sum(not remedy.commands(root) for remedy in remedies):
        yield f"{by_hand} {'has' if by_hand == 1 else 'have'} no automatic fix; see above."


def _commands(remedies: Sequence[Remedy], by: str, root: Path) -> list[str]:
    """Of the remedies that end in one command: what goes, each once, then that."""
    own = [remedy for remedy in remedies if remedy.by == by]
    delete, absent = (
        tuple(dict.fromkeys(name for names in each for name in names))
        for each in ([remedy.delete for remedy in own], [remedy.absent for remedy in own])
    )
    return Remedy("", delete, any(remedy.run for remedy in own), by, absent).commands(root)

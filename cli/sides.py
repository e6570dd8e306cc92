"""`sides`: does each speaker of an IEMOCAP dialog sit in the half of the picture that the catalogue says?"""

import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Workers, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import Video, path_of
from portrait_prep.pipeline.run.executor import Executor, WorkerDied, open_executor
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.speaker_side.dialogs import Dialog, Outcome, Verdict, Vote, dialogs, look_at

CORPUS = "iemocap"

WRONG_WAY_ROUND = 0.8
"""Share of the determined dialogs that must disagree for the setting, not single dialogs, to be blamed."""


def sides(
    *, utterances: int = 6, workspace: WorkspaceOption = Path(), workers: Workers = CORES, json_: AsJson = False
) -> int:
    """Check with mouths and sound that the speakers of IEMOCAP's dialogs sit where the catalogue says.

    Exit code 1 when a dialog disagrees. Where it cannot be told, that is said and nothing is guessed.

    Parameters
    ----------
    utterances
        How many of each dialog to look at, of its speakers in turn.
    """
    if utterances < 1:
        raise BadInput("--utterances must be 1 or more.")
    if workers < 0:
        raise BadInput("--workers must be 0 (this process) or more.")
    session = open_session(workspace)
    found = dialogs(_utterances(session), utterances)
    session.workspace.logs.mkdir(exist_ok=True)
    with open_executor(workers, None, session.workspace.logs / "workers.log") as executor:
        outcomes = list(_told(_looked_at(executor, session.workspace.root, found), len(found), silent=json_))
    counts = {verdict: sum(outcome.verdict == verdict for outcome in outcomes) for verdict in get_args(Verdict)}
    if json_:
        say(json.dumps({"dialogs": [_to_json(outcome) for outcome in outcomes], "totals": counts}, indent=1))
    else:
        for line in summary(**counts):
            say(line)
    return 1 if counts["disagrees"] else 0


def _utterances(session: Session) -> list[Video]:
    """IEMOCAP's rows of the catalogue. Raises BadInput when there are none, or none of their dialogs is there."""
    root = session.workspace.root
    found = [video for video in session.videos if video.corpus == CORPUS and video.worked_on]
    if not found:
        raise BadInput(
            f"{root} has no dialogs of IEMOCAP to look at: make a workspace with 'portrait-prep init iemocap' first."
        )
    if not any((root / path_of(source)).is_file() for source in {video.source for video in found}):
        raise BadInput(f"{found[0].source} and all other dialogs are not there: bring them back (is a disk mounted?).")
    return found


def _looked_at(executor: Executor, root: Path, found: Sequence[Dialog]) -> Iterator[Outcome]:
    """The outcomes in order, while the executor is kept busy."""
    under_way: deque[tuple[Dialog, Any]] = deque()
    for dialog in found:
        under_way.append((dialog, executor.submit(look_at, root, dialog)))
        if len(under_way) > 2 * executor.size:
            yield _outcome(executor, *under_way.popleft())
    while under_way:
        yield _outcome(executor, *under_way.popleft())


def _outcome(executor: Executor, dialog: Dialog, future: Any) -> Outcome:
    try:
        outcome: Outcome = executor.result(future)
    except WorkerDied:
        return Outcome(dialog.source, trouble="ends the process that looks at it")
    return outcome


def _told(outcomes: Iterator[Outcome], total: int, silent: bool) -> Iterator[Outcome]:
    """Pass them on; a bar and those that disagree on a terminal, one plain line a dialog otherwise."""
    terminal = sys.stderr.isatty()
    for outcome in tqdm(outcomes, total=total, unit="dialog", disable=not terminal):
        if not silent and (outcome.verdict == "disagrees" or not terminal):
            with tqdm.external_write_mode():
                say(_line(outcome))
        yield outcome


def _line(outcome: Outcome) -> str:
    name = path_of(outcome.source).name
    if outcome.trouble:
        return f"{name}: undetermined; it {outcome.trouble}"
    pro, contra = outcome.count("agrees"), outcome.count("disagrees")
    return f"{name}: {outcome.verdict} ({pro} of {len(outcome.votes)} utterances for the catalogue, {contra} against)"


def summary(agrees: int, disagrees: int, undetermined: int) -> Iterator[str]:
    """Totals, and what to do."""
    yield f"Dialogs: {agrees} agree with the catalogue, {disagrees} disagree, {undetermined} undetermined."
    if not agrees + disagrees:
        yield "Nothing could be told; --json says why, utterance by utterance."
    elif disagrees >= WRONG_WAY_ROUND * (agrees + disagrees):
        yield (
            "The sides are the wrong way round: run 'portrait-prep init iemocap' again with --marker-side right "
            "(left, if right is what you gave)."
        )
    elif disagrees:
        yield "Look at the dialogs that disagree, and leave their videos out where the picture shows the other person."


def _to_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "source": outcome.source,
        "verdict": outcome.verdict,
        "trouble": outcome.trouble,
        "utterances": [_vote_to_json(vote) for vote in outcome.votes],
    }


def _vote_to_json(vote: Vote) -> dict[str, Any]:
    told = vote.speaking
    return {
        "video_id": vote.stretch.video.video_id,
        "start": round(vote.stretch.start, 3),
        "end": round(vote.stretch.end, 3),
        "claimed": vote.claim,
        "speaks": told.side or "undetermined",
        "why": told.why,
        "verdict": vote.verdict,
        "activity": [None if value is None else round(value, 5) for value in told.activity],
        "faces": [round(value, 3) for value in told.faces],
        "voice": round(told.voice, 2),
    }

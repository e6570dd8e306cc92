"""`sides`: does each speaker of an IEMOCAP dialog sit in the half of the picture that the catalogue says?"""

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from tqdm import tqdm

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Workers, WorkspaceOption, say, say_json
from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import Video, path_of
from portrait_prep.pipeline.run.executor import Executor, WorkerDied
from portrait_prep.pipeline.run.opening import open_executor
from portrait_prep.pipeline.run.process import CORES
from portrait_prep.pipeline.session import Session
from portrait_prep.stages.speaker_side.dialogs import Agreement, Dialog, DialogCheck, Vote, check_dialog, dialogs

CORPUS = "iemocap"

WRONG_WAY_ROUND = 0.8
"""Share of the determined dialogs that must disagree for the setting, not single dialogs, to be blamed."""


def sides(
    *, utterances: int = 6, workspace: WorkspaceOption = Path(), workers: Workers = CORES, json_: AsJson = False
) -> int:
    """Check that IEMOCAP's videos show the person who is speaking, by mouths and sound.

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
    to_check = dialogs(_utterances(session), utterances)
    with open_executor(workers, None, session.workspace.log("workers.log")) as executor:
        checks = list(_reported(_checked(executor, session.workspace.root, to_check), len(to_check), silent=json_))
    counts = {agreement: sum(check.agreement == agreement for check in checks) for agreement in get_args(Agreement)}
    if json_:
        say_json({"dialogs": [_to_json(check) for check in checks], "totals": counts})
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


def _checked(executor: Executor, root: Path, to_check: Sequence[Dialog]) -> Iterator[DialogCheck]:
    """The checks of the dialogs, in order, while the executor is kept busy."""
    under_way: deque[tuple[Dialog, Any]] = deque()
    for dialog in to_check:
        under_way.append((dialog, executor.submit(check_dialog, root, dialog)))
        if len(under_way) > 2 * executor.size:
            yield _result(executor, *under_way.popleft())
    while under_way:
        yield _result(executor, *under_way.popleft())


def _result(executor: Executor, dialog: Dialog, future: Any) -> DialogCheck:
    try:
        check: DialogCheck = executor.result(future)
    except WorkerDied:
        return DialogCheck(dialog.source, trouble="ends the process that looks at it")
    return check


def _reported(checks: Iterator[DialogCheck], total: int, silent: bool) -> Iterator[DialogCheck]:
    """Pass them on; a bar and those that disagree on a terminal, one plain line a dialog otherwise."""
    terminal = sys.stderr.isatty()
    for check in tqdm(checks, total=total, unit="dialog", disable=not terminal):
        if not silent and (check.agreement == "disagrees" or not terminal):
            with tqdm.external_write_mode():
                say(_line(check))
        yield check


def _line(check: DialogCheck) -> str:
    name = path_of(check.source).name
    if check.trouble:
        return f"{name}: undetermined; it {check.trouble}"
    pro, contra = check.count("agrees"), check.count("disagrees")
    return f"{name}: {check.agreement} ({pro} of {len(check.votes)} utterances for the catalogue, {contra} against)"


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


def _to_json(check: DialogCheck) -> dict[str, Any]:
    return {
        "source": check.source,
        "verdict": check.agreement,
        "trouble": check.trouble,
        "utterances": [_vote_to_json(vote) for vote in check.votes],
    }


def _vote_to_json(vote: Vote) -> dict[str, Any]:
    speaking = vote.speaking
    return {
        "video_id": vote.excerpt.video.video_id,
        "start": round(vote.excerpt.start, 3),
        "end": round(vote.excerpt.end, 3),
        "claimed": vote.claim,
        "speaks": speaking.side or "undetermined",
        "why": speaking.why,
        "verdict": vote.agreement,
        "activity": [None if value is None else round(value, 5) for value in speaking.activity],
        "faces": [round(value, 3) for value in speaking.faces],
        "voice": round(speaking.voice, 2),
    }

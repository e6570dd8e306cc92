"""`sync`: brings sounds into step with the lips, by the lag that was measured."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Flag, Many, WorkspaceOption, say, say_json
from portrait_prep.errors import BadInput
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.wording import a_few, counted
from portrait_prep.media.picture import FPS
from portrait_prep.pipeline import shifting
from portrait_prep.pipeline.shifting import Found, Measure, Shift
from portrait_prep.stages import stats
from portrait_prep.stages.sound import lip_sync

LAG = Measure(stats.STAGE.name, "lag", seconds=1 / FPS, error=lip_sync.ERROR)


def sync(
    *,
    apply: Annotated[bool, Flag] = False,
    forget: Annotated[bool, Flag] = False,
    only: Annotated[tuple[str, ...] | None, Many] = None,
    json_: AsJson = False,
    workspace: WorkspaceOption = Path(),
) -> int:
    """List the videos of which it is known how far lips and voice are apart, and the shift that brings them into step.

    With --apply the shifts are written into the catalogue; the next run moves the sound, and measures what is left.
    Without it nothing is written. A lag of one frame is left alone: the measure is no better.

    Parameters
    ----------
    apply
        Write the shifts.
    forget
        Take back the shifts that were written: the next run puts the sound where the source has it.
    only
        Videos to look at, by id or pattern ('ann_*'). Default: all.
    """
    if only == ():
        raise BadInput("--only needs the id of at least one video.")
    if forget and (apply or json_):
        raise BadInput("--forget goes without --apply and --json.")
    session, root = open_session(workspace), shell_word(str(workspace))
    chosen = session.named(only or ())
    if forget:
        lines = _taken_back(shifting.forget(session, chosen), root)
    else:
        found = (shifting.shift if apply else shifting.find)(session, LAG, chosen)
        if json_:
            say_json([_to_json(one) for one in found.shifts])
            return 0
        lines = _text(found, apply, root)
    for line in lines:
        say(line)
    return 0


def _taken_back(videos: Sequence[str], root: str) -> Iterator[str]:
    if videos:
        yield f"Taken back: sound_shift of {a_few(videos)}. To move the sound back: portrait-prep run -w {root}"
    else:
        yield "No sound is shifted."


def _to_json(one: Shift) -> dict[str, Any]:
    return {
        "video_id": one.video_id,
        "lag_frames": one.lag,
        "lag_ms": _milliseconds(one.lag * LAG.seconds),
        "sound_shift": one.before,
        "new_sound_shift": one.after,
    }


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _text(found: Found, applied: bool, root: str) -> Iterator[str]:
    """A line a video, then how many there are of each kind, and what to do next."""
    width = max((len(one.video_id) for one in found.shifts), default=0) + 2
    if found.shifts:
        yield f"{'video':<{width}}{'mouth after voice':>22}{'sound shifted':>16}{'new shift':>12}"
    for one in found.shifts:
        lag = f"{counted(int(one.lag), 'frame')}, {_milliseconds(one.lag * LAG.seconds)} ms"
        after = f"{one.after or 0:.3f} s" if one.changes else "in step"
        yield f"{one.video_id:<{width}}{lag:>22}{f'{one.before or 0:.3f} s':>16}{after:>12}"
    changes = list(found.changes)
    yield f"{counted(len(found.shifts), 'lag')} known, {len(found.shifts) - len(changes)} of them in step to a frame."
    if found.undetermined:
        yield f"Undetermined, and left alone: {a_few(found.undetermined)}."
    if found.unmeasured:
        yield f"Not measured as they are now: {a_few(found.unmeasured)}. First: portrait-prep run -w {root}"
    if found.failed:
        yield f"Failed, and so not measured: {a_few(found.failed)}. Why: portrait-prep status -w {root}"
    if changes and applied:
        yield f"Written: sound_shift of {a_few(changes)}. To move the sound: portrait-prep run -w {root}"
    elif changes:
        yield f"To shift: {a_few(changes)}. Nothing is written yet: add --apply."

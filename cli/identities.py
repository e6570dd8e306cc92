"""`identities`: do subjects hold one person each, by what the stage `identity` made of the faces?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, WorkspaceOption, say, say_json
from portrait_prep.manifests.wording import a_few, counted
from portrait_prep.stages.identity import STAGE
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.visual.identities import Identities, compare, known

FEW = 20
"""Lines of a kind, beyond which only how many there are is told."""


def identities(*, workspace: WorkspaceOption = Path(), json_: AsJson = False) -> int:
    """Say which subjects seem to hold different people, which two seem to be one, and which videos change people.

    Of accepted videos, by the stage 'identity'. No video is rejected for it: look at them, and then use 'assign'. Exit
    code 1 when there is something to look at.
    """
    session = open_session(workspace)
    session.select([STAGE.name], (), retry_failed=False)  # refused where it is off
    reader = Reader(workspace, stages=[STAGE.name])
    found = compare(known(reader))
    if json_:
        say_json(_to_json(found))
    else:
        for line in _text(found, reader):
            say(line)
    return int(found.any)


def _text(found: Identities, reader: Reader) -> Iterator[str]:
    for lines in (_mixed(found), _alike(found), _changing(found)):
        yield from lines[:FEW]
        if len(lines) > FEW:
            yield f"… and {len(lines) - FEW} more: --json tells all."
    for reason, ids in reader.left_out.items():
        yield f"left out, {reason}: {a_few(ids)}"
    subjects = {footage.video.subject for footage in reader.videos}
    yield (
        f"{counted(len(reader), 'video')} of {counted(len(subjects), 'subject')} compared: "
        f"{counted(len(found.mixed), 'subject', 'holds', 'hold')} different people, "
        f"{counted(len(found.alike), 'pair')} of subjects look alike, "
        f"{counted(len(found.changing), 'video', 'changes', 'change')} people."
    )


def _mixed(found: Identities) -> list[str]:
    return [
        f"{subject}: {len(people)} people? Videos of each: {', '.join(map(a_few, people))}"
        for subject, people in found.mixed.items()
    ]


def _alike(found: Identities) -> list[str]:
    return [f"{one} and {other}: one person? Cosine {cosine:.2f}" for one, other, cosine in found.alike]


def _changing(found: Identities) -> list[str]:
    return [f"{video_id}: several people? Its faces are not alike" for video_id in found.changing]


def _to_json(found: Identities) -> dict[str, Any]:
    return {
        "mixed": found.mixed,
        "alike": [{"subjects": [one, other], "cosine": cosine} for one, other, cosine in found.alike],
        "changing": found.changing,
    }

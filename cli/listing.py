"""`list`: one line a video, as text, JSON or CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from itertools import chain
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import AsJson, Flag, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.printing import printable, printable_json
from portrait_prep.manifests.wording import counted
from portrait_prep.pipeline.listing import Listed, Wish, listed
from portrait_prep.pipeline.reassigning import split_hint
from portrait_prep.pipeline.status.result import Result
from portrait_prep.stages.recordings import overview

COLUMNS = [field.name for field in fields(Listed)]


def list_(  # noqa: PLR0913 (one for each option)
    *,
    workspace: WorkspaceOption = Path(),
    accepted: Annotated[bool, Flag] = False,
    rejected: Annotated[bool, Flag] = False,
    failed: Annotated[bool, Flag] = False,
    stage: str | None = None,
    subject: str | None = None,
    split: str | None = None,
    json_: AsJson = False,
    csv_: Annotated[bool, Parameter(name="--csv", negative=(), help="Print CSV.")] = False,
) -> int:
    """List videos: what became of each, where it stands, and why.

    Parameters
    ----------
    accepted
        Those that may be trained on.
    rejected
        Those that went through all stages, and that a rule or a person is against.
    failed
        Those that failed a stage; with --stage, that one.
    stage
        Tell where each video stands at this stage. Default: the first that is not done.
    subject
        Videos of this subject.
    split
        Videos of this split.
    """
    asked = {Result.ACCEPTED: accepted, Result.REJECTED: rejected, Result.FAILED: failed}
    results = [result for result, wanted in asked.items() if wanted]
    if len(results) > 1 or (json_ and csv_):
        raise BadInput("Of --accepted, --rejected and --failed, and of --json and --csv, one can be given at a time.")
    session = open_session(workspace)
    found = listed(session, Wish(results[0] if results else None, stage, subject, split))
    written: Callable[[Iterable[Listed]], Iterator[str]] = _json if json_ else _csv if csv_ else _text
    hints = () if json_ or csv_ else chain(split_hint(session.videos, workspace), overview.lines(session))
    for line in chain(written(found), hints):
        say(line)
    return 0


def _text(found: Iterable[Listed]) -> Iterator[str]:
    """Id, result, where it stands, and why; then how many there are."""
    count = 0
    for one in found:
        count += 1
        yield f"{one.video_id:<32} {one.result:<11}{one.stage} {one.state:<9}{'; '.join(one.reasons)}".rstrip()
    yield f"{counted(count, 'video')}."


def _json(found: Iterable[Listed]) -> Iterator[str]:
    """A list, a video a line: each is printed when it is known."""
    before = "["
    for one in found:
        yield before + " ".join(printable_json(asdict(one)).split("\n"))
        before = ","
    yield "]" if before == "," else "[]"


def _csv(found: Iterable[Listed]) -> Iterator[str]:
    """RFC 4180 with a head; reasons are joined by '; '."""
    yield ",".join(COLUMNS)
    for one in found:
        line = io.StringIO()
        values = asdict(one) | {"reasons": "; ".join(one.reasons)}
        csv.writer(line, lineterminator="").writerow([printable(value) for value in values.values()])
        yield line.getvalue()

"""What the `init` commands share: which videos to take, and to tell what became of them."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from manifests.catalogue import Video
from manifests.choice import Choice, Filter
from pipeline.cli.opening import open_session
from pipeline.cli.terminal import Many, say
from pipeline.enrol import Find, enrol


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options by which videos of any corpus are chosen."""

    only: Annotated[tuple[str, ...] | None, Many] = None
    """Take only these videos, by their ids."""
    subject: Annotated[tuple[str, ...] | None, Many] = None
    """Take only the videos of these subjects, as the catalogue names them."""
    limit: int | None = None
    """Take only the first so many of what is asked for."""

    def choice(self, *further: Filter) -> Choice:
        """The videos that pass these and the `further` filters."""
        return Choice(
            (Filter("--only", "video_id", self.only), Filter("--subject", "subject", self.subject), *further),
            self.limit,
        )


ALL = Wanted()


def take_in(
    workspace: Path,
    find: Find,
    choice: Choice,
    told: Callable[[Sequence[Video]], Sequence[str]] = lambda _: (),
    whole: bool = True,
) -> int:
    """Enrol what is chosen of a corpus (see `enrol`), and say what there is to say of it."""
    session = open_session(workspace)
    enrolment = enrol(session, find, choice, whole)
    for line in (*enrolment.lines(), *told(enrolment.chosen)):
        say(line)
    say(f"Settings: {session.workspace.settings}. Next: portrait-prep run -w {shlex.quote(str(workspace))}")
    return 0

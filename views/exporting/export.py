"""What an export is, and the one way in which all of them are written.

An export declares its options, the columns that it reads, and how it makes a plan of the chosen videos: parts, each a
file or folder that is written whole and alone. `write_export` does the rest: the choice of videos, what is said of
those that are left out, going on with what was broken off, and the final names.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from portrait_prep.manifests.catalogue import Catalogue, read_catalogue
from portrait_prep.manifests.choice import Filter
from portrait_prep.manifests.wording import a_few
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.order import STAGES
from portrait_prep.views.exporting.filling import Target, filling
from portrait_prep.views.reading.reader import Reader
from portrait_prep.views.reading.selection import Wish


class Options(BaseModel):
    """Base of an export's options; each field has a default and a description: it is an option of the command."""

    model_config = ConfigDict(frozen=True, extra="forbid")


O = TypeVar("O", bound=Options)  # noqa: E741 (of options)


@dataclass(frozen=True)
class Part:
    """A file or folder of an export, by its path within it; `write` makes all of it. `line`: what is said of it."""

    name: str
    write: Callable[[Path], None]
    line: str


@dataclass(frozen=True)
class Plan:
    """What an export of some videos consists of.

    `left_out`: a line for each thing that the system would not take. `summary`: of all, for the last line. `close` gets
    the folder with all parts, and the path that it will have, and adds what tells of all of them. `made_of`: the digest
    of what the parts are made of beside the videos and the options.
    """

    parts: Sequence[Part]
    summary: str
    left_out: Sequence[str] = ()
    close: Callable[[Path, Path], None] = lambda *_: None
    made_of: str = ""


@dataclass(frozen=True)
class Export(Generic[O]):
    """One way to hand a workspace over. `name` is that of the command, `help` what it does, `target` where to.

    `columns` are read of each video, which must be done at their stages and at `stages`; `wishes` choose videos, as
    `views.reading.selection.select` takes them. `plan` may raise BadInput, when nothing can be made of the videos.
    `reader`: `Reader`, or what is made as it is and has better words for what lacks.
    """

    name: str
    help: str
    options: type[O]
    columns: Callable[[O], Iterable[str]]
    plan: Callable[[Reader, O], Plan]
    target: str = "Where to: a folder that is empty or not there yet. It is filled whole or not at all."
    stages: tuple[str, ...] = ()
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    is_file: bool = False
    reader: Callable[..., Reader] = Reader


@dataclass(frozen=True)
class Choice:
    """Which videos to export: of these ids (or patterns), splits and subjects; `rejected`: those, too."""

    only: Sequence[str] | None = None
    split: Sequence[str] | None = None
    subject: Sequence[str] | None = None
    rejected: bool = False

    def wishes(self, videos: Catalogue) -> dict[str, Any]:
        """As `Reader` takes them. Raises BadInput for a value that no row has, and where an option has none."""
        ids = self.only and videos.named(self.only)
        asked = {"only": ("video_id", ids), "split": ("split", self.split), "subject": ("subject", self.subject)}
        for option, (name, values) in asked.items():
            Filter(f"--{option}", name, values).check(videos)
        chosen = {name: set(values) for name, values in asked.values() if values is not None}
        return {"accepted": None if self.rejected else True, **chosen}


EVERYTHING = Choice()


def write_export(
    export: Export[O],
    workspace: Path | str,
    target: Path,
    options: O | None = None,
    choice: Choice = EVERYTHING,
    watch: Callable[[Sequence[Part]], Iterable[Part]] = iter,
) -> list[str]:
    """Write an export, whole or not at all; return what there is to say of it, line by line.

    `watch` passes the parts on, and learns so which are done. Broken off, an export leaves the parts that are whole in
    a folder `.unfinished`, and the same call goes on from there. Raises BadInput when nothing is chosen, nothing can be
    made of it, or the target is not free or among the workspace's own files.
    """
    options = options or export.options()
    wishes = {**choice.wishes(read_catalogue(Workspace(Path(workspace)).catalogue)), **export.wishes}
    place = Target(target, export.is_file)
    Workspace(Path(workspace)).require_apart(target, (stage.name for stage in STAGES))
    reader = export.reader(workspace, export.columns(options), stages=export.stages, **wishes)
    plan = export.plan(reader, options)
    with filling(place, _digest(export, options, reader, plan.made_of)) as unfinished:
        for part in watch(plan.parts):
            if not unfinished.has(part.name):
                unfinished.write(part.name, part.write)
        if not unfinished.complete:
            plan.close(unfinished.done, target.absolute())
    return [*plan.left_out, *_left_out(reader), f"{target}: {plan.summary}."]


def _digest(export: Export[O], options: O, reader: Reader, made_of: str) -> str:
    """Of all that the files are made from: what was made by another version, or of other values, is made again."""
    digest = hashlib.sha256(f"{version('portrait-prep')} {export.name} {options.model_dump_json()} {made_of}".encode())
    for footage in reader.videos:
        known = footage.video.model_dump(mode="json"), footage.accepted, footage.gaps, sorted(footage.digests.items())
        digest.update(json.dumps(known).encode())
    return digest.hexdigest()


def _left_out(reader: Reader) -> list[str]:
    return [f"left out, {reason}: {a_few(ids)}" for reason, ids in reader.left_out.items()]

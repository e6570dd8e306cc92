"""`export`: a workspace as files that other programs read. One command a system."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from tqdm import tqdm

from portrait_prep.cli.terminal import Flag, Many, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.plain_files import lies_inside
from portrait_prep.views.dh_live.mouth_pca import COEFFICIENTS, COLUMNS, MouthPca, fit
from portrait_prep.views.exporting.export import Choice, Export, Part, write_export
from portrait_prep.views.exports import EXPORTS
from portrait_prep.views.reading.reader import Reader

ENDING = ".npz"
"""Of a file that may lie in a workspace beside its own, which are read under their names."""


@Parameter(name="*")
@dataclass(frozen=True)
class Chosen(Choice):
    """The options that say which videos, of every export."""

    only: Annotated[tuple[str, ...] | None, Many, Parameter(help="Videos, by id or pattern ('ann_*').")] = None
    split: Annotated[tuple[str, ...] | None, Many, Parameter(help="Videos of these splits.")] = None
    subject: Annotated[tuple[str, ...] | None, Many, Parameter(help="Videos of these subjects.")] = None
    rejected: Annotated[bool, Flag, Parameter(help="Rejected videos, too.")] = False


EVERYTHING = Chosen()


def _command(one: Export[Any]) -> Callable[..., int]:
    """The command of an export: where to, which videos, and its own options."""

    def command(target: Path, *, options: Any, choice: Chosen = EVERYTHING, workspace: WorkspaceOption = Path()) -> int:
        for line in write_export(one, workspace, target, options, choice, _watched):
            say(line)
        return 0

    command.__doc__ = f"{one.help}\n\nParameters\n----------\ntarget\n    {one.target}\n"
    command.__annotations__["options"] = Annotated[
        one.options,
        Parameter(name="*", negative=(), consume_multiple=True, show=bool(one.options.model_fields)),
    ]
    command.__kwdefaults__ = {**(command.__kwdefaults__ or {}), "options": one.options()}
    return command


def _watched(parts: Sequence[Part]) -> Iterator[Part]:
    """A bar on a terminal, else a line for each part that is done."""
    terminal = sys.stderr.isatty()
    for part in tqdm(parts, unit="part", disable=not terminal):
        yield part
        if not terminal:
            say(part.line)


def mouth_pca(
    file: Path,
    *,
    frames: Annotated[int, Parameter(help="About this many frames are looked at, evenly spread.")] = 20_000,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Fit a PCA to pictures of the mouths of all accepted videos. Fit again when videos come in.

    Parameters
    ----------
    file
        Where to write it: an .npz of plain arrays, of all accepted videos. One that is there is replaced, but no other
        file.
    """
    if frames < 1:
        raise BadInput(f"--frames must be positive, not {frames}.")
    _check(file, workspace)
    reader = Reader(workspace, COLUMNS)
    with tqdm(total=len(reader), unit="video", disable=not sys.stderr.isatty()) as bar:
        analysis = fit(reader, frames, lambda _: bar.update())
    analysis.save(file)
    share = analysis.ratio[:COEFFICIENTS].sum()
    say(
        f"{file}: {COEFFICIENTS} numbers hold {share:.0%} of what moves in the mouths of {len(analysis.videos)} videos."
    )
    return 0


def _check(file: Path, workspace: Path) -> None:
    """Raise BadInput unless the file is an earlier analysis, or not there and no name that the workspace reads."""
    if file.is_dir():
        raise BadInput(f"{file} is a folder: name a file, {file / 'mouth.npz'} for one.")
    if lies_inside(file, workspace) and file.suffix != ENDING:
        raise BadInput(f"{file} could be taken for a file of the workspace: name one that ends in {ENDING}.")
    if file.exists():
        try:
            MouthPca.load(file)
        except BadInput as error:
            raise BadInput(f"{file} is there already and no mouth PCA: name another file.") from error


export = App(name="export", help="Write the files that a training system's own code reads.")
for each in EXPORTS:
    export.command(_command(each), name=each.name, help=each.help)
export.command(mouth_pca, name="mouth-pca", help="Fit the PCA whose coefficients DH_live's LSTM is trained on.")

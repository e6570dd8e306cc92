"""`export`: a workspace as files that other programs read. One command a system."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from tqdm import tqdm

from portrait_prep.cli.terminal import Flag, Many, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.catalogue import read_catalogue
from portrait_prep.manifests.choice import Filter
from portrait_prep.manifests.plain_files import lies_inside
from portrait_prep.media.frames import FPS
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.views.dh_live.mouth_pca import COEFFICIENTS, COLUMNS, MouthPca, fit
from portrait_prep.views.moda.export import LEAST, Exported, export_moda
from portrait_prep.views.moda.targets import Targets
from portrait_prep.views.reading.reader import Reader

ENDING = ".npz"
"""Of a file that may lie in a workspace beside its own, which are read under their names."""


def moda(
    folder: Path,
    *,
    workspace: WorkspaceOption = Path(),
    order: Literal["XYZ", "xyz"] = "XYZ",
    unsmoothed: Annotated[bool, Flag] = False,
    trim: Annotated[bool, Flag] = False,
    only: Annotated[tuple[str, ...] | None, Many] = None,
) -> int:
    """Write accepted videos in the folder layout that MODA's own loader reads; load it with '--FPS 25'.

    Parameters
    ----------
    folder
        Where to: a folder that is empty or not there yet. It is filled whole or not at all.
    order
        Of the angles, in which the head's rotation is taken off: XYZ leaves faces upright; xyz is what MODA's scripts
        use, and its released weights know.
    unsmoothed
        Faces as the network gave them, frame by frame, not smoothed as configured.
    trim
        Cut up to 199 frames off the end of each clip, so that the loader's index, which else points past the ends of
        clips, is right.
    only
        These videos.
    """
    Filter("--only", "video_id", only).check(read_catalogue(Workspace(workspace).catalogue))
    exported = export_moda(
        workspace,
        folder,
        Targets(centre="clip", order=order, unsmoothed=unsmoothed),
        trim=trim,
        told=lambda clip: say(f"{clip.name}: {clip.window.frames} frames"),
        **({"video_id": only} if only else {}),
    )
    for name, frames in exported.left_out.items():
        say(f"{name}: left out, {frames} frames; the loader takes nothing from less than {LEAST}")
    say(_summary(exported, folder))
    return 0


def _summary(exported: Exported, folder: Path) -> str:
    listed = [sum(clip.list_file == name for clip in exported.clips) for name in ("train.txt", "test.txt")]
    written = f"{listed[0]} clips in train.txt, {listed[1]} in test.txt, {exported.frames / FPS / 3600:.2f} h"
    return f"{folder}: {written}; {len(exported.left_out)} left out."


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


export = App(name="export", help="Write the files that a training system's own loader reads.")
export.command(moda, name="moda", help="Write accepted videos in the folder layout that MODA's own loader reads.")
export.command(mouth_pca, name="mouth-pca", help="Fit the PCA whose coefficients DH_live's LSTM is trained on.")

"""`export mouth-pca`: the look of the mouths of a workspace as a few numbers, for the view dh_live."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from tqdm import tqdm

from manifests.errors import BadInput
from pipeline.cli.terminal import WorkspaceOption, say
from views.dh_live.mouth_pca import COEFFICIENTS, COLUMNS, MouthPca, fit
from views.reading.reader import Reader


def mouth_pca(
    file: Path,
    *,
    frames: Annotated[int, Parameter(help="About so many frames are looked at, evenly spread.")] = 20_000,
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
    _check(file)
    reader = Reader(workspace, COLUMNS)
    with tqdm(total=len(reader), unit="video", disable=not sys.stderr.isatty()) as bar:
        analysis = fit(reader, frames, lambda _: bar.update())
    analysis.save(file)
    share = analysis.ratio[:COEFFICIENTS].sum()
    say(
        f"{file}: {COEFFICIENTS} numbers hold {share:.0%} of what moves in the mouths of {len(analysis.videos)} videos."
    )
    return 0


def _check(file: Path) -> None:
    """Raise BadInput unless the file is to be made, or is an earlier analysis."""
    if file.is_dir():
        raise BadInput(f"{file} is a folder: name a file, {file / 'mouth.npz'} for one.")
    if file.exists():
        try:
            MouthPca.load(file)
        except BadInput as error:
            raise BadInput(f"{file} is there already and no mouth PCA: name another file.") from error

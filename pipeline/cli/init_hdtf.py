"""`init hdtf`: the corpus HDTF."""

from pathlib import Path

from manifests.corpora.hdtf import SplitBy, catalogue, told
from pipeline.cli.enrolling import ALL, Wanted, take_in
from pipeline.cli.terminal import WorkspaceOption


def hdtf(
    *,
    annotations: Path,
    source: Path | None = None,
    split: SplitBy = "subject",
    seed: int = 0,
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the videos of HDTF: its annotation lists, and the files that are there already.

    Parameters
    ----------
    annotations
        The folder HDTF_dataset of https://github.com/MRzzm/HDTF: fifteen text files.
    source
        A folder with files of the release: clips (WDA_KatieHill_000.mp4) or whole videos (KatieHill.mp4,
        WDA_KatieHill.mp4). It is only ever read.
    split
        By subject, 80 to 20; or random, the paper's 132 and 32 videos. Videos that are known keep the split they have.
    seed
        Another number draws another split.
    """
    return take_in(
        workspace,
        lambda _: catalogue(annotations, source, split, seed),
        wanted.choice(),
        lambda rows: told(rows, annotations, source),
    )

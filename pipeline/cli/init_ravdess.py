"""`init ravdess`: the corpus RAVDESS."""

from pathlib import Path
from typing import Annotated, Literal

from manifests.choice import Filter
from manifests.corpora.ravdess import catalogue
from manifests.corpora.ravdess_names import RECORD, folder_of
from manifests.corpora.ravdess_splits import PUBLISHED_SEED, SplitBy
from manifests.corpora.ravdess_telling import told
from pipeline.cli.enrolling import ALL, Wanted, take_in
from pipeline.cli.terminal import Many, WorkspaceOption


def ravdess(  # noqa: PLR0913 (one for each option)
    *,
    source: Path | None = None,
    actor: Annotated[tuple[int, ...] | None, Many] = None,
    channel: Annotated[tuple[Literal["speech", "song"], ...] | None, Many] = None,
    split: SplitBy = "actor",
    seed: int = PUBLISHED_SEED,
    record: str = RECORD,
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the takes of RAVDESS: of its published archives, or the files that are there already.

    Parameters
    ----------
    source
        A folder with files of the release (01-01-06-01-02-01-12.mp4 …), in folders or not. It is only ever read.
        Without it `run download` fetches the archives that are needed.
    actor
        Take only these actors, by number: 1 to 24.
    channel
        Take only speech, or only song.
    split
        By actor, 18 to train on, 3 to validate on, 3 to test on; or stratified, the published one of all spoken takes,
        with every actor on all sides. Takes that are known keep the split they have.
    seed
        Another number draws another stratified split.
    record
        Where the archives lie: the release's page at Zenodo, or a mirror with the same files. For what is not in a
        folder.
    """
    choice = wanted.choice(
        Filter("--actor", "subject", actor and [folder_of(number) for number in actor]),
        Filter("--channel", "channel", channel),
    )
    return take_in(
        workspace,
        lambda _: catalogue(source, split, seed, record),
        choice,
        lambda rows: told(rows, source, choice),
        whole=source is None,
    )

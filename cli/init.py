"""`init`: a corpus becomes the catalogue of a workspace. One command a corpus, with options that they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import Many, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.choice import Choice, Filter
from portrait_prep.manifests.corpora import segments as kept_segments
from portrait_prep.manifests.corpora.folder import catalogue as own_folder
from portrait_prep.manifests.corpora.folder import summary as folder_summary
from portrait_prep.manifests.corpora.folder.subjects import DEFAULT, likely_rule
from portrait_prep.manifests.corpora.hdtf import catalogue as hdtf_release
from portrait_prep.manifests.corpora.iemocap import catalogue as iemocap_release
from portrait_prep.manifests.corpora.iemocap.evaluations import HOW_TO_OBTAIN
from portrait_prep.manifests.corpora.published import name_of
from portrait_prep.manifests.corpora.ravdess import catalogue as ravdess_release
from portrait_prep.manifests.corpora.ravdess import splits as ravdess_splits
from portrait_prep.manifests.corpora.ravdess import summary as ravdess_summary
from portrait_prep.manifests.corpora.ravdess.names import RECORD, folder_of
from portrait_prep.manifests.printing import shell_word
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import a_few, counted
from portrait_prep.pipeline.add_videos import Find, add_videos
from portrait_prep.pipeline.reassigning import split_hint
from portrait_prep.stages.recordings.overview import offered, told_of
from portrait_prep.stages.sources import here


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options by which videos of any corpus are chosen."""

    only: Annotated[tuple[str, ...] | None, Many] = None
    """Take only these videos, by their ids."""
    subject: Annotated[tuple[str, ...] | None, Many] = None
    """Take only the videos of these subjects, as the catalogue names them."""
    limit: int | None = None
    """Take only the first N of what is asked for."""

    def choice(self, *further: Filter) -> Choice:
        """The videos that pass these and the `further` filters."""
        return Choice(
            (Filter("--only", "video_id", self.only), Filter("--subject", "subject", self.subject), *further),
            self.limit,
        )


ALL = Wanted()


def folder(
    *,
    source: Path,
    subject_from: str | None = None,
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the videos of a folder and of the folders in it.

    Parameters
    ----------
    source
        The folder. It is only ever read.
    subject_from
        Whose a video is. stem-prefix: of the name before its last number (a_7.mp4: a). parent: of the folder it lies
        in. each: every video its own. folder:N: of the N-th folder below the source, 1 the outermost. regex:EXPR: of
        what the group named subject of the expression finds in the path below the source. Videos of which folder:N or
        regex:EXPR say nothing are left out, and named. Default: as most of the videos that are here already; else
        stem-prefix.
    """
    listing = own_folder.listed(source, subject_from or _as_before(source, workspace))
    # Videos of another folder may be in the catalogue, too: those are not missing here.
    return _add(
        workspace, listing.rows, wanted.choice(), lambda rows: folder_summary.summary(listing, rows), whole=False
    )


def _as_before(source: Path, workspace: Path) -> str:
    """How most of the videos of this folder that the workspace has got their subjects."""
    session = open_session(workspace)
    known = session.videos if session.workspace.catalogue.exists() else ()
    way = likely_rule(source.absolute(), known)
    if way != DEFAULT:
        say(f"Subjects are named as those of the videos here: --subject-from {way}.")
    return way


def hdtf(
    *,
    annotations: Path,
    source: Path | None = None,
    split: hdtf_release.SplitBy = "subject",
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
    return _add(
        workspace,
        lambda _: hdtf_release.catalogue(annotations, source, split, seed),
        wanted.choice(),
        lambda rows: hdtf_release.summary(rows, annotations, source),
        published=_as(hdtf_release.CORPUS, split, seed=seed or None, annotations=annotations),
    )


def ravdess(  # noqa: PLR0913 (one for each option)
    *,
    source: Path | None = None,
    actor: Annotated[tuple[int, ...] | None, Many] = None,
    channel: Annotated[tuple[Literal["speech", "song"], ...] | None, Many] = None,
    split: ravdess_splits.SplitBy = "actor",
    seed: int = ravdess_splits.PUBLISHED_SEED,
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
    return _add(
        workspace,
        lambda _: ravdess_release.catalogue(source, split, seed, record),
        choice,
        lambda rows: ravdess_summary.summary(rows, source, choice),
        whole=source is None,
        published=_as(ravdess_release.CORPUS, split, seed=seed),
    )


def iemocap(
    *,
    source: Path | None = None,
    session: Annotated[tuple[int, ...] | None, Many] = None,
    classes: iemocap_release.Classes = "all",
    marker_side: iemocap_release.Side = "left",
    test_session: int = 5,
    wanted: Wanted = ALL,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Take the utterances of IEMOCAP from its release, which only its makers give out.

    Parameters
    ----------
    source
        The folder IEMOCAP_full_release. It is only ever read.
    session
        Take only these sessions: 1 to 5.
    classes
        Take all labelled utterances, or only those of the four classes neutral, happy (with excited), angry and sad.
    marker_side
        Where in the picture the actor with the markers sits; `portrait-prep sides` checks it.
    test_session
        The session to test on. Utterances that are known keep the split they have.
    """
    if source is None:
        raise BadInput(HOW_TO_OBTAIN)
    return _add(
        workspace,
        lambda _: iemocap_release.catalogue(source, marker_side, test_session),
        wanted.choice(Filter("--session", "session", session), iemocap_release.of_classes(classes)),
        lambda rows: iemocap_release.summary(rows, source),
        published=_as(iemocap_release.CORPUS, test_session),
    )


def segments(*, wanted: Wanted = ALL, workspace: WorkspaceOption = Path()) -> int:
    """Take the segments of long recordings that `segment` kept, a video each; split by recording, 80 to 20."""
    session = open_session(workspace)
    found = offered(session)
    rows, told = kept_segments.catalogue(found), list(told_of(session, found))
    if not rows:
        raise BadInput(" ".join(("Nothing was kept of the recordings here.", *told)))
    return _add(workspace, lambda _: rows, wanted.choice(), lambda _: told)


def _as(corpus: str, split: str | int, **options: object) -> tuple[str, ...]:
    """The words by which `split` makes a published split."""
    given = {f"--{name}": str(value) for name, value in options.items() if value is not None}
    return ("--as", name_of(corpus, split), *chain.from_iterable(given.items()))


def _add(
    workspace: Path,
    find: Find,
    choice: Choice,
    summary: Callable[[Sequence[Video]], Sequence[str]] = lambda _: (),
    whole: bool = True,
    published: Sequence[str] = (),
) -> int:
    """Add what is chosen of a corpus (see `add_videos`), and say what there is to say of it.

    `published`: the options by which `split` gives videos that are known the split that new ones get.
    """
    session = open_session(workspace)
    added = add_videos(session, find, choice, whole)
    commands = {
        "split": ("split", *published),
        "fold": ("assign", "--template"),
        "subject": ("assign", "--template"),
    }
    remedies = {
        name: f"portrait-prep {' '.join(map(shell_word, (*words, '-w', str(workspace))))}"
        for name, words in commands.items()
    }
    for line in (*added.lines(remedies), *summary(added.chosen), *split_hint(added.videos, workspace, begun=False)):
        say(line)
    if gone := open_session(workspace).pruning().gone:
        say(f"Results without a row in the catalogue, which the next run deletes: {a_few(gone)}.")
    say(f"Settings: {session.workspace.settings}. Next: portrait-prep run -w {shell_word(str(workspace))}")
    wanted = [video for video in added.videos if video.worked_on]
    if downloads := len(wanted) - sum(1 for _ in here(session.workspace, wanted)):
        say(f"This starts {counted(downloads, 'download')}; add --local to process only what is already here.")
    return 0


init = App(name="init", help="Make a workspace from a corpus, or add to it what is new.")
for corpus in (folder, hdtf, ravdess, iemocap, segments):
    init.command(corpus)

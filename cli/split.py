"""`split`: which videos to train on and which to test on, decided anew."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from portrait_prep.cli.opening import open_session
from portrait_prep.cli.terminal import DryRun, Flag, WorkspaceOption, say
from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.published import Draw, published
from portrait_prep.manifests.ratios import NAMES, By, Ratios, footage, read_ratios
from portrait_prep.manifests.splits import BY_SUBJECT
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import counted, hours
from portrait_prep.pipeline.reassigning import Change, reassign

NO_SPLIT = "(none)"


def split(  # noqa: PLR0913 (one for each option)
    *,
    ratios: str | None = None,
    by: By = "subject",
    corpus: str | None = None,
    only_new: Annotated[bool, Flag] = False,
    as_: Annotated[str | None, Parameter(name="--as")] = None,
    annotations: Path | None = None,
    seed: int | None = None,
    dry_run: DryRun = False,
    workspace: WorkspaceOption = Path(),
) -> int:
    """Split the videos anew: by ratios of footage, or as their corpus was published. No stage is computed.

    Parameters
    ----------
    ratios
        Shares of the footage: 80/10/10 for train/val/test, 80/20 for train/test. The same videos and seed give the same
        split on every machine. It never changes by itself: of the videos that init adds later, those of a known subject
        are on its side, and others have no split until this is run again (see --only-new).
    by
        What stays on one side: all videos of a subject, of a session, of one source, or with one statement. By video,
        each goes its own way, and people are on several sides.
    corpus
        Split only the videos of this corpus.
    only_new
        Split only videos that have no split; the others keep theirs. Without --ratios the shares stay as they are.
    as_
        Instead of ratios, a published split: hdtf:subject, hdtf:random, ravdess:actor, ravdess:stratified; or iemocap:1
        to iemocap:5, by the session to test on. Only videos of that corpus change.
    annotations
        For hdtf:random, which is drawn from all that is listed: the folder HDTF_dataset.
    seed
        Another number draws another split.
    """
    change: Change
    if as_ is not None:
        if ratios is not None or only_new or corpus is not None or by != "subject":
            raise BadInput("--as takes a split as it was published: leave out --ratios, --by, --corpus and --only-new.")
        change = partial(published, name=as_, draw=Draw(seed, annotations))
    elif ratios is None and not only_new:
        raise BadInput("Say how to split: --ratios (such as 80/10/10), --only-new, or --as (such as ravdess:actor).")
    else:
        change = Ratios(read_ratios(ratios) if ratios is not None else {}, by, seed or 0, corpus, only_new).split
    way_out = "split all corpora together, or mend that by 'portrait-prep assign'"
    result = reassign(open_session(workspace), change, way_out, dry_run)
    for line in (*_table(result.videos), *_people_cut(result.videos), *result.lines(workspace, dry_run)):
        say(line)
    return 0


def _table(videos: Sequence[Video]) -> Iterator[str]:
    """Of each split how many subjects and videos, how much footage, and which share of it; duplicates do not count."""
    sides: dict[str, list[Video]] = {side: [] for side in (*NAMES[3], NO_SPLIT)}
    for video in videos:
        if video.worked_on:
            sides.setdefault(video.split or NO_SPLIT, []).append(video)
    seconds = footage(videos)
    total = sum(seconds.values())
    yield f"{'split':<10}{'subjects':>10}{'videos':>10}{'footage':>12}{'share':>10}"
    for side, own in sides.items():
        if own:
            subjects, known = len({video.subject for video in own}), sum(video.duration or 0.0 for video in own)
            share = f"{100 * sum(seconds[video.video_id] for video in own) / total:.1f} %"
            yield f"{side:<10}{subjects:>10}{len(own):>10}{hours(known):>12}{share:>10}"


def _people_cut(videos: Sequence[Video]) -> Iterator[str]:
    """How many subjects are on several sides on purpose."""
    sides: dict[str, set[str]] = defaultdict(set)
    for video in videos:
        if video.worked_on and video.split is not None and video.split_by not in BY_SUBJECT:
            sides[video.subject].add(video.split)
    if several := sum(len(own) > 1 for own in sides.values()):
        people = counted(several, "subject", "is", "are")
        yield f"{people} on more than one side: it does not tell how unknown people fare."

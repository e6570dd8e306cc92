"""The splits that corpora were published with, to be chosen again for videos that are in a catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.hdtf import catalogue as hdtf
from portrait_prep.manifests.corpora.hdtf.annotations import read_annotations
from portrait_prep.manifests.corpora.iemocap import catalogue as iemocap
from portrait_prep.manifests.corpora.iemocap.evaluations import SESSIONS
from portrait_prep.manifests.corpora.ravdess import catalogue as ravdess
from portrait_prep.manifests.corpora.ravdess import splits as ravdess_splits
from portrait_prep.manifests.splits import of_corpus
from portrait_prep.manifests.video import Video


@dataclass(frozen=True)
class Draw:
    """What a published split may depend on. `seed`: None for the usual one; `annotations`: HDTF's lists."""

    seed: int | None = None
    annotations: Path | None = None


Split = Callable[[Sequence[Video], Draw], list[Video]]
"""Gives rows of its corpus their sides."""


def _hdtf(split: hdtf.SplitBy, rows: Sequence[Video], draw: Draw) -> list[Video]:
    if split == "random" and draw.annotations is None:
        raise BadInput("hdtf:random is drawn from all that the lists have: give them as --annotations HDTF_dataset.")
    clips = read_annotations(draw.annotations).clips if draw.annotations else ()
    return hdtf.with_sides(rows, clips, split, draw.seed or 0)


def _ravdess(split: ravdess_splits.SplitBy, rows: Sequence[Video], draw: Draw) -> list[Video]:
    return ravdess.with_sides(rows, split, ravdess_splits.PUBLISHED_SEED if draw.seed is None else draw.seed)


def _iemocap(session: int, rows: Sequence[Video], _: Draw) -> list[Video]:
    return iemocap.with_sides(rows, session)


def name_of(corpus: str, split: str | int) -> str:
    """What a published split is called: `hdtf:random`; `iemocap:5` tests session 5."""
    return f"{corpus}:{split}"


PUBLISHED: Mapping[str, tuple[str, Split]] = {
    **{name_of(hdtf.CORPUS, split): (hdtf.CORPUS, partial(_hdtf, split)) for split in get_args(hdtf.SplitBy)},
    **{
        name_of(ravdess.CORPUS, split): (ravdess.CORPUS, partial(_ravdess, split))
        for split in get_args(ravdess_splits.SplitBy)
    },
    **{name_of(iemocap.CORPUS, session): (iemocap.CORPUS, partial(_iemocap, session)) for session in SESSIONS},
}
"""Name -> corpus, and how its rows get their sides."""


def published(videos: Sequence[Video], name: str, draw: Draw) -> list[Video]:
    """The rows, those of its corpus with this split. Raises BadInput where there is no such split or corpus."""
    if name not in PUBLISHED:
        raise BadInput(f"'{name}' is no published split; there are {', '.join(PUBLISHED)}.")
    corpus, split = PUBLISHED[name]
    placed = {video.video_id: video for video in split(of_corpus(videos, corpus), draw)}
    return [placed.get(video.video_id, video) for video in videos]

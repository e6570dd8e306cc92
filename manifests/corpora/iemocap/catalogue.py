"""The corpus IEMOCAP: 10039 labelled utterances of ten actors, cut from 151 dialogs of two.

A video's id is the utterance's, `Ses01F_impro01_F000`; its subject is who speaks, `Ses01F`. The picture is the
speaker's half of the dialog's video: a camera each, side by side, one of them always on the actor who wears the
markers. The sound is the utterance's own file. Folds are the sessions, to leave one out: fold k tests session k.

Source: Busso et al., IEMOCAP: Interactive emotional dyadic motion capture database, Language Resources and Evaluation
42(4), 2008. Four classes as is usual, excitement counted as happiness; which half is whose as in MERBench (Lian et al.,
2024), since the release does not say.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from portrait_prep.errors import BadInput
from portrait_prep.manifests.choice import Filter
from portrait_prep.manifests.corpora.iemocap.evaluations import (
    SESSIONS,
    Evaluation,
    Evaluations,
    line_of,
    read_evaluations,
    votes_text,
)
from portrait_prep.manifests.corpora.iemocap.transcriptions import TRANSCRIPTIONS, read_transcription
from portrait_prep.manifests.splits import TEST, TRAIN
from portrait_prep.manifests.video import Video, path_of, source_of
from portrait_prep.manifests.wording import a_few, counted
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe import probe

CORPUS = "iemocap"
LICENCE = "IEMOCAP release licence: academic and other non-commercial use, not to be passed on"

Side = Literal["left", "right"]
"""A half of the picture as one looks at it."""
OTHER: Mapping[Side, Side] = {"left": "right", "right": "left"}

Classes = Literal["all", "four"]
"""`all`: every labelled utterance. `four`: those of neutral, happy (with excited), angry and sad."""
FOUR_CLASS = {"neu": "neu", "hap": "hap", "exc": "hap", "ang": "ang", "sad": "sad"}

PUBLISHED = {1: (1819, 1085), 2: (1811, 1023), 3: (2136, 1151), 4: (2103, 1031), 5: (2170, 1241)}
"""Labelled utterances of each session, and those of them that have one of the four classes."""

PICTURE = (720, 480)
"""Width and height that the dialogs are said to have: for one whose video cannot be read now."""

NO_SOUND = "no sentence wav"
"""The defect of an utterance whose sound has to be that of the dialog's video, with both voices."""


def catalogue(source: Path, marker_side: Side = "left", test_session: int = 5) -> list[Video]:
    """One row for each labelled utterance of the release in `source`, by session, dialog and start.

    `marker_side` is the half of the picture in which the wearer of the markers sits. Split: `test_session` is for
    testing, the others for training; `fold` has what it takes for any other. A row whose video is not there names where
    it should be. Raises BadInput where there is no release (it says how to obtain one).
    """
    _check("marker side", marker_side, get_args(Side))
    _check("session to test", test_session, SESSIONS)
    release = read_evaluations(source)
    dialogs: dict[str, _Dialog] = {}
    rows = []
    for evaluation in release.utterances:
        dialog = dialogs.get(evaluation.dialog) or dialogs.setdefault(
            evaluation.dialog, _Dialog.of(evaluation, release.root)
        )
        side = marker_side if evaluation.wearer == evaluation.speaker else OTHER[marker_side]
        rows.append(_row(evaluation, dialog, side))
    return with_sides(rows, test_session)


def with_sides(rows: Sequence[Video], test_session: int = 5) -> list[Video]:
    """The rows with the split that tests this session, and the sessions as folds. Raises BadInput for no session."""
    _check("session to test", test_session, SESSIONS)
    return [
        row.model_copy(
            update={
                "split": TEST if row.session == test_session else TRAIN,
                "split_by": None,
                "fold": row.session,
            }
        )
        for row in rows
    ]


def of_classes(classes: Classes) -> Filter:
    """The utterances of some of the classes."""
    _check("set of classes", classes, get_args(Classes))
    return Filter("--classes", "four_class", None if classes == "all" else tuple(FOUR_CLASS.values()), named=False)


def _check(kind: str, value: object, allowed: Iterable[object]) -> None:
    if value not in (known := tuple(allowed)):
        raise BadInput(f"'{value}' is no {kind}: use {', '.join(map(str, known))}.")


@dataclass(frozen=True)
class _Dialog:
    """Where a dialog's video is, width and height of its picture as displayed, and which sentence files there are.

    `texts`: utterance -> what is said in it.
    """

    video: Path
    picture: tuple[int, int]
    sentences: Path
    names: frozenset[str]
    texts: Mapping[str, str]

    @classmethod
    def of(cls, evaluation: Evaluation, root: Path) -> "_Dialog":
        session = root / f"Session{evaluation.session}"
        video = session / "dialog/avi/DivX" / f"{evaluation.dialog}.avi"
        sentences = session / "sentences/wav" / evaluation.dialog
        texts = read_transcription(session / TRANSCRIPTIONS / f"{evaluation.dialog}.txt")
        return cls(video, _picture(video), sentences, _names(sentences), texts)

    def sound(self, utterance: str) -> Path | None:
        """The utterance's own file, if it is there."""
        name = f"{utterance}.wav"
        return self.sentences / name if name in self.names else None


def _names(folder: Path) -> frozenset[str]:
    """Names in a folder; none where it cannot be listed."""
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def _picture(video: Path) -> tuple[int, int]:
    try:
        return probe(video, end=1.0).display
    except (NotAVideo, OSError):
        return PICTURE


def half(picture: tuple[int, int], side: Side) -> tuple[int, int, int, int]:
    """x, y, width and height of one half of a picture of (width, height), in pixels.

    It is never square: a square crop would be taken as it is, while in a half the face has yet to be found. Where it
    would be, the column at the seam is left out.
    """
    width, height = picture
    taken = width // 2 - (width // 2 == height)
    return (0 if side == "left" else width - taken), 0, taken, height


def _row(evaluation: Evaluation, dialog: _Dialog, side: Side) -> Video:
    sound = dialog.sound(evaluation.utterance)
    x, y, w, h = half(dialog.picture, side)
    valence, activation, dominance = evaluation.means
    return Video(
        video_id=evaluation.utterance,
        corpus=CORPUS,
        subject=evaluation.subject,
        source=source_of(dialog.video),
        sound=sound and source_of(sound),
        start=evaluation.start,
        end=evaluation.end,
        crop_x=x,
        crop_y=y,
        crop_w=w,
        crop_h=h,
        source_height=dialog.picture[1],
        duration=evaluation.end - evaluation.start,
        licence=LICENCE,
        defect=None if sound else NO_SOUND,
        text=dialog.texts.get(evaluation.utterance),
        emotion=evaluation.emotion,
        four_class=FOUR_CLASS.get(evaluation.emotion),
        session=evaluation.session,
        valence=valence,
        activation=activation,
        dominance=dominance,
        votes=votes_text(evaluation.votes),
    )


def summary(rows: Sequence[Video], source: Path) -> list[str]:
    """What there is to say of these rows and of the release in `source`, one line each."""
    release = read_evaluations(source)
    dialogs = {evaluation.dialog for evaluation in release.utterances}
    four = Counter(row.four_class for row in rows if row.four_class)
    lines = [
        f"{len(release.utterances)} labelled utterances of {len(dialogs)} dialogs are in {release.root}.",
        f"By session: {_counts(Counter(str(row.session) for row in rows))}.",
        f"By emotion: {_counts(Counter(row.emotion or '' for row in rows))}.",
        f"Of the four classes: {four.total()} ({_counts(four)}).",
        _texts(rows),
        *_other_than_published(release),
        *release.oddities,
    ]
    if alone := [row.video_id for row in rows if row.sound is None]:
        lines.append(line_of(f"Utterances with {NO_SOUND}", alone, "the dialog's sound is taken, with both voices"))
    videos = [path_of(video) for video in dict.fromkeys(row.source for row in rows)]
    if away := [path.name for path in videos if not os.path.exists(path)]:  # noqa: PTH110 (never raises)
        lines.append(line_of("Dialogs without their video", away, "bring it to Session*/dialog/avi/DivX"))
    return lines


def _texts(rows: Sequence[Video]) -> str:
    """One line that says of how many utterances the text is known, and which lack it."""
    lacking = [row.video_id for row in rows if row.text is None]
    told = f"The text of {len(rows) - len(lacking)} of {counted(len(rows), 'utterance')} is known"
    return f"{told}; Session*/{TRANSCRIPTIONS} lacks {a_few(lacking)}." if lacking else f"{told}."


def _other_than_published(release: Evaluations) -> list[str]:
    """One line that names the sessions whose numbers of utterances are not those of the full release."""
    every = Counter(evaluation.session for evaluation in release.utterances)
    four = Counter(evaluation.session for evaluation in release.utterances if evaluation.emotion in FOUR_CLASS)
    other = [
        f"session {session} has {every[session]} ({four[session]} of the four classes), not {all_} ({of_four})"
        for session, (all_, of_four) in PUBLISHED.items()
        if (every[session], four[session]) != (all_, of_four)
    ]
    return [f"Not the full release: {'; '.join(other)}."] if other else []


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counter.items())) or "none"

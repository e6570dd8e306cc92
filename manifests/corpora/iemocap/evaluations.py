"""The evaluation files of IEMOCAP, `Session*/dialog/EmoEvaluation/<dialog>.txt`, read by their grammar.

After a header that begins with `%`, one block for each labelled utterance, fields separated by tabs:

    [START - END]  UTTERANCE  LABEL  [VALENCE, ACTIVATION, DOMINANCE]    seconds of the dialog; means of ratings
    C-EVALUATOR:   NAME; NAME; …  (COMMENT)                              one evaluator's choice of emotions
    A-EVALUATOR:   val N; act N; dom N;  (COMMENT)                       one evaluator's ratings, 1 to 5

    UTTERANCE  Ses0<session><wearer>_<scene>_<speaker><number>           wearer and speaker: F or M
    EVALUATOR  E1, E2 … listened from outside; F1, M1 … are the actors, of themselves, and no part of label and means

The wearer is the actor with the markers in that recording; who speaks, only the last field tells. Blocks of the female
speaker come before those of the male one. Comments may hold any byte: the files are read as Latin-1.

Source: Busso et al., IEMOCAP: Interactive emotional dyadic motion capture database, Language Resources and Evaluation
42(4), 2008.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic_core import from_json

from portrait_prep.errors import BadInput
from portrait_prep.manifests.wording import a_few
from portrait_prep.media.file import MOST_TEXT, regular

HOW_TO_OBTAIN = (
    "IEMOCAP is given out by its makers alone, under a licence for research, and is never downloaded: request it at "
    "https://sail.usc.edu/iemocap/iemocap_release.htm and give its folder IEMOCAP_full_release as --source."
)
RELEASE = "IEMOCAP_full_release"
SESSIONS = (1, 2, 3, 4, 5)
EVALUATIONS = "dialog/EmoEvaluation"

HEADERS = ("%", "[START_TIME")
NUMBER = r"\s*(\d+(?:\.\d*)?)\s*"
UTTERANCE = re.compile(r"(Ses0([1-5])([FM])(?:_[A-Za-z0-9]+)+)_([FM])[0-9]+")
SUMMARY = re.compile(rf"\[{NUMBER}-{NUMBER}\]\s+(\S+)\s+(\S+)\s+\[{NUMBER},{NUMBER},{NUMBER}\]\s*")
EVALUATOR = r"([EFM][0-9]+):\s*"
VOTE = re.compile(rf"C-{EVALUATOR}((?:[A-Za-z][A-Za-z /-]*;\s*)+)(?:\(.*)?")
RATING = re.compile(rf"A-{EVALUATOR}val\s*(\d?)\s*;\s*act\s*(\d?)\s*;\s*dom\s*(\d?)\s*;\s*(?:\(.*)?")

ROUNDING = 1e-3
"""By which a mean may differ from what its ratings give: the files have four decimals."""


@dataclass(frozen=True)
class Evaluation:
    """One labelled utterance: seconds in the dialog, the consensus, and what each evaluator said.

    `means` and `ratings` are valence, activation and dominance; a rating that was left out is None.
    """

    utterance: str
    start: float
    end: float
    emotion: str
    means: tuple[float, float, float]
    votes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ratings: dict[str, tuple[int | None, ...]] = field(default_factory=dict)

    @property
    def dialog(self) -> str:
        """The utterance's id less its last field."""
        return self.utterance.rpartition("_")[0]

    @property
    def session(self) -> int:
        """1 to 5."""
        return int(self.utterance[4])

    @property
    def wearer(self) -> str:
        """F or M: who wears the markers in this dialog."""
        return self.utterance[5]

    @property
    def speaker(self) -> str:
        """F or M: who speaks. Scenes have names of different lengths, so that only the last field tells."""
        return self.utterance.rpartition("_")[2][0]

    @property
    def subject(self) -> str:
        """The speaker among the ten of the corpus: `Ses01F`."""
        return f"Ses0{self.session}{self.speaker}"

    @property
    def averaged(self) -> bool:
        """Whether the means are those of the outside evaluators' ratings, as far as there are any."""
        outside = [rating for evaluator, rating in self.ratings.items() if evaluator[0] == "E"]
        for mean, column in zip(self.means, zip(*outside, strict=True), strict=False):
            given = [value for value in column if value is not None]
            if given and abs(sum(given) / len(given) - mean) > ROUNDING:
                return False
        return True


@dataclass(frozen=True)
class Evaluations:
    """All labelled utterances by session, dialog and start; what is odd about the files, one sentence each."""

    root: Path
    utterances: tuple[Evaluation, ...]
    oddities: tuple[str, ...]


def read_evaluations(source: Path) -> Evaluations:
    """Read all evaluation files of the release in `source`. Raises BadInput where that is none or cannot be read."""
    root = _root(source)
    reading = _Reading()
    for session in SESSIONS:
        for path in sorted((root / f"Session{session}" / EVALUATIONS).glob("*.txt")):
            if not path.name.startswith("."):
                reading.read(path, session)
    if not reading.by_utterance:
        raise BadInput(f"The release in {root} has no utterance in any Session*/{EVALUATIONS}: unpack it again.")
    return Evaluations(root, tuple(sorted(reading.by_utterance.values(), key=_order)), tuple(reading.oddities()))


def _order(evaluation: Evaluation) -> tuple[int, str, float, str]:
    return evaluation.session, evaluation.dialog, evaluation.start, evaluation.utterance


def _root(source: Path) -> Path:
    """The folder with the sessions: `source`, or the release in it."""
    for folder in (source, source / RELEASE):
        if any(os.path.isdir(folder / f"Session{session}" / EVALUATIONS) for session in SESSIONS):  # noqa: PTH112 (never raises)
            return folder.resolve()
    raise BadInput(f"There is no release of IEMOCAP in {source}: {HOW_TO_OBTAIN}")


@dataclass
class _Reading:
    """What was read so far: utterances by id, and places (`file:line`) or ids of what is odd."""

    by_utterance: dict[str, Evaluation] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    unread_votes: list[str] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)

    def read(self, path: Path, session: int) -> None:
        """Take in a file of a session. An evaluator's line is of the utterance above: of none where that is unread."""
        current: Evaluation | None = None
        for number, line in _lines(path):
            place = f"{path.name}:{number}"
            if line.startswith("["):
                current = _summary(line)
                self.keep(current, (session, path.stem), place)
            elif not (_vote(line, current) or _rating(line, current)):
                self.unread_votes.append(place)

    def keep(self, evaluation: Evaluation | None, home: tuple[int, str], place: str) -> None:
        """Add an utterance; the first of equal ids counts. `home` is the session and the dialog of the file."""
        if evaluation is None:
            self.unread.append(place)
        elif evaluation.utterance in self.by_utterance:
            self.twice.append(evaluation.utterance)
        else:
            self.by_utterance[evaluation.utterance] = evaluation
            if (evaluation.session, evaluation.dialog) != home:
                self.astray.append(f"{evaluation.utterance} in {place}")

    def oddities(self) -> Iterator[str]:
        wrong = [evaluation.utterance for evaluation in self.by_utterance.values() if not evaluation.averaged]
        for what, names, done in (
            ("Lines of no readable utterance", self.unread, "left out"),
            ("Lines of no readable vote or rating", self.unread_votes, "passed over"),
            ("Utterances in a file that is not their dialog's", self.astray, "taken by their ids"),
            ("Utterances that are there twice", self.twice, "the first is taken"),
            ("Utterances whose means are not those of their ratings", wrong, "taken as written"),
        ):
            if names:
                yield line_of(what, names, done)


def line_of(what: str, names: Sequence[str], done: str) -> str:
    """A line to tell: of what how many there are, the first of them, and what is done about it."""
    return f"{what}: {a_few(names)}, {done}."


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that says something, whatever ends it; a byte 0x85 (NEL, or … of a PC) does not."""
    try:
        with regular(path, MOST_TEXT).open(encoding="latin-1") as file:
            for number, line in enumerate(file, 1):
                if (text := line.strip()) and not text.startswith(HEADERS):
                    yield number, text
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}): unpack the release again.") from error


def _summary(line: str) -> Evaluation | None:
    """The utterance of a block's first line; None where it is none, or ends before it begins."""
    match = SUMMARY.fullmatch(line)
    if not match or not UTTERANCE.fullmatch(match[3]) or float(match[2]) <= float(match[1]):
        return None
    means = (float(match[5]), float(match[6]), float(match[7]))
    return Evaluation(match[3], float(match[1]), float(match[2]), match[4], means)


def _vote(line: str, current: Evaluation | None) -> bool:
    """Whether the line is a vote; it is written down with its utterance. Two lines of one evaluator add up."""
    if not (match := VOTE.fullmatch(line)):
        return False
    if current is not None:
        names = (*current.votes.get(match[1], ()), *(name.strip() for name in match[2].split(";")))
        current.votes[match[1]] = tuple(dict.fromkeys(filter(None, names)))
    return True


def _rating(line: str, current: Evaluation | None) -> bool:
    """Whether the line is a rating; it is written down with its utterance."""
    if not (match := RATING.fullmatch(line)):
        return False
    if current is not None:
        current.ratings[match[1]] = tuple(int(value) if value else None for value in match.groups()[1:])
    return True


def votes_text(votes: Mapping[str, Sequence[str]]) -> str | None:
    """Votes as the catalogue holds them: a JSON object (RFC 8259), evaluators in order; None where nobody voted."""
    return json.dumps({name: list(votes[name]) for name in sorted(votes)}) if votes else None


def votes_of(text: str | None) -> dict[str, tuple[str, ...]]:
    """Read back what `votes_text` wrote."""
    return {name: tuple(emotions) for name, emotions in from_json(text or "{}").items()}

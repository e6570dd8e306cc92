"""A tree as IEMOCAP is released, made from the ids of utterances: true ids where the list is at hand, tiny media."""

import csv
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clips import SHARED

FOUR_CLASS_LABELS = SHARED / "data/iemocap/four_class_labels.csv"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"

LABELS = ("ang", "hap", "exc", "neu", "sad", "fru", "sur", "fea", "dis", "oth", "xxx")
FOUR = LABELS[:5]
NAMES = {"neu": "Neutral", "hap": "Happiness", "exc": "Excited", "ang": "Anger", "sad": "Sadness"}

COUNTS = {
    1: (229, 135, 143, 384, 194, 280, 25, 12, 1, 1, 415),
    2: (137, 117, 210, 362, 197, 325, 17, 9, 0, 1, 436),
    3: (240, 135, 151, 320, 305, 382, 28, 2, 1, 0, 572),
    4: (327, 65, 238, 258, 143, 481, 19, 7, 0, 1, 564),
    5: (170, 143, 299, 384, 245, 381, 18, 10, 0, 0, 520),
}
PUBLISHED = {session: dict(zip(LABELS, counts, strict=True)) for session, counts in COUNTS.items()}
"""How many utterances of each session have each label."""

MADE_UP = 500
"""Numbers from here on are of no true utterance."""


def full_release() -> dict[str, str]:
    """Utterance -> label for all 10039: true ids for the four classes, made-up ones for the others.

    The list of true ids does not tell excited from happy: the first ones count as excited.
    """
    labelled: dict[str, str] = {}
    excited = {session: counts["exc"] for session, counts in PUBLISHED.items()}
    with FOUR_CLASS_LABELS.open(newline="") as file:
        for row in csv.DictReader(file):
            session, label = int(row["session"]), row["label"]
            if label == "hap" and excited[session]:
                excited[session] -= 1
                label = "exc"
            labelled[row["utterance"]] = label
    dialogs: dict[int, list[str]] = defaultdict(list)
    for dialog in dict.fromkeys(utterance.rpartition("_")[0] for utterance in labelled):
        dialogs[int(dialog[4])].append(dialog)
    for session, counts in PUBLISHED.items():
        others = [label for label, count in counts.items() if label not in FOUR for _ in range(count)]
        for number, label in enumerate(others):
            turn, place = divmod(number, len(dialogs[session]))
            labelled[f"{dialogs[session][place]}_{'FM'[turn % 2]}{MADE_UP + turn}"] = label
    return labelled


def release(folder: Path, labelled: Mapping[str, str], video: Path | None = None, sound: Path | None = None) -> Path:
    """Write the release of these utterances; `video` stands in for each dialog's, `sound` for each sentence's file.

    As in the true one, an evaluation file has the female speaker's utterances before the male one's.
    """
    root = folder / "IEMOCAP_full_release"
    dialogs: dict[str, list[str]] = defaultdict(list)
    for utterance in sorted(labelled):
        dialogs[utterance.rpartition("_")[0]].append(utterance)
    for dialog, utterances in dialogs.items():
        blocks = [block(utterance, labelled[utterance], *times_of(utterance)) for utterance in utterances]
        evaluation_file(root, dialog).write_text(HEADER + "\n".join(blocks), "latin-1")
        lines = [
            f"{name} [{start:08.4f}-{end:08.4f}]: {said(name)}\n"
            for name in utterances
            for start, end in [times_of(name)]
        ]
        transcription_file(root, dialog).write_text("".join(lines))
        session = root / f"Session{dialog[4]}"
        _link(video, session / "dialog/avi/DivX" / f"{dialog}.avi")
        for utterance in utterances:
            _link(sound, session / "sentences/wav" / dialog / f"{utterance}.wav")
    return root


def evaluation_file(root: Path, dialog: str) -> Path:
    """Where a dialog's evaluations are; its folder is made."""
    path = root / f"Session{dialog[4]}/dialog/EmoEvaluation/{dialog}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def transcription_file(root: Path, dialog: str) -> Path:
    """Where it stands what is said in a dialog; its folder is made."""
    path = root / f"Session{dialog[4]}/dialog/transcriptions/{dialog}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def said(utterance: str) -> str:
    """What is said in an utterance."""
    return f"[LAUGHTER] This is {utterance}: is it?"


def times_of(utterance: str) -> tuple[float, float]:
    """The speakers take turns of three seconds, each begun before the other's has ended."""
    turn = utterance.rpartition("_")[2]
    start = 5.0 * int(turn[1:]) + 2.5 * (turn[0] == "M") + 0.25
    return start, start + 3.0


def block(
    utterance: str,
    label: str,
    start: float,
    end: float,
    votes: Mapping[str, Sequence[str]] | None = None,
    ratings: Mapping[str, Sequence[int]] | None = None,
    comment: str = "",
) -> str:
    """What an evaluation file has of one utterance; the means are those of the outside evaluators' ratings."""
    if votes is None:
        votes = {"E2": [NAMES.get(label, "Other")], "E4": [NAMES.get(label, "Other"), "Surprise"]}
        votes |= {f"{utterance.rpartition('_')[2][0]}1": ["Neutral"]}
    ratings = {"E3": (3, 2, 2), "E4": (2, 3, 3), "F1": (3, 2, 1)} if ratings is None else ratings
    outside = [given for evaluator, given in ratings.items() if evaluator.startswith("E")] or [(3, 3, 3)]
    means = ", ".join(f"{sum(column) / len(column):.4f}" for column in zip(*outside, strict=True))
    lines = [f"[{start:.4f} - {end:.4f}]\t{utterance}\t{label}\t[{means}]"]
    lines += [f"C-{name}:\t{' '.join(f'{vote};' for vote in given)}\t({comment})" for name, given in votes.items()]
    lines += [f"A-{name}:\tval {v}; act {a}; dom  {d};\t({comment})" for name, (v, a, d) in ratings.items()]
    return "\n".join(lines) + "\n"


def _link(source: Path | None, name: Path) -> None:
    if source is None:
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, name)

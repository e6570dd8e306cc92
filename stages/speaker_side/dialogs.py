"""Whether the speakers of a dialog sit where the catalogue says: a vote of some of their utterances.

Faces differ in how well they are seen, and people in how much they move their mouths while they listen. Such a bias
speaks for the same half whoever talks, so both speakers' utterances vote, in equal number: then it cancels out.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Literal

from portrait_prep.manifests.video import Video, path_of
from portrait_prep.media.container import NotAVideo
from portrait_prep.media.probe import Probe, probe
from portrait_prep.stages.sound.voice_activity import voice_activity
from portrait_prep.stages.speaker_side.lips import read_lips
from portrait_prep.stages.speaker_side.sides import LEFT, RIGHT, Side, Speaking, speaking_side

Agreement = Literal["agrees", "disagrees", "undetermined"]

SHORTEST = 1.0
"""Seconds in which only one speaks that it takes for an utterance to be looked at."""

LONGEST = 4.0
"""Seconds looked at, in the middle of those: some sixteen syllables are enough, and ends of turns are not exact."""

QUORUM = 1 / 3
"""Share of the utterances looked at that must say the same for their dialog to count as determined."""

MAJORITY = 2
"""How many times as many of them must say so as say the opposite."""


@dataclass(frozen=True)
class Excerpt:
    """The part of an utterance that is looked at, `start` to `end` in seconds of the dialog."""

    video: Video
    start: float
    end: float


@dataclass(frozen=True)
class Dialog:
    """A file with the excerpts to look at in it, in order of time."""

    source: str
    excerpts: tuple[Excerpt, ...]


@dataclass(frozen=True)
class Vote:
    """What one utterance says: the half that the catalogue `claims` for its speaker, and who speaks."""

    excerpt: Excerpt
    claim: Side | None
    speaking: Speaking

    @property
    def agreement(self) -> Agreement:
        """Whether the two agree."""
        if self.claim is None or self.speaking.side is None:
            return "undetermined"
        return "agrees" if self.claim == self.speaking.side else "disagrees"


@dataclass(frozen=True)
class DialogCheck:
    """What the utterances of a dialog say; `trouble` where it cannot be looked at."""

    source: str
    votes: tuple[Vote, ...] = ()
    trouble: str | None = None

    def count(self, agreement: Agreement) -> int:
        """How many votes say so."""
        return sum(vote.agreement == agreement for vote in self.votes)

    @property
    def agreement(self) -> Agreement:
        """What a clear majority of a quorum says."""
        pro, contra = self.count("agrees"), self.count("disagrees")
        most, least = max(pro, contra), min(pro, contra)
        if most == 0 or most < QUORUM * len(self.votes) or most < MAJORITY * least:
            return "undetermined"
        return "agrees" if pro > contra else "disagrees"


def dialogs(videos: Iterable[Video], utterances: int) -> list[Dialog]:
    """For each source that rows of the catalogue share: up to so many excerpts, of its speakers in turn.

    Of each speaker those come first that are longest without anybody else's utterance.
    """
    shared: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        if video.start is not None and video.end is not None:
            shared[video.source].append(video)
    return [Dialog(source, _choose(rows, utterances)) for source, rows in sorted(shared.items())]


def _choose(rows: Sequence[Video], utterances: int) -> tuple[Excerpt, ...]:
    alone = [Excerpt(row, *_longest_alone(row, rows)) for row in rows]
    ranked: dict[str, list[Excerpt]] = defaultdict(list)
    for excerpt in sorted(alone, key=lambda excerpt: (excerpt.start - excerpt.end, excerpt.video.video_id)):
        if excerpt.end - excerpt.start >= SHORTEST:
            ranked[excerpt.video.subject].append(excerpt)
    in_turn = chain.from_iterable(zip_longest(*(ranked[subject] for subject in sorted(ranked))))
    first = [_middle(excerpt) for excerpt in in_turn if excerpt is not None][:utterances]
    return tuple(sorted(first, key=lambda excerpt: excerpt.start))


def _longest_alone(row: Video, rows: Sequence[Video]) -> tuple[float, float]:
    """The longest part of an utterance in which nobody else has one."""
    parts: list[tuple[float, float]] = []
    reached, end = row.start or 0.0, row.end or 0.0
    others = ((other.start or 0.0, other.end or 0.0) for other in rows if other.subject != row.subject)
    for begins, ends in sorted(others):
        parts.append((reached, min(begins, end)))
        reached = max(reached, ends)
    return max((*parts, (reached, end)), key=lambda part: part[1] - part[0])


def _middle(excerpt: Excerpt) -> Excerpt:
    middle, half = (excerpt.start + excerpt.end) / 2, min(excerpt.end - excerpt.start, LONGEST) / 2
    return Excerpt(excerpt.video, middle - half, middle + half)


def check_dialog(root: Path, dialog: Dialog) -> DialogCheck:
    """Look at and listen to the excerpts of a dialog; relative paths begin at `root`. Never raises for a bad file."""
    path = root / path_of(dialog.source)
    if not dialog.excerpts:
        return DialogCheck(dialog.source, trouble=f"has no utterance of {SHORTEST:g} s in which only one speaks")
    try:
        facts = probe(path, None, max(excerpt.end for excerpt in dialog.excerpts))
    except NotAVideo as error:
        return DialogCheck(dialog.source, trouble=str(error))
    except OSError as error:
        return DialogCheck(dialog.source, trouble=f"cannot be read ({error.strerror})")
    return DialogCheck(dialog.source, tuple(_votes(root, path, facts, dialog)))


def _votes(root: Path, path: Path, facts: Probe, dialog: Dialog) -> Iterator[Vote]:
    for excerpt in dialog.excerpts:
        video = excerpt.video
        top, height = (video.crop_y or 0) * _scale(video, facts), (video.crop_h or 0) * _scale(video, facts)
        rows = (round(top), round(top + height)) if height else (0, facts.display[1])
        lips = read_lips(path, facts, rows, excerpt.start, excerpt.end)
        sound, begins = (root / path_of(video.sound), video.start or 0.0) if video.sound else (path, 0.0)
        yield Vote(excerpt, claimed_side(video, facts), speaking_side(lips, voice_activity(sound, lips.times - begins)))


def claimed_side(video: Video, facts: Probe) -> Side | None:
    """The half that the middle of the catalogue's crop lies in."""
    if video.crop_x is None or video.crop_w is None:
        return None
    middle = 2 * (video.crop_x + video.crop_w / 2) * _scale(video, facts)
    return LEFT if middle < facts.display[0] else RIGHT if middle > facts.display[0] else None


def _scale(video: Video, facts: Probe) -> float:
    """From pixels of the catalogue's crop to those of the picture."""
    return facts.display[1] / video.source_height if video.source_height else 1.0

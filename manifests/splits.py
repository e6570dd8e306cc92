"""Splits: which videos to train on and which to test on, and what must not be on two sides.

Each decision hangs on a digest of a name and a seed, not on a sequence of random numbers: so it is the same on every
machine. Where each name is decided alone (`by_subject`), adding videos changes nothing for those that are there; where
shares are to be met (`apportioned`), a split that is made anew may differ, and so none is, unless it is asked for.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from portrait_prep.errors import BadInput
from portrait_prep.manifests.video import Video
from portrait_prep.manifests.wording import a_few

TRAIN, VAL, TEST = "train", "val", "test"

SUBJECT = "subject"
"""What `split_by` says of a split by subject that was made in the workspace; corpora leave it null."""
BY_SUBJECT = (None, SUBJECT)
"""What `split_by` says where nobody may be on two sides."""
SIDES = ("split", "fold")
"""Fields that put a video on a side."""

HOW_TO_SPLIT = "'portrait-prep split --ratios 80/10/10' gives them one"
"""For a sentence about videos that have no split."""
NONE: Mapping[str, str] = {}
ROUNDING = 1e-9
"""Of the total weight: sums that differ by less are equal."""


def position(name: str, seed: int) -> float:
    """A number in [0, 1) that belongs to this name under this seed, evenly spread over names (SHA-256)."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def by_subject(subject: str, test_share: float = 0.2, seed: int = 0) -> str:
    """`train` or `test`, the same for all videos of a subject: about `test_share` of the subjects are for testing."""
    return TEST if position(subject, seed) < test_share else TRAIN


def drawn(names: Iterable[str], train: int, test: int, seed: int = 0) -> dict[str, str]:
    """Draw `test` names to test on and `train` others to train on; names that are not drawn are left out.

    Equal names count once. Where there are fewer names than asked for, those to train on get fewer.
    """
    order = _shuffled(set(names), seed)
    return dict.fromkeys(order[:test], TEST) | dict.fromkeys(order[test : test + train], TRAIN)


def apportioned(
    weights: Mapping[str, float], shares: Mapping[str, float], seed: int = 0, placed: Mapping[str, str] = NONE
) -> dict[str, str]:
    """Name -> side, so that each side gets its share of the total weight as nearly as whole names allow.

    `shares` maps sides to numbers above 0; `placed` has the names whose side is settled. The side with the largest
    share takes what the others leave: these are filled one by one, the smallest share first, with every name, in the
    order of positions, for which there is still room, and at last with the lightest name left where that brings it
    nearer. So each but the largest misses its share by at most half the lightest name left, unless what is settled or
    one name alone is more than the share; and no side is empty while there are names.
    """
    total, whole = fsum(weights.values()), fsum(shares.values())
    sides = sorted(shares, key=lambda side: shares[side], reverse=True)[::-1]
    found = {name: placed[name] for name in weights if name in placed}
    left = _shuffled(weights.keys() - found.keys(), seed)
    for number, side in enumerate(sides[:-1], 1):
        filled = [weights[name] for name in weights if found.get(name) == side]
        least = 0 if filled else 1
        most = len(left) - sum(later not in placed.values() for later in sides[number:])
        room = total * shares[side] / whole - fsum(filled)
        found |= dict.fromkeys(_filling(left, weights, room, (least, most), ROUNDING * total), side)
        left = [name for name in left if name not in found]
    return found | dict.fromkeys(left, sides[-1])


def _shuffled(names: Collection[str], seed: int) -> list[str]:
    return sorted(names, key=lambda name: (position(name, seed), name))


def _filling(
    names: Sequence[str], weights: Mapping[str, float], room: float, count: tuple[int, int], rounding: float
) -> list[str]:
    """The names, at least and at most so many, the sum of whose weights is near `room`; see `apportioned`."""
    (least, most), taken = count, dict[str, None]()
    for name in names:
        if len(taken) < most and weights[name] <= room + rounding:
            taken[name] = None
            room -= weights[name]
    if len(taken) < most:
        lightest = min((name for name in names if name not in taken), key=lambda name: weights[name])
        if len(taken) < least or weights[lightest] - room < room:
            taken[lightest] = None
    return list(taken)


def of_corpus(videos: Sequence[Video], corpus: str) -> list[Video]:
    """The rows of a corpus. Raises BadInput where there are none."""
    own = [video for video in videos if video.corpus == corpus]
    if not own:
        there = ", ".join(dict.fromkeys(video.corpus for video in videos)) or "none at all"
        raise BadInput(f"There is no video of the corpus '{corpus}' here; there are: {there}.")
    return own


@dataclass(frozen=True)
class Leak:
    """A subject with videos on more than one side of a `field`; side -> ids."""

    subject: str
    field: str
    sides: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        return ", ".join(f"{side}: {a_few(ids)}" for side, ids in sorted(self.sides.items()))


def leaks(videos: Iterable[Video]) -> Iterator[Leak]:
    """Subjects who are on two sides of a split or fold that keeps subjects whole, as `split_by` tells of both.

    Videos without a side, and those that are not worked on, are on none.
    """
    whole = [video for video in videos if video.worked_on and video.split_by in BY_SUBJECT]
    for field in SIDES:
        subjects: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for video in whole:
            if (side := getattr(video, field)) is not None:
                subjects[video.subject][str(side)].append(video.video_id)
        for subject, sides in subjects.items():
            if len(sides) > 1:
                yield Leak(subject, field, sides)


def is_unsplit(video: Video) -> bool:
    """Whether no split has decided of a video yet; one that was left out on purpose has its `split_by`."""
    return video.worked_on and video.split is None and video.split_by is None

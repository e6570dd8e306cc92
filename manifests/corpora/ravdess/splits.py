"""Splits and folds of RAVDESS: of the whole release, whatever of it is there."""

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Literal, get_args

from portrait_prep.errors import BadInput
from portrait_prep.manifests.corpora.ravdess.names import SPEECH, Take, takes

SplitBy = Literal["actor", "stratified"]
"""`actor`: actors 1 to 18 for training, 19 to 21 for validation, 22 to 24 for testing; nobody on two sides.

`stratified`: the published split of the 1440 spoken takes, 1005, 210 and 225, with the same share of each emotion on
all sides (https://github.com/Wionerlol/MultimodalEmotionRecognition, whose seed is 42). It leaks: all 24 actors are on
all sides, so that what is measured is not how well unknown people are understood. Songs have no part in it.
"""
PUBLISHED_SEED = 42
SIDES: Mapping[str, range] = {"train": range(1, 19), "val": range(19, 22), "test": range(22, 25)}

FOLDS = ((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22))
"""EmoBox: in which of folds 1 to 6 an actor is tested."""


def sides(split: SplitBy, seed: int = PUBLISHED_SEED) -> Mapping[Take, str]:
    """`train`, `val` or `test` of each take that has a part in a split; `seed` is nothing to that by actor.

    Raises BadInput for a way to split that there is not.
    """
    if split not in get_args(SplitBy):
        raise BadInput(f"'{split}' is no way to split: use {', '.join(get_args(SplitBy))}.")
    return _stratified(seed) if split == "stratified" else {take: _side(take.actor) for take in takes()}


def fold_of(actor: int) -> int:
    """The one of folds 1 to 6 in which an actor is tested."""
    return next(number for number, actors in enumerate(FOLDS, 1) if actor in actors)


def _side(actor: int) -> str:
    return next(side for side, actors in SIDES.items() if actor in actors)


@lru_cache
def _stratified(seed: int) -> Mapping[Take, str]:
    """Split of each spoken take: each emotion shuffled, 70 % to train on, 15 % to validate on, the rest to test on.

    The sequence is Python's (Mersenne Twister, Fisher-Yates from the end), the same in all its versions since 3.2; that
    of `Random(seed)` is that of `random.seed(seed)`.
    """
    groups: dict[int, list[Take]] = defaultdict(list)
    for take in sorted(takes(), key=lambda take: take.code):
        if take.channel == SPEECH:
            groups[take.emotion].append(take)
    random = Random(seed)  # noqa: S311 (no secret: it must be repeatable)
    sides: dict[Take, str] = {}
    for _, group in sorted(groups.items()):
        random.shuffle(group)
        train, val = int(0.7 * len(group)), int(0.15 * len(group))
        sides |= dict.fromkeys(group[:train], "train")
        sides |= dict.fromkeys(group[train : train + val], "val")
        sides |= dict.fromkeys(group[train + val :], "test")
    return sides

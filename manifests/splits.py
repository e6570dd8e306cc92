"""Splits: which videos to train on and which to test on.

Each decision hangs on a digest of a name and a seed, not on a sequence of random numbers: so it is the same on every
machine, and adding videos changes nothing for those that are there.
"""

import hashlib
from collections.abc import Iterable

TRAIN, TEST = "train", "test"


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
    order = sorted(set(names), key=lambda name: (position(name, seed), name))
    return dict.fromkeys(order[:test], TEST) | dict.fromkeys(order[test : test + train], TRAIN)

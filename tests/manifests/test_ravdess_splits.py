import hashlib
import random
from collections import Counter
from pathlib import Path

import pytest

from portrait_prep.manifests.corpora.ravdess.catalogue import catalogue
from portrait_prep.manifests.corpora.ravdess.splits import FOLDS, SplitBy
from tests.ravdess_release import make_release, release_names

SPLITS: tuple[SplitBy, ...] = ("actor", "stratified")


def test_every_actor_is_tested_in_one_fold_of_240_spoken_takes() -> None:
    rows = catalogue()
    assert sorted(actor for fold in FOLDS for actor in fold) == list(range(1, 25))
    assert Counter(row.fold for row in rows if row.channel == "speech") == dict.fromkeys(range(1, 7), 240)
    assert {row.fold for row in rows if row.subject == "Actor_11"} == {1}
    assert {row.fold for row in rows if row.subject == "Actor_06"} == {6}


def test_by_default_nobody_is_on_two_sides() -> None:
    rows = [row for row in catalogue() if row.channel == "speech"]
    assert Counter(row.split for row in rows) == {"train": 1080, "val": 180, "test": 180}
    sides = {(row.subject, row.split) for row in rows}
    assert len(sides) == 24
    assert {("Actor_18", "train"), ("Actor_19", "val"), ("Actor_21", "val"), ("Actor_22", "test")} <= sides
    assert catalogue(seed=7) == catalogue()


def published_order(keys: list[str], seed: int) -> dict[str, list[str]]:
    """The published procedure over the names of all spoken takes, as its authors wrote it."""
    random.seed(seed)
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(key[3:5], []).append(key)
    sides: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for emotion in sorted(groups):
        group = groups[emotion]
        random.shuffle(group)
        train, val = int(len(group) * 0.7), int(len(group) * 0.15)
        sides["train"] += group[:train]
        sides["val"] += group[train : train + val]
        sides["test"] += group[train + val :]
    return sides


PUBLISHED = {"train": "ea9f5a3be81b19f3", "val": "ad5bdb2d961ae54b", "test": "e41cd602244b30ca"}


def test_the_stratified_split_is_the_published_one() -> None:
    keys = sorted(Path(name).stem[3:] for name in release_names() if Path(name).name.startswith("01-01"))
    sides = published_order(keys, 42)
    digests = {side: hashlib.sha256("\n".join(names).encode()).hexdigest()[:16] for side, names in sides.items()}
    assert digests == PUBLISHED
    rows = catalogue(split="stratified")
    found = {side: {row.video_id[3:] for row in rows if row.split == side} for side in sides}
    assert found == {side: set(names) for side, names in sides.items()}
    assert [len(found[side]) for side in ("train", "val", "test")] == [1005, 210, 225]
    assert {row.split for row in rows if row.channel == "song"} == {None}


def test_the_stratified_split_draws_another_with_another_seed_and_leaves_the_global_generator_alone() -> None:
    random.seed(5)
    expected = random.random()
    random.seed(5)
    found = {row.video_id: row.split for row in catalogue(split="stratified", seed=7)}
    assert random.random() == expected
    assert found != {row.video_id: row.split for row in catalogue(split="stratified")}
    assert sorted(str(side) for side in found.values()) == sorted(
        str(row.split) for row in catalogue(split="stratified")
    )


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_there_of_the_release_changes_no_split(tmp_path: Path, split: SplitBy) -> None:
    every = {row.video_id: (row.split, row.fold) for row in catalogue(split=split)}
    few = make_release(tmp_path / "few", [name for name in release_names() if name.startswith("Actor_20")][::7])
    rows = catalogue(few, split=split)
    assert rows
    assert {row.video_id: (row.split, row.fold) for row in rows}.items() <= every.items()

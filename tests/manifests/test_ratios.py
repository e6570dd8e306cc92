"""Splits by ratios of footage."""

from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.errors import BadInput
from portrait_prep.manifests.ratios import By, Ratios, read_ratios
from portrait_prep.manifests.splits import leaks
from portrait_prep.manifests.video import Video

THREE = {"train": 80.0, "val": 10.0, "test": 10.0}


def video(name: str, subject: str = "s", duration: float | None = 10.0, **fields: Any) -> Video:
    return Video(
        video_id=name, corpus="folder", subject=subject, source=f"/{name}.mp4", shard="folder-00000", duration=duration
    ).model_copy(update=fields)


def people(count: int, videos: int = 3, **fields: Any) -> list[Video]:
    return [video(f"p{who}_{n}", f"p{who}", **fields) for who in range(count) for n in range(videos)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("80/10/10", THREE),
        ("80:10:10", THREE),
        ("0.8,0.2", {"train": 0.8, "test": 0.2}),
        (" 90 / 10 ", {"train": 90.0, "test": 10.0}),
        ("100/0/0", {"train": 100.0, "val": 0.0, "test": 0.0}),
    ],
)
def test_ratios_are_read(text: str, found: dict[str, float]) -> None:
    assert read_ratios(text) == found


@pytest.mark.parametrize("text", ["", "80", "80/x", "80/-10/30", "0/0", "nan/1", "inf/1", "1/2/3/4", "//"])
def test_what_are_no_ratios_is_said(text: str) -> None:
    with pytest.raises(BadInput, match="give two numbers"):
        read_ratios(text)


@given(
    st.lists(st.tuples(st.integers(0, 7), st.none() | st.floats(0, 1000)), min_size=20, max_size=60), st.integers(0, 9)
)
def test_nobody_is_on_two_sides_and_no_side_is_empty(rows: list[tuple[int, float | None]], seed: int) -> None:
    videos = [video(f"v{n}", f"p{who}", duration) for n, (who, duration) in enumerate(rows)] + people(3, 1)
    found = Ratios(THREE, seed=seed).split(videos)
    assert not list(leaks(found))
    assert {row.split for row in found} == set(THREE)
    assert {row.split_by for row in found} == {"subject"}
    again = Ratios(THREE, seed=seed).split(videos[::-1])
    assert {row.video_id: row.split for row in again} == {row.video_id: row.split for row in found}


def test_footage_counts_not_the_number_of_videos() -> None:
    long = [video("long", "ann", 800.0)]
    short = [video(f"s{n}", f"p{n}", 10.0) for n in range(20)]
    found = Ratios(THREE).split(long + short)
    assert Counter(row.split for row in found) == {"train": 1, "val": 10, "test": 10}


def test_unknown_durations_count_as_the_mean() -> None:
    found = Ratios({"train": 1.0, "test": 1.0}, by="video").split(
        [video("a", duration=30.0), video("b", duration=10.0), video("c", duration=None), video("d", duration=0.0)]
    )
    sides = defaultdict[str | None, set[str]](set)
    for row in found:
        sides[row.split].add(row.video_id)
    assert sorted(map(sorted, sides.values())) == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(("by", "field"), [("session", "session"), ("source", "source"), ("statement", "statement")])
def test_what_else_stays_whole(by: By, field: str) -> None:
    kinds: list[dict[str, Any]] = [{"session": n, "source": f"/{n}.avi", "statement": f"text {n}"} for n in range(5)]
    videos = [video(f"v{n}", f"p{n % 4}", **kinds[n % 5]) for n in range(40)]
    found = Ratios(THREE, by).split(videos)
    sides = defaultdict(set)
    for row in found:
        sides[getattr(row, field)].add(row.split)
    assert all(len(own) == 1 for own in sides.values())
    assert {row.split_by for row in found} == {by}
    assert not list(leaks(found))


def test_a_duplicate_is_on_the_side_of_what_it_repeats_and_has_no_weight() -> None:
    copies = [video(f"copy{n}", "cat", 1e6, defect="duplicate of p0_0; no crop") for n in range(5)]
    found = {row.video_id: row for row in Ratios(THREE).split([*people(10), *copies])}
    assert {found[f"copy{n}"].split for n in range(5)} == {found["p0_0"].split}
    assert Counter(row.split for row in found.values() if row.worked_on) == {"train": 24, "val": 3, "test": 3}


def test_only_one_corpus_is_split() -> None:
    other = [video("x", "xen").model_copy(update={"corpus": "hdtf", "split": "test"})]
    found = Ratios(THREE, corpus="folder").split([*people(5), *other])
    assert found[-1] == other[0]
    assert all(row.split for row in found)
    with pytest.raises(BadInput, match="no video of the corpus 'ravdess' here; there are: folder, hdtf"):
        Ratios(THREE, corpus="ravdess").split([*people(5), *other])


def test_only_new_videos_are_split_and_the_shares_of_all_are_met() -> None:
    first = Ratios(THREE).split(people(10))
    more = [video(f"q{n}", f"q{n}", 30.0) for n in range(10)]
    aside = [video("dev", "dee", 1e6, split="dev"), video("left", "lee", 1e6, split_by="take")]
    found = Ratios(THREE, only_new=True).split([*first, *aside, *more])
    assert found[: len(first) + 2] == [*first, *aside]
    assert Counter(row.split for row in found[len(first) + 2 :]) == {"train": 8, "val": 1, "test": 1}
    assert Ratios(THREE, only_new=True).split(found) == found


def test_without_ratios_the_shares_stay_as_they_are() -> None:
    first = [video(f"p{n}", f"p{n}", split="dev" if n < 5 else "train") for n in range(10)]
    more = [video(f"q{n}", f"q{n}") for n in range(4)]
    found = Ratios({}, only_new=True).split([*first, *more, video("again", "p0")])
    assert Counter(row.split for row in found) == {"dev": 8, "train": 7}
    assert found[-1].split == "dev"  # as p0 is
    with pytest.raises(BadInput, match="No video has a split yet that new ones could follow: say --ratios"):
        Ratios({}, only_new=True).split(people(4))


@pytest.mark.parametrize(
    ("ratios", "videos", "words"),
    [
        (Ratios(THREE), people(2), "2 subjects cannot make 3 splits: give fewer ratios, or split by video"),
        (Ratios({"train": 1.0, "test": 1.0}), people(1), "1 subject cannot make 2 splits"),
        (Ratios(THREE, "session"), people(4), r"without a session are 12 \(p0_0"),
        (Ratios(THREE, "video"), people(1, 2), "2 videos cannot make 3 splits: give fewer ratios."),
    ],
)
def test_what_cannot_be_split_is_said(ratios: Ratios, videos: list[Video], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ratios.split(videos)


def test_a_side_of_ratio_0_stays_empty() -> None:
    assert {row.split for row in Ratios({"train": 1.0, "val": 0.0, "test": 1.0}).split(people(2))} == {"train", "test"}


def test_where_there_is_nothing_to_split_that_is_said() -> None:
    with pytest.raises(BadInput, match="There is no video here to be split"):
        Ratios({"train": 1.0, "test": 1.0}).split([])

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.splits import apportioned, by_subject, drawn, position

names = st.lists(st.text(max_size=20), unique=True, max_size=60)


@given(st.text(), st.integers())
def test_a_position_is_a_share_and_belongs_to_name_and_seed(name: str, seed: int) -> None:
    assert 0 <= position(name, seed) < 1
    assert position(name, seed) == position(name, seed) != position(name + "x", seed)


def test_positions_are_the_same_on_every_machine() -> None:
    # printf 0:KatieHill | sha256sum
    assert position("KatieHill", 0) == 0x1BDB82E56CE4 / 2**48


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5, 1.0])
def test_about_the_share_asked_for_is_tested_on(share: float) -> None:
    tested = sum(by_subject(f"person {number}", share) == "test" for number in range(2000))
    assert tested / 2000 == pytest.approx(share, abs=0.03)


def test_another_seed_draws_another_split() -> None:
    people = [f"person {number}" for number in range(100)]
    assert [by_subject(name, seed=0) for name in people] != [by_subject(name, seed=1) for name in people]


@given(names, st.integers(0, 20), st.integers(0, 20), st.integers())
def test_a_draw_has_the_numbers_asked_for_and_forgets_the_order(
    given_names: list[str], train: int, test: int, seed: int
) -> None:
    found = drawn(given_names, train, test, seed)
    assert found == drawn([*reversed(given_names), *given_names], train, test, seed)
    assert set(found) <= set(given_names)
    counts = Counter(found.values())
    assert counts["test"] == min(test, len(given_names))
    assert counts["train"] == min(train, len(given_names) - counts["test"])


THREE = {"train": 80.0, "val": 10.0, "test": 10.0}
shares = st.sampled_from(
    [THREE, {"train": 8.0, "test": 2.0}, {"train": 1.0, "test": 1.0}, {"a": 3.0, "b": 1.0, "c": 2.0}]
)
weights = st.dictionaries(st.text(max_size=5), st.floats(0.1, 1e4), min_size=3, max_size=40)


@given(weights, shares, st.integers(0, 5))
def test_shares_are_met_as_nearly_as_whole_names_allow(
    weight: dict[str, float], share: dict[str, float], seed: int
) -> None:
    found = apportioned(weight, share, seed)
    assert found.keys() == weight.keys()
    assert set(found.values()) == set(share)
    assert found == apportioned(dict(reversed(weight.items())), share, seed)
    total, whole = sum(weight.values()), sum(share.values())
    members = {side: [weight[name] for name in weight if found[name] == side] for side in share}
    largest = next(side for side in share if share[side] == max(share.values()))
    if len(members[largest]) == 1:
        return  # all others that there are were needed so that no side is empty
    for side in share.keys() - {largest}:
        missed = abs(sum(members[side]) - total * share[side] / whole)
        assert len(members[side]) == 1 or missed <= min(members[largest]) / 2 + 1e-6 * total


@given(st.integers(0, 20))
def test_of_twelve_equal_names_each_small_side_gets_one(seed: int) -> None:
    found = apportioned({f"s{number}": 5.0 for number in range(12)}, THREE, seed)
    assert Counter(found.values()) == {"train": 10, "val": 1, "test": 1}


def test_one_heavy_name_is_trained_on_whatever_the_seed() -> None:
    weight = {"heavy": 60.0, **{f"s{number}": 10.0 for number in range(4)}}
    assert {apportioned(weight, THREE, seed)["heavy"] for seed in range(20)} == {"train"}


def test_another_seed_apportions_otherwise() -> None:
    weight = {f"s{number}": 1.0 + number % 7 for number in range(50)}
    assert len({tuple(sorted(apportioned(weight, THREE, seed).items())) for seed in range(5)}) == 5


@given(weights, shares, st.data())
def test_what_is_settled_stays_and_counts(
    weight: dict[str, float], share: dict[str, float], data: st.DataObject
) -> None:
    placed = {name: data.draw(st.sampled_from([*share])) for name in [*weight][: len(weight) // 2]}
    found = apportioned(weight, share, 0, placed)
    assert found.keys() == weight.keys()
    assert {name: found[name] for name in placed} == placed


def test_new_names_go_where_a_share_is_missing() -> None:
    placed = {"a": "train", "b": "train", "c": "test"}
    weight = dict.fromkeys("abcdefghij", 1.0)
    found = apportioned(weight, {"train": 8.0, "test": 2.0}, 0, placed)
    assert Counter(found.values()) == {"train": 8, "test": 2}

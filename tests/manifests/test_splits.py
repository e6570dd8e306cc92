from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.manifests.splits import by_subject, drawn, position

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

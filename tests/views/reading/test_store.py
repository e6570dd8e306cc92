import pickle
from collections.abc import Callable

import numpy as np

from portrait_prep.views.reading.store import Store, size


def making(made: list[str], name: str) -> Callable[[], str]:
    def make() -> str:
        made.append(name)
        return name

    return make


def test_a_store_is_full_to_its_very_capacity_and_then_gives_up_the_one_used_longest_ago() -> None:
    store, made = Store[str](2), list[str]()
    for name in ("a", "b", "a", "b"):
        assert store.get(name, making(made, name)) == name
    assert (made, len(store)) == (["a", "b"], 2)
    for name in ("a", "c", "a", "b"):  # b was used before a
        store.get(name, making(made, name))
    assert (made, len(store)) == (["a", "b", "c", "b"], 2)


def test_a_store_weighs_what_it_holds_and_keeps_nothing_heavier_than_itself() -> None:
    store = Store(100, size)
    store.get("a", lambda: np.zeros(60, np.uint8))
    store.get("b", lambda: np.zeros(40, np.uint8))
    assert len(store) == 2
    assert len(store.get("c", lambda: np.zeros(101, np.uint8))) == 101
    assert len(store) == 0


def test_the_pickle_of_a_store_holds_no_value() -> None:
    store = Store[str](2)
    store.get("a", lambda: "a")
    again = pickle.loads(pickle.dumps(store))
    assert len(again) == 0
    assert again.get("a", lambda: "b") == "b"

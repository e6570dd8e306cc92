import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from portrait_prep.errors import Damaged
from portrait_prep.views.reading.files import File, Store, size


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


def test_a_file_is_read_at_places_up_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(10)))
    file, target = File(path), np.zeros((2, 2), np.uint8)
    file.read_into(target, 6)
    assert target.tolist() == [[6, 7], [8, 9]]
    assert file.read(8, 2) == bytes([8, 9])
    for beyond in (lambda: file.read(8, 3), lambda: file.read_into(target, 7)):
        with pytest.raises(Damaged, match="ends too early"):
            beyond()
    file.close()
    with pytest.raises(ValueError, match="has been closed"):
        file.read(0, 1)

"""What is written piece by piece is read by Python's own pickle as the value that it was made of."""

import pickle
import pickletools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from portrait_prep.views.exporting.arrays import Stream
from portrait_prep.views.exporting.pickles import Attributes, Tensor, Written, write_pickle, write_value

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def read(path: Path) -> Any:
    with path.open("rb") as file:
        value = pickle.load(file)
        assert not file.read()
    return value


@given(value=PLAIN)
def test_plain_values_are_read_as_they_were(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("plain") / "it"
    write_pickle(path, value)
    assert read(path) == value


@given(
    values=arrays(
        st.sampled_from(["<f8", "<f4", "<i2"]),
        array_shapes(min_dims=1, max_dims=4),
        elements=st.integers(-9, 9),
    )
)
def test_arrays_are_read_as_they_were(tmp_path_factory: pytest.TempPathFactory, values: NDArray[Any]) -> None:
    path = tmp_path_factory.mktemp("arrays") / "it"
    write_pickle(path, [Stream.of(values), {"again": Stream.of(values)}])
    found, again = read(path)
    for each in (found, again["again"]):
        np.testing.assert_array_equal(each, values)
        assert each.dtype == values.dtype
        each[:] = 0  # it may be written to


def test_a_tensor_is_one_of_pytorchs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'portrait-prep[torch]'")
    write_pickle(tmp_path / "it", [Tensor(Stream.of(np.arange(6, dtype=np.float32).reshape(1, 2, 3)))])
    (found,) = read(tmp_path / "it")
    assert type(found) is torch.Tensor
    assert (found.dtype, tuple(found.shape), found.sum().item()) == (torch.float32, (1, 2, 3), 15)


def test_attributes_are_those_of_a_plain_object(tmp_path: Path) -> None:
    write_pickle(tmp_path / "it", Attributes({"mean_": Stream.of(np.arange(3)), "name": "x"}))
    found = read(tmp_path / "it")
    assert (found.mean_.tolist(), found.name) == ([0, 1, 2], "x")


def test_what_was_written_before_is_taken_in(tmp_path: Path) -> None:
    for name, value in (("one", [1, "x"]), ("two", {"a": Stream.of(np.ones(3))})):
        write_value(tmp_path / name, value)
    write_pickle(tmp_path / "all", (Written(tmp_path / name) for name in ("one", "two", "one")))
    one, two, again = read(tmp_path / "all")
    assert one == again == [1, "x"]
    assert two["a"].tolist() == [1, 1, 1]


def test_it_calls_nothing_but_what_makes_arrays_tensors_and_objects(tmp_path: Path) -> None:
    """By names that NumPy 1 and 2 both have."""
    write_pickle(tmp_path / "it", [Attributes({}), Tensor(Stream.of(np.ones(2))), {"a": (1, "b", None, 2.5)}])
    called = {
        argument for code, argument, _ in pickletools.genops((tmp_path / "it").read_bytes()) if code.name == "GLOBAL"
    }
    assert called == {"numpy ndarray", "torch from_numpy", "types SimpleNamespace"}


def test_memory_does_not_grow_with_an_array(tmp_path: Path) -> None:
    def blocks() -> Iterator[NDArray[np.float32]]:
        for number in range(100):
            yield np.full((100, 500), number, np.float32)

    tracemalloc.start()
    write_pickle(tmp_path / "it", Stream(10_000, (500,), "<f8", blocks()))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4e6
    found = read(tmp_path / "it")
    assert (found.shape, found[:, 3].tolist()) == ((10_000, 500), [number for number in range(100) for _ in range(100)])


def test_other_values_and_wrong_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="object is not written"):
        write_pickle(tmp_path / "it", [object()])
    with pytest.raises(ValueError, match="3 rows came, not 4"):
        write_pickle(tmp_path / "it", Stream(4, (), "<f8", [np.ones(3)]))

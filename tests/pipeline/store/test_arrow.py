"""Tensors survive Arrow bit for bit, and digests do not depend on how rows are cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from portrait_prep.pipeline.declare.stage import Column
from portrait_prep.pipeline.store.arrow import Digests, to_arrow, to_numpy
from portrait_prep.pipeline.store.shards import regroup


@given(
    arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.bool_]), array_shapes(min_dims=1, max_dims=3, max_side=6)
    )
)
def test_numbers_survive(values: np.ndarray) -> None:
    column = Column("x", values.dtype.name, values.shape[1:])
    back = to_numpy(to_arrow(column, values))
    assert back.shape == values.shape
    assert back.dtype == values.dtype
    assert back.tobytes() == values.tobytes()


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1))
def test_strings_and_nulls_survive(values: list[str | None]) -> None:
    column = Column("x", "str", nullable=True)
    assert to_numpy(to_arrow(column, np.array(values, object))).tolist() == values


def test_a_wrong_shape_or_type_is_refused() -> None:
    column = Column("x", "float32", (2,))
    with pytest.raises(ValueError, match=r"must be float32\[2\] a row, not float64\[2\]"):
        to_arrow(column, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"not float32\[3\]"):
        to_arrow(column, np.zeros((3, 3), np.float32))


@given(st.lists(st.integers(0, 400), max_size=6), st.integers(0, 1000))
def test_regrouping_keeps_every_row_in_groups_of_250(lengths: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).random(sum(lengths)).astype(np.float32)
    ends = np.cumsum(lengths)
    cut = ({"x": values[end - length : end]} for end, length in zip(ends, lengths, strict=True))
    groups = list(regroup(cut))
    assert [len(group["x"]) for group in groups[:-1]] == [250] * (len(groups) - 1)
    assert np.array_equal(np.concatenate([group["x"] for group in groups]) if groups else values, values)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_digests_do_not_depend_on_batches(lengths: list[int]) -> None:
    columns = (Column("x", "float32", (2,)), Column("name", "str"))
    values = np.arange(2 * sum(lengths), dtype=np.float32).reshape(-1, 2)
    names = np.array([str(k) for k in range(sum(lengths))], object)
    whole, cut = Digests(columns), Digests(columns)
    whole.update({"x": values, "name": names})
    start = 0
    for length in lengths:
        cut.update({"x": values[start : start + length], "name": names[start : start + length]})
        start += length
    assert whole.results() == cut.results()
    other = Digests(columns)
    other.update({"x": values + 1, "name": names})
    assert other.results()["x"] != whole.results()["x"]

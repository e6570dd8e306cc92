from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from portrait_prep.stages.models.engines import Batched

ERRORS: list[Exception] = [
    RuntimeException(
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. Status "
        "Message: bfc_arena.cc:368 Failed to allocate memory for requested buffer of size 4547406516"
    ),
    RuntimeException(
        "[ONNXRuntimeError] : 6 : CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size)"
    ),
    RuntimeException("[ONNXRuntimeError] : 6 : CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    ),
    MemoryError(),
]


class Small:
    """A network that doubles, and has room for `room` rows."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error, self.tried = room, error, list[int]()

    def __call__(self, rows: NDArray[Any]) -> NDArray[Any]:
        self.tried.append(len(rows))
        if len(rows) > self.room:
            raise self.error
        return rows * 2


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_out_of_memory_halves_the_batch_and_goes_on(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    network = Small(3, error)
    batched = Batched(network)
    np.testing.assert_array_equal(batched(np.arange(10)), np.arange(10) * 2)
    assert network.tried == [10, 5, 2, 2, 2, 2, 2]
    assert len(caplog.messages) == 2
    network.tried.clear()
    np.testing.assert_array_equal(batched(np.arange(5)), np.arange(5) * 2)
    assert network.tried == [2, 2, 1], "what did not fit is not tried again"


def test_out_of_memory_of_pytorch_is_known() -> None:
    torch = pytest.importorskip("torch")
    network = Small(1, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 92.99 GiB"))
    np.testing.assert_array_equal(Batched(network)(np.arange(4)), np.arange(4) * 2)


@given(rows=st.integers(1, 40), room=st.integers(1, 40))
def test_every_row_is_looked_at_once_and_in_order(rows: int, room: int) -> None:
    batched = Batched(Small(room, MemoryError()))
    for _ in range(2):
        np.testing.assert_array_equal(batched(np.arange(rows)), np.arange(rows) * 2)


def test_where_not_even_one_row_fits_the_error_is_told() -> None:
    with pytest.raises(MemoryError):
        Batched(Small(0, MemoryError("no room")))(np.arange(8))


def test_any_other_error_is_told_at_once() -> None:
    network = Small(1, RuntimeError("the shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes"):
        Batched(network)(np.arange(8))
    assert network.tried == [8]

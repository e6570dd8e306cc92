"""Where networks run. No GPU is needed: what is tested is what becomes of a wish for one, and of too little memory."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from portrait_prep.errors import MissingPrerequisite
from portrait_prep.stages.models import engines, onnx
from portrait_prep.stages.models.engines import Network, NetworkSource, in_torch

torch = pytest.importorskip("torch", reason="PyTorch is not here: no network can be made")
pytest.importorskip("onnx", reason="onnx is not here: no network can be exported")

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
OUT_OF_MEMORY = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. Name:'/conv' "
    "Status Message: bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, Stream*) "
    "Failed to allocate memory for requested buffer of size 536870912"
)
ROWS = np.arange(20, dtype=np.float32).reshape(5, 4)


@pytest.fixture
def source(tmp_path: Path) -> NetworkSource:
    torch.manual_seed(0)
    return NetworkSource("small", "ab" * 32, lambda: torch.nn.Linear(4, 3), (4,), tmp_path)


class OnGpu:
    """A session as on a GPU with room for so many rows; what it computes, the CPU computes for it."""

    def __init__(self, path: Path, providers: Sequence[Any], room: int) -> None:
        self.asked, self.room, self.tried = list(providers), room, list[int]()
        self.own, self.broken = onnx.session(path), False

    def get_providers(self) -> list[str]:
        return [provider if isinstance(provider, str) else provider[0] for provider in self.asked]

    def run(self, names: None, feed: Mapping[str, NDArray[Any]]) -> Any:
        self.tried.append(len(feed[onnx.IMAGE]))
        if self.broken:
            raise RuntimeException(
                "[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure ; GPU=0"
            )
        if CUDA in self.get_providers() and self.tried[-1] > self.room:
            raise RuntimeException(OUT_OF_MEMORY)
        return self.own.run(names, feed)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[OnGpu]:
    """ONNX Runtime as if with CUDA, on a GPU with room for two rows. Returns the sessions that were opened."""
    return _sessions(monkeypatch, room=2)


def _sessions(monkeypatch: pytest.MonkeyPatch, room: int) -> list[OnGpu]:
    opened: list[OnGpu] = []

    def session(path: Path, providers: Sequence[Any]) -> OnGpu:
        opened.append(OnGpu(path, providers, room))
        return opened[-1]

    monkeypatch.setattr(engines, "session", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    return opened


def test_without_a_wish_the_cpu_is_used(source: NetworkSource, sessions: list[OnGpu]) -> None:
    network = Network(source)
    assert network.provider == CPU
    assert [session.get_providers() for session in sessions] == [[CPU]]


def test_a_gpu_is_used_where_onnx_runtime_has_one(
    source: NetworkSource, sessions: list[OnGpu], caplog: pytest.LogCaptureFixture
) -> None:
    network = Network(source, gpu=True)
    assert network.provider == CUDA
    assert [session.get_providers() for session in sessions] == [[CUDA, CPU]]
    assert not caplog.messages


def test_out_of_memory_on_the_gpu_halves_the_batch_and_goes_on(source: NetworkSource, sessions: list[OnGpu]) -> None:
    expected = Network(source)(ROWS)
    network = Network(source, gpu=True)
    (session,) = sessions[1:]
    session.tried.clear()
    np.testing.assert_allclose(network(ROWS), expected, rtol=1e-6)
    assert session.tried == [5, 2, 2, 1]


@without_gpu
def test_a_gpu_without_room_for_anything_is_done_without(
    source: NetworkSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = _sessions(monkeypatch, room=0)
    network = Network(source, gpu=True)
    assert network.provider == CPU
    assert network(ROWS).shape == (5, 3)
    assert [session.get_providers()[0] for session in opened] == [CUDA, CPU]
    (line,) = caplog.messages
    assert line.startswith("small runs on the CPU: CUDAExecutionProvider fails ([ONNXRuntimeError]")


@without_gpu
def test_where_cuda_does_not_start_one_line_says_so_and_the_cpu_is_used(
    source: NetworkSource,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """ONNX Runtime itself is asked for a provider that it says it has and cannot start."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        network = Network(source, gpu=True)
    assert network.provider == CPU
    np.testing.assert_array_equal(network(ROWS), Network(source)(ROWS))
    assert caplog.messages == ["small runs on the CPU: ONNX Runtime cannot start CUDA; PyTorch sees no GPU"]
    assert capfd.readouterr().out == ""


@without_gpu
def test_a_gpu_whose_memory_is_taken_before_cuda_starts_is_done_without(
    source: NetworkSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """ONNX Runtime cannot open the network there, and PyTorch cannot bring it there."""
    own = onnx.session

    def session(path: Path, providers: Sequence[Any]) -> Any:
        if len(providers) == 1:
            return own(path)
        raise MissingPrerequisite("delete it") from RuntimeException("CUDA failure 2: out of memory ; GPU=0")

    monkeypatch.setattr(engines, "session", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    network = Network(source, gpu=True)
    assert network.provider == CPU
    assert network(ROWS).shape == (5, 3)
    (line,) = caplog.messages
    assert "ONNX Runtime cannot start CUDA (CUDA failure 2: out of memory ; GPU=0); PyTorch cannot start CUDA (" in line
    assert "delete it" not in line


def test_where_onnx_runtime_has_no_cuda_pytorch_is_asked(
    source: NetworkSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    monkeypatch.setattr(engines, "in_torch", lambda source: in_torch(source, "cpu"))
    network = Network(source, gpu=True)
    assert network.provider == "PyTorch on cpu"
    assert network(ROWS).dtype == np.float32


@without_gpu
def test_a_gpu_that_fails_later_is_left_and_nothing_is_lost(
    source: NetworkSource, sessions: list[OnGpu], caplog: pytest.LogCaptureFixture
) -> None:
    network, expected = Network(source, gpu=True), Network(source)(ROWS)
    np.testing.assert_allclose(network(ROWS), expected, rtol=1e-6)
    caplog.clear()
    sessions[0].broken = True
    for _ in range(2):
        np.testing.assert_array_equal(network(ROWS), expected)
    assert network.provider == CPU
    (line,) = caplog.messages
    assert line.startswith(
        "small goes on on the CPU: CUDAExecutionProvider fails ([ONNXRuntimeError] : 1 : FAIL : CUDA"
    )


def test_an_error_of_the_network_itself_is_no_matter_of_the_gpu(source: NetworkSource) -> None:
    with pytest.raises(Exception, match="Got: 3 Expected: 4"):
        Network(source)(ROWS[:, :3])


def test_the_runtime_reports_to_nobody_and_keeps_nothing_in_the_home_folder(tmp_path: Path) -> None:
    here = {
        name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    command = [sys.executable, "-c", "import portrait_prep.stages.models.engines"]
    subprocess.run(command, env=here | {"HOME": str(tmp_path)}, check=True, timeout=60)
    assert list(tmp_path.rglob("*onnxruntime*")) == []

"""The trial of a GPU, on a CPU and in small: whether it would notice what it is to notice."""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.gpu import __main__ as trial
from benchmarks.gpu import agreement, memory, mixed, speech, speed
from benchmarks.gpu.mixed import Interval, Mix, Work
from benchmarks.gpu.verdict import Verdict
from benchmarks.networks import Subject
from portrait_prep.pipeline.run.gpus import VISIBLE
from portrait_prep.stages.models import registry
from portrait_prep.stages.models.engines import Engine, NetworkSource, Unusable, in_torch
from portrait_prep.stages.models.wav2vec2_size import Size

torch = pytest.importorskip("torch", reason="PyTorch is not here: no network can be made")
pytest.importorskip("onnx", reason="onnx is not here: no network can be exported")


class Brightest(torch.nn.Module):  # type: ignore[misc, name-defined]
    """From float32 [n, 3, h, w] to classes uint8 [n, h, w], over a wide layer that takes memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide = torch.nn.Conv2d(3, width, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return torch.argmax(self.wide(x), dim=1).to(torch.uint8)


def numbers() -> Any:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 36, 5))


def seeded(build: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return build()


SMALL = {
    "bisenet": Subject(partial(seeded, partial(Brightest, 4)), (3, 8, 8), 2),
    "tddfa": Subject(partial(seeded, numbers), (3, 8, 8), 3),
}
WIDE = Subject(partial(seeded, partial(Brightest, 64)), (3, 128, 128), 2)


def test_networks_that_agree_are_told_apart_from_such_that_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agreement.agree(tmp_path, "cpu", SMALL).holds

    def rounded(source: NetworkSource) -> Engine:
        """As by TF32, which keeps ten bits of a factor."""
        itself = in_torch(source, "cpu").run

        def run(rows: NDArray[np.float32]) -> NDArray[Any]:
            return itself((rows.view(np.uint32) & 0xFFFFE000).view(np.float32))

        return Engine(run, "TF32")

    monkeypatch.setattr(agreement, "programs", lambda device: [rounded])
    assert agreement.agree(tmp_path, "cpu", {"tddfa": SMALL["tddfa"]}).holds is False


def test_a_device_that_no_program_can_use_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: NetworkSource) -> Engine:
        raise Unusable("no CUDA")

    monkeypatch.setattr(agreement, "programs", lambda device: [refuse])
    verdict = agreement.agree(tmp_path, "cuda", SMALL)
    assert verdict.holds is False
    assert "| tddfa | no CUDA | | |" in verdict.table


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (np.array([1, 2, 3, 4], np.uint8), np.array([1, 2, 0, 4], np.uint8), 0.25),
        (np.array([0.0, 2.0]), np.array([0.5, 2.0]), 0.5),
    ],
)
def test_what_a_difference_is(one: NDArray[Any], other: NDArray[Any], expected: float) -> None:
    assert agreement.difference(one, other) == expected


def test_speed_is_told_of_each_network_and_batch_and_judged_on_a_device_only(tmp_path: Path) -> None:
    verdict = speed.race(tmp_path, "cpu", 0.01, (1, 2), SMALL)
    assert verdict.holds is None
    assert [line.split(" |")[0] for line in verdict.table[2:]] == ["| bisenet", "| tddfa"]


def test_speech_is_compared_and_its_speed_judged_on_a_device_only(tmp_path: Path) -> None:
    small = Size(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7)
    same, faster = speech.compare(tmp_path, "cpu", 1.0, small)
    assert (same.holds, faster.holds) == (True, None)


@pytest.mark.slow
def test_memory_that_really_runs_out_halves_the_batch(tmp_path: Path) -> None:
    halved, without = memory.run_out(tmp_path, "cpu", WIDE, batch=32)
    assert halved.holds, halved.seen
    assert without.holds, without.seen


# --- who worked when --------------------------------------------------------------------------------------------------


def work(*intervals: Interval) -> Work:
    return Work(intervals, np.array([0.5, 0.7]), np.array([0.2, 0.4]), frames=100, wall=10.0)


CUDA = "CUDAExecutionProvider"


@pytest.mark.parametrize(
    ("other", "at_once", "share"),
    [((0.0, 10.0), 1.0, 1.0), ((0.0, 5.0), 0.0, 0.5), ((2.5, 7.5), 0.5, 0.5)],
)
def test_shares_of_time_are_told_by_the_records(other: tuple[float, float], at_once: float, share: float) -> None:
    worked = work(Interval("a", 5.0, 10.0, CUDA), Interval("a", 0.0, 0.0, None), Interval("b", *other, None))
    assert worked.owners("cuda") == {"a"}
    assert worked.share({"a"}) == 0.5
    assert worked.share({"b"}) == share
    assert worked.at_once() == pytest.approx(at_once, abs=0.03)
    assert worked.busiest("cuda") == pytest.approx(max(0.5, (0.5 + share) / 2))


def test_a_network_that_fell_back_to_the_cpu_is_none_of_the_device() -> None:
    fallen = work(Interval("a", 0.0, 5.0, "CPUExecutionProvider"))
    assert not fallen.owners("cuda")
    assert fallen.owners("cpu") == {"a"}


def test_how_busy_a_device_is_nvidia_smi_samples_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nprintf "40\\n[N/A]\\n60\\n"\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(mixed, "chosen", lambda setting: ("GPU-1",))
    with mixed.watched_devices(tmp_path / "samples", "cuda") as samples:
        while "60" not in (tmp_path / "samples").read_text():
            time.sleep(0.02)
    assert samples == [0.4, 0.6]
    assert (tmp_path / "asked").read_text().startswith("-i GPU-1 --query-gpu=utilization.gpu")


@pytest.fixture
def _unaltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run with weights of its own changes in this process is changed back."""
    monkeypatch.setattr(registry, "MODELS", registry.MODELS)
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, "")


@pytest.mark.slow
@pytest.mark.usefixtures("_unaltered")
def test_a_mixed_run_on_workers_with_weights_of_its_own(tmp_path: Path) -> None:
    verdict = mixed.keep_busy(tmp_path, "cpu", Mix(copies=1, seconds=0.32), (1,), workers=2)
    assert verdict.holds is None
    assert "no network ran" not in verdict.seen
    (line,) = verdict.table[2:]
    assert line.startswith("| 1 | ")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("holds", "code", "word"), [(True, 0, "PROVED"), (False, 1, "DISPROVED"), (None, 0, "NOT")])
def test_one_claim_that_does_not_hold_is_exit_code_1(
    holds: bool | None, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parts: dict[str, trial.Part] = {
        "one": lambda folder: [Verdict("a", True, "b", ["| a |"])],
        "two": lambda folder: [Verdict("c", holds, "d")],
    }
    assert trial.carry_out(parts) == code
    told = capsys.readouterr().out
    assert "| a |" in told
    assert f"\n{word}" in told


def test_a_part_that_breaks_is_disproved_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(folder: Path) -> Any:
        raise RuntimeError("CUDA error: no kernel image")

    assert trial.carry_out({"one": broken, "two": lambda folder: [Verdict("c", True, "d")]}) == 1
    told = capsys.readouterr()
    assert "DISPROVED: one can be tried (RuntimeError: CUDA error: no kernel image)" in told.out
    assert "PROVED: c (d)" in told.out


def test_without_a_gpu_it_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VISIBLE, "")
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert trial.main() == 2
    told = capsys.readouterr()
    assert told.err == "No GPU that can be used is here: try it with --device cpu.\n"
    assert told.out == ""

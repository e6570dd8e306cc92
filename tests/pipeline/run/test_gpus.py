"""Which GPUs a run uses, and who works with them. No GPU is needed: workers own what a test says that there is."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster
from hypothesis import given
from hypothesis import strategies as st

from portrait_prep.pipeline.declare.stage import Batch, Job, Stage
from portrait_prep.pipeline.run import cluster, gpus
from portrait_prep.pipeline.run.executor import Executor, InProcessExecutor
from portrait_prep.pipeline.run.gpus import VISIBLE, chosen, devices_of, find_devices, visible
from portrait_prep.pipeline.run.opening import open_executor
from portrait_prep.pipeline.run.scheduler import Scheduler
from portrait_prep.pipeline.session import Session
from portrait_prep.pipeline.status.survey import survey
from tests.pipeline.toy import COUNT, SCALE, TOTAL, ScaleParams, add_videos, count, numbers, scale, tables

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000000)
  MIG 1g.5gb      Device  0: (UUID: MIG-33333333-aaaa-bbbb-cccc-000000000000)
  MIG 1g.5gb      Device  1: (UUID: MIG-44444444-aaaa-bbbb-cccc-000000000000)
"""
WHOLE, *PARTS = (
    "GPU-11111111-aaaa-bbbb-cccc-000000000000",
    "MIG-33333333-aaaa-bbbb-cccc-000000000000",
    "MIG-44444444-aaaa-bbbb-cccc-000000000000",
)


# --- which -----------------------------------------------------------------------------------------------------------


def test_a_gpu_that_is_cut_up_stands_for_its_parts() -> None:
    assert devices_of(LISTING) == (WHOLE, *PARTS)


@pytest.mark.parametrize("listing", ["", "No devices were found\n", "NVIDIA-SMI has failed because it could not\n"])
def test_where_nothing_is_listed_there_is_none(listing: str) -> None:
    assert devices_of(listing) == ()


@pytest.mark.parametrize(
    ("variable", "left"),
    [
        (None, ("GPU-aa", "GPU-ab")),
        ("", ()),
        ("-1", ()),
        ("1", ("1",)),
        ("1, 0", ("1", "0")),
        ("0,7,1", ("0",)),
        ("GPU-ab", ("GPU-ab",)),
        ("GPU-a,0", ("GPU-a", "0")),
        ("GPU-b,0", ()),
        ("NoDevFiles", ()),
    ],
)
def test_the_environment_says_which_of_them_are_seen(variable: str | None, left: tuple[str, ...]) -> None:
    assert visible(("GPU-aa", "GPU-ab"), variable) == left


@given(
    setting=st.sampled_from(["auto", "off"]) | st.integers(0, 5), there=st.lists(st.uuids(), max_size=4, unique=True)
)
def test_never_more_than_the_setting_allows_nor_than_there_are(setting: Any, there: list[Any]) -> None:
    found = chosen(setting, lambda: [str(device) for device in there])
    allowed = {"auto": 4, "off": 0}.get(setting, setting)
    assert list(found) == [str(device) for device in there][:allowed]


@pytest.mark.parametrize("setting", ["off", 0])
def test_where_none_is_allowed_the_machine_is_not_even_asked(setting: Any) -> None:
    def never() -> list[str]:
        raise AssertionError

    assert chosen(setting, never) == ()


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A machine whose nvidia-smi is this script."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv(VISIBLE, raising=False)


def test_devices_are_those_that_the_driver_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "listing").write_text(LISTING)
    pretend(monkeypatch, tmp_path, f'[ "$1" = -L ] && cat "{tmp_path}/listing"')
    monkeypatch.setattr(gpus, "_onnxruntime_has_cuda", lambda: True)
    assert find_devices() == (WHOLE, *PARTS)
    monkeypatch.setenv(VISIBLE, "2")
    assert find_devices() == ("2",)


def test_a_device_whose_name_is_no_utf8_is_one_like_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, r"printf 'GPU 0: NVIDIA \377 (UUID: GPU-11)\n'")
    monkeypatch.setattr(gpus, "_onnxruntime_has_cuda", lambda: True)
    assert find_devices() == ("GPU-11",)


def test_a_driver_that_fails_costs_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    pretend(monkeypatch, tmp_path, "exit 9")
    assert find_devices() == ()
    (line,) = [record.getMessage() for record in logged]
    assert "nvidia-smi does not answer" in line


def test_a_gpu_that_no_program_can_use_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    pretend(monkeypatch, tmp_path, f"echo 'GPU 0: X (UUID: {WHOLE})'")
    monkeypatch.setattr(gpus, "_onnxruntime_has_cuda", lambda: False)
    monkeypatch.setattr(gpus, "TORCH_SEES_CUDA", "import sys; sys.exit(1)")
    assert find_devices() == ()
    (line,) = [record.getMessage() for record in logged]
    assert "install onnxruntime-gpu" in line
    monkeypatch.setattr(gpus, "TORCH_SEES_CUDA", "pass")
    assert find_devices() == (WHOLE,)


def test_the_scheduler_loads_no_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    before = "torch" in sys.modules
    find_devices()
    assert ("torch" in sys.modules) is before


# --- who -------------------------------------------------------------------------------------------------------------


class Faster(ScaleParams):
    """Parameters of a stage that gains by a GPU if they say so."""

    network: bool = True


def note(job: Job[Faster]) -> Iterator[Batch]:
    """As `scale`, telling what it ran with. One video kills the first process that computes it on a GPU."""
    job.metrics |= {"gpu": job.gpu, "device": os.environ.get(VISIBLE), "process": os.getpid()}
    mark = job.source.with_suffix(".deadly")
    if job.gpu and mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    yield from scale(job)


def tell(job: Job[Any]) -> Iterator[Batch]:
    """As `count`, telling what it ran with."""
    job.metrics |= {"gpu": job.gpu, "process": os.getpid()}
    time.sleep(0.05)
    yield from count(job)


def _has_network(params: Any) -> bool:
    return bool(params.network)


NETWORKED: tuple[Stage[Any], ...] = (
    replace(COUNT, process=tell),
    replace(SCALE, process=note, params=Faster, gpu=_has_network),
    TOTAL,
)
VIDEOS = {f"{letter}{k}": numbers(5 + k) for letter in "abc" for k in range(4)}


def networked(root: Path, setting: str = "'auto'", network: bool = True) -> Session:
    session = add_videos(root, VIDEOS)
    session.workspace.settings.write_text(f"[run]\ngpu = {setting}\n[scale]\nnetwork = {str(network).lower()}\n")
    session.workspace.logs.mkdir()
    return Session(session.workspace, NETWORKED)


def work(session: Session, workers: int, devices: Sequence[str], scheduler: str | None = None) -> Executor:
    """Run everything, on a machine with these devices."""
    log_file, settings = session.workspace.logs / "workers.log", session.settings.run
    with (
        session.held(),
        open_executor(
            workers, scheduler, log_file, settings.gpu, settings.gpu_workers, lambda: tuple(devices)
        ) as executor,
    ):
        Scheduler(session.workspace, session.planner, session.videos, executor, session.select((), (), False)).run()
    return executor


def told(session: Session, stage: str, *metrics: str) -> list[tuple[Any, ...]]:
    """What the videos of a stage ran with; all are done."""
    found = [
        video_status.statuses[stage].record
        for shard in survey(session.workspace, session.planner, session.videos)
        for video_status in shard
    ]
    assert all(record and record.done for record in found)
    return [tuple(record.metrics[name] for name in metrics) for record in found if record]


def said(logged: list[logging.LogRecord]) -> list[str]:
    """What the pipeline, and not dask, had to say."""
    return [record.getMessage() for record in logged if record.name.startswith("portrait_prep.pipeline.")]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of a run by one process without a GPU."""
    session = networked(tmp_path_factory.mktemp("quiet") / "w", "'off'")
    work(session, 0, ())
    return tables(session.workspace.root)


def test_one_worker_owns_each_device_and_only_those_run_what_wants_it(tmp_path: Path, quiet: dict[str, Any]) -> None:
    session = networked(tmp_path / "w", "2")
    work(session, 3, ["0", "GPU-fake", "one more than is allowed"])
    ran = set(told(session, "scale", "gpu", "device", "process"))
    assert sorted((gpu, device) for gpu, device, _ in ran) == [(True, "0"), (True, "GPU-fake")]
    others = set(told(session, "count", "gpu", "process"))
    assert {gpu for gpu, _ in others} == {False}
    assert {process for *_, process in others} > {process for *_, process in ran}, "any worker does what wants none"
    assert tables(session.workspace.root) == quiet


def test_several_workers_share_a_device_and_each_has_a_task_of_its_own(tmp_path: Path, quiet: dict[str, Any]) -> None:
    session = networked(tmp_path / "w", "'auto'\ngpu_workers = 2")
    executor = work(session, 3, ["GPU-fake"])
    ran = set(told(session, "scale", "gpu", "device", "process"))
    assert [(gpu, device) for gpu, device, _ in ran] == [(True, "GPU-fake")] * 2
    assert len({process for *_, process in ran}) == executor.gpus == 2
    assert tables(session.workspace.root) == quiet


@given(share=st.integers(1, 2**40), owners=st.integers(0, 3), others=st.integers(0, 3))
def test_a_worker_with_a_gpu_may_use_the_memory_that_cuda_takes(share: int, owners: int, others: int) -> None:
    workers = max(1, owners + others)
    options = cluster.worker_options(workers, ["0"] * owners, cluster.WorkerSetup(Path("log"), 0), share * workers)
    limits = [options[number]["options"]["memory_limit"] for number in range(workers)]
    assert limits[owners:] == [share] * (workers - owners)
    assert all(share <= limit <= share * workers for limit in limits)
    assert all(limit >= min(share * workers, cluster.GPU_WORKER_MEMORY) for limit in limits[:owners])


def test_a_worker_that_dies_is_followed_by_one_with_the_same_device(tmp_path: Path, quiet: dict[str, Any]) -> None:
    session = networked(tmp_path / "w")
    (victim,) = (video for video in session.videos if video.video_id == "b1")
    victim.path.with_suffix(".deadly").touch()
    work(session, 2, ["GPU-fake"])
    assert not victim.path.with_suffix(".deadly").exists(), "it died"
    assert set(told(session, "scale", "gpu", "device")) == {(True, "GPU-fake")}
    assert len(set(told(session, "scale", "process"))) == 2
    assert tables(session.workspace.root) == quiet


def test_without_a_gpu_any_worker_runs_it_and_one_line_says_so(
    tmp_path: Path, quiet: dict[str, Any], logged: list[logging.LogRecord]
) -> None:
    session = networked(tmp_path / "w")
    work(session, 2, ())
    assert said(logged) == ["No GPU is used (none was found): everything runs on the CPU."]
    assert set(told(session, "scale", "gpu", "device")) == {(False, "")}
    assert len(set(told(session, "scale", "process"))) == 2
    assert tables(session.workspace.root) == quiet


def test_an_existing_cluster_brings_its_own(tmp_path: Path, quiet: dict[str, Any]) -> None:
    session = networked(tmp_path / "w")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", resources={"GPU": 1}
    ) as cluster:
        cluster.new_spec = {**cluster.new_spec, "options": {**cluster.new_spec["options"], "resources": {}}}
        cluster.scale(2)
        cluster.wait_for_workers(2)
        work(session, 1, (), cluster.scheduler_address)
    assert {gpu for (gpu,) in told(session, "scale", "gpu")} == {True}
    (owner,) = set(told(session, "scale", "process"))
    assert set(told(session, "count", "process")) > {owner}
    assert tables(session.workspace.root) == quiet


@pytest.mark.parametrize(
    ("setting", "offered", "why"),
    [("'auto'", 0, "offers one: start those that own one with --resources GPU=1"), ("'off'", 1, "gpu = off")],
)
def test_a_cluster_without_gpus_or_with_no_leave_to_use_them_uses_none(
    setting: str, offered: int, why: str, tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    session = networked(tmp_path / "w", setting)
    options = {"processes": False, "dashboard_address": None, "resources": {"GPU": offered}}
    with LocalCluster(n_workers=1, threads_per_worker=1, **options) as cluster:
        work(session, 1, ["of no concern"], cluster.scheduler_address)
    assert {gpu for (gpu,) in told(session, "scale", "gpu")} == {False}
    (line,) = said(logged)
    assert why in line


@pytest.mark.parametrize("devices", [(), ("0", "1")])
def test_in_this_process_a_gpu_is_used_if_there_is_one(devices: Sequence[str], tmp_path: Path) -> None:
    session = networked(tmp_path / "w")
    executor = work(session, 0, devices)
    assert executor.gpus == len(devices[:1])
    assert {gpu for (gpu,) in told(session, "scale", "gpu")} == {bool(devices)}
    assert {gpu for (gpu,) in told(session, "count", "gpu")} == {False}


# --- and what it means -----------------------------------------------------------------------------------------------


def test_one_with_a_gpu_and_one_without_need_nothing_of_each_other(tmp_path: Path) -> None:
    session = networked(tmp_path / "w")
    work(session, 0, ["0"])
    fingerprints = told_fingerprints(session)
    session.workspace.settings.write_text("[run]\ngpu = 'off'\n")
    again = Session(session.workspace, NETWORKED)
    assert not again.run(again.select((), (), False), workers=0)[0].computed
    assert told_fingerprints(again) == fingerprints


def told_fingerprints(session: Session) -> list[str]:
    return [
        video_status.statuses["scale"].record.fingerprint
        for shard in survey(session.workspace, session.planner, session.videos)
        for video_status in shard
        if video_status.statuses["scale"].record
    ]


def test_a_run_says_once_that_it_uses_none(tmp_path: Path, logged: list[logging.LogRecord]) -> None:
    session = networked(tmp_path / "w", "0")
    session.run(session.select((), (), False), workers=0)
    assert said(logged) == ["No GPU is used (gpu = 0 in pipeline.toml): everything runs on the CPU."]


@pytest.mark.parametrize(("network", "stages"), [(False, ()), (True, ("count",))])
def test_where_no_stage_wants_one_nothing_is_said(
    network: bool, stages: tuple[str, ...], tmp_path: Path, logged: list[logging.LogRecord]
) -> None:
    session = networked(tmp_path / "w", network=network)
    run_counts, _ = session.run(session.select(stages, (), False), workers=0)
    assert run_counts.computed["count"] == len(VIDEOS)
    assert not said(logged)


class Busy(InProcessExecutor):
    """An executor of four with one GPU, whose tasks are finished one by one; it knows how many had a GPU at once."""

    size = 4

    def __init__(self) -> None:
        super().__init__(gpus=1)
        self.under_way: dict[Any, bool] = {}
        self.most = 0

    def submit(self, task: Callable[..., Any], *arguments: Any, gpu: bool = False) -> Any:
        future = super().submit(task, *arguments)
        self.under_way[future] = gpu
        self.most = max(self.most, sum(self.under_way.values()))
        return future

    def wait(self, futures: Sequence[Any]) -> list[Any]:
        self.under_way.pop(futures[0])
        return [futures[0]]


def test_as_many_tasks_are_under_way_as_there_are_gpus(tmp_path: Path, quiet: dict[str, Any]) -> None:
    session, executor = networked(tmp_path / "w"), Busy()
    run_counts = Scheduler(
        session.workspace, session.planner, session.videos, executor, session.select((), (), False)
    ).run()
    assert run_counts.computed == {"count": 12, "scale": 12, "total": 12}
    assert executor.most == 1
    assert tables(session.workspace.root) == quiet

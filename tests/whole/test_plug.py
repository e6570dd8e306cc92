"""Pull the plug on the real stages: the tables must be those of a quiet run, and what was committed is kept."""

import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait_prep.cli.opening import open_session
from portrait_prep.pipeline.declare.workspace import Workspace
from portrait_prep.stages.order import STAGES
from tests.whole.runs import portrait_prep

TABLES = [stage.name for stage in STAGES if stage.name != "download" and stage.on is None]


def start(root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pipeline", "run", "-w", str(root), "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def tables(root: Path) -> dict[str, pa.Table]:
    return {
        f"{stage}/{path.name}": pq.read_table(path).replace_schema_metadata(None)
        for stage in TABLES
        for path in sorted((root / stage).glob("*.parquet"))
    }


def committed(root: Path) -> dict[str, int]:
    status_counts = open_session(root).status_counts()
    return {stage: counts.total() - counts["pending"] for stage, counts in status_counts.by_video.items()}  # type: ignore[index]


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Two; fewer where a run has so little left to do that it starts no more, or is over."""
    for tries in range(400):
        if process.poll() is not None:
            return []
        found = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "spawn_main" in " ".join(child.cmdline())
        ]
        if len(found) >= 2 or (found and tries > 40):
            return found
        time.sleep(0.05)
    raise TimeoutError("no workers came")


@pytest.fixture(scope="module")
def sources(demo_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of the demo and the truncated one."""
    folder = tmp_path_factory.mktemp("few")
    for name in ("astronaut-24fps", "double-30fps-square", "double-variable", "truncated"):
        (path,) = (path for path in demo_sources.glob(f"{name}.*") if path.suffix != ".json")
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def quiet(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """What a run comes to that nothing disturbs, with one worker fewer."""
    root = tmp_path_factory.mktemp("quiet") / "w"
    portrait_prep("init", "folder", "-w", root, "--source", sources)
    assert portrait_prep("run", "-w", root, "--workers", "1").returncode == 1
    return tables(root)


def test_plugs_pulled_at_random_cost_nothing_that_was_committed(
    sources: Path, quiet: dict[str, pa.Table], tmp_path: Path
) -> None:
    root = tmp_path / "w"
    portrait_prep("init", "folder", "-w", root, "--source", sources)
    before = committed(root)
    for delay in (random.uniform(1, 3), random.uniform(2, 5)):
        process = start(root)
        workers_of(process)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        now = committed(root)
        assert all(now[stage] >= before[stage] for stage in now)
        before = now
    process = start(root)
    workers = workers_of(process)
    time.sleep(random.uniform(0.5, 2))
    for victim in random.sample(workers, min(1, len(workers))):
        with suppress(psutil.NoSuchProcess):  # it may be over with all its work
            victim.kill()
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 1, errors
    (line,) = (line for line in output.splitlines() if line.startswith("Computed"))
    told = {name: int(count) for name, count in re.findall(r"(\w+) (\d+)", line)}
    left = {stage: 4 - max(count, stage not in ("download", "normalize")) for stage, count in before.items()}
    taken_over = re.search(r"Taken over from an interrupted run: (\d+)", output)
    assert all(told[stage] <= left[stage] for stage in left)
    assert sum(told.values()) + int(taken_over[1] if taken_over else 0) == sum(left.values())
    found = tables(root)
    assert found.keys() == quiet.keys()
    for name, table in found.items():
        assert table.equals(quiet[name]), name
    assert not list(Workspace(root).leftovers())
    assert portrait_prep("audit", "-w", root, "--deep").returncode == 0


def test_a_new_video_is_the_only_one_computed(sources: Path, tmp_path: Path) -> None:
    folder, root = tmp_path / "videos", tmp_path / "w"
    folder.mkdir()
    first, second = (path for path in sorted(sources.iterdir()) if path.stem != "truncated" and "24" not in path.stem)
    (folder / first.name).symlink_to(first.resolve())
    portrait_prep("init", "folder", "-w", root, "--source", folder)
    assert portrait_prep("run", "-w", root, "--workers", "1").returncode == 0
    (folder / second.name).symlink_to(second.resolve())
    assert "2 videos (1 new)" in portrait_prep("init", "folder", "-w", root, "--source", folder).stdout
    done = portrait_prep("run", "-w", root, "--workers", "1")
    assert done.returncode == 0
    assert ", ".join(f"{stage.name} 1" for stage in STAGES if stage.on is None) in done.stdout

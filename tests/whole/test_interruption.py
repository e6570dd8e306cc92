"""A run that is broken off in the middle of a shard: what was finished is not computed again, and it ends quietly."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.pipeline.toy import tables
from tests.whole.runs import portrait_prep

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("interruptible")]

FINISHED = 3
"""Videos that are finished when the run is broken off, at least."""


def records(path: Path) -> list[dict[str, Any]]:
    """The records in a table's footer; none while it is being written."""
    try:
        footer = pq.read_metadata(path).metadata[b"portrait_prep"]
    except (OSError, pa.ArrowInvalid):
        return []
    found: list[dict[str, Any]] = json.loads(footer)["records"]
    return found


def started(paths: list[Path]) -> dict[str, str]:
    """Video -> when its computing started."""
    return {record["video_id"]: record["started"] for path in paths for record in records(path)}


def waiting(root: Path) -> list[Path]:
    """Tables of `normalize` that were not committed."""
    return list((root / "normalize").glob(".tmp-*.parquet"))


def broken_off(root: Path, number: int, workers: int) -> subprocess.CompletedProcess[str]:
    """Send a signal to all processes of a run, as a terminal does, when some videos are finished."""
    command = [sys.executable, "-m", "pipeline", "run", "normalize", "-w", str(root), "--workers", str(workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(started(waiting(root))) < FINISHED:
            assert process.poll() is None, "it ended before"
            time.sleep(0.05)
        os.killpg(process.pid, number)
        out, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


@pytest.fixture(scope="module")
def quiet(demo_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """The tables of a run that nothing disturbs."""
    root = tmp_path_factory.mktemp("quiet") / "w"
    prepared(root, demo_sources)
    portrait_prep("run", "normalize", "-w", root)
    return tables(root)


def prepared(root: Path, sources: Path) -> None:
    done = portrait_prep("init", "folder", "--source", sources, "-w", root)
    assert "in 1 shard" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("number", "workers"), [(signal.SIGKILL, 2), (signal.SIGINT, 2), (signal.SIGINT, 0), (signal.SIGTERM, 2)]
)
def test_what_was_finished_is_used(
    tmp_path: Path, demo_sources: Path, quiet: dict[str, pa.Table], number: int, workers: int
) -> None:
    root = tmp_path / "w"
    prepared(root, demo_sources)
    ended = broken_off(root, number, workers)
    if number != signal.SIGKILL:
        assert ended.returncode == 130
        assert ended.stderr.splitlines()[-1] == "portrait-prep: interrupted; run again to go on from here"
        assert all(records(path) for path in waiting(root)), "what is not whole is swept away"
    said = [ended.stderr, *(path.read_text(errors="replace") for path in (root / "logs").iterdir())]
    assert not [text for text in said if "Traceback" in text or "distributed" in text]
    before = started(waiting(root))
    done = portrait_prep("run", "normalize", "-w", root)
    assert f"Taken over from an interrupted run: {len(before)}." in done.stdout
    after = started(list((root / "normalize").glob("*-00000.parquet")))
    assert {video_id: after[video_id] for video_id in before} == before
    assert tables(root) == quiet
    assert not waiting(root)

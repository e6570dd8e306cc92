"""Ctrl-C goes to all processes of a terminal; only the one that the user started acts on it. Where libraries write."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from portrait_prep.errors import MissingPrerequisite
from tests.pipeline.toy import add_videos

PROGRAM = """
import multiprocessing, signal, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from portrait_prep.pipeline.run.process import children_uninterrupted

def child():
    command = [sys.executable, "-c", "print('begun', flush=True); input()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

threads = ThreadPoolExecutor(1)
with children_uninterrupted():
    threads.submit(multiprocessing.get_context("spawn").Queue).result()  # as dask does before it starts a worker
later = threads.submit(child).result()
own = child()
for process in (later, own):
    assert process.stdout.readline() == b"begun\\n"
    process.send_signal(signal.SIGINT)
later.communicate(b"\\n")
own.communicate()
print(later.returncode, own.returncode)
"""


@pytest.mark.usefixtures("interruptible")
def test_no_interrupt_reaches_what_the_threads_of_the_block_start() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"0 {-signal.SIGINT}\n", "")


@pytest.mark.parametrize("workers", [0, 1])
def test_temporary_files_need_a_folder_whose_name_is_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Else videos would fail for it, each by an error of its own."""
    folder = tmp_path / os.fsdecode(b"t\xff")
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    session = add_videos(tmp_path / "w", {"a1": "1 2"})
    with pytest.raises(MissingPrerequisite, match="TMPDIR"):
        session.run(session.select((), (), False), workers=workers)
    assert not session.workspace.shard("count", "toy-00000").exists()


def test_what_fails_in_this_process_is_told_in_the_log_and_not_to_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    session = add_videos(tmp_path / "w", {"a1": "1 2", "a2": "flaky"})
    session.run(session.select((), (), False), workers=0)
    log = session.workspace.log("workers.log").read_text()
    assert "Traceback" in log
    assert "it is flaky" in log
    assert "Traceback" not in capsys.readouterr().err + caplog.text

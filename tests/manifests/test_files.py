"""A file under its final name is whole, whoever writes, sweeps or dies beside it."""

import fcntl
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from portrait_prep.manifests.files import TEMPORARY, holds, replacing, writer_is_gone
from portrait_prep.manifests.manifest import write_manifest

PROJECT = Path(__file__).parents[2]


def left(folder: Path) -> list[Path]:
    """The temporary files that a sweep would take."""
    found = []
    for path in folder.glob(f"{TEMPORARY}*"):
        with writer_is_gone(path) as gone:
            found += [path] * gone
    return found


def test_what_is_being_written_has_a_writer(tmp_path: Path) -> None:
    with replacing(tmp_path / "page.html") as temporary:
        assert left(tmp_path) == []
        temporary.write_text("half")
        assert left(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("end", ["os._exit(1)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_what_a_dead_process_left_has_none(tmp_path: Path, end: str) -> None:
    script = (
        "import os, sys; from pathlib import Path; from portrait_prep.manifests.files import replacing\n"
        f"with replacing(Path(sys.argv[1], 'a')) as temporary: temporary.write_text('half'); {end}"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], cwd=PROJECT, check=False, stderr=subprocess.DEVNULL)
    assert [path.read_text() for path in left(tmp_path)] == ["half"]


def test_a_sweep_between_creation_and_claim_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file is swept away once in the moment before its writer holds it."""
    lock, swept = fcntl.flock, list[int]()

    def late(handle: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX and not swept:
            swept.append(handle)
            for path in left(tmp_path):
                path.unlink()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    assert swept
    assert (tmp_path / "a").read_text() == "whole"


def test_writers_and_a_sweep_at_the_same_time(tmp_path: Path) -> None:
    done = threading.Event()

    def sweep() -> None:
        while not done.is_set():
            for path in tmp_path.glob(f"{TEMPORARY}*"):
                with writer_is_gone(path) as gone:
                    if gone:
                        path.unlink(missing_ok=True)

    def write(number: int) -> None:
        with replacing(tmp_path / "report.html") as temporary:
            temporary.write_text(f"{number}\n" * 1000)

    with ThreadPoolExecutor(4) as threads:
        sweeper = threads.submit(sweep)
        list(threads.map(write, range(150)))
        done.set()
        sweeper.result()
    assert len(set((tmp_path / "report.html").read_text().split())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_disk_without_locks_takes_files_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(*_: object) -> NoReturn:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none_here)
    with replacing(tmp_path / "a") as temporary:
        temporary.write_text("whole")
    (tmp_path / f"{TEMPORARY}old").touch()
    assert [path.name for path in left(tmp_path)] == [f"{TEMPORARY}old"]


def test_rights_are_those_of_any_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_text("whole")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_what_is_no_file_has_none_and_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{TEMPORARY}pipe")
    (tmp_path / f"{TEMPORARY}folder").mkdir()
    (tmp_path / f"{TEMPORARY}link").symlink_to("/nowhere")
    assert len(left(tmp_path)) == 3


def test_a_file_of_another_size_is_not_read_to_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert not holds(path, b"")
    assert not holds(tmp_path, b"")
    path.write_bytes(b"same")
    assert holds(path, b"same")
    assert not holds(path, b"some")
    os.truncate(path, 1 << 40)
    assert not holds(path, b"same")
    write_manifest(path, {"quality": 1})
    assert path.read_bytes() == b'{\n "quality": 1\n}\n'

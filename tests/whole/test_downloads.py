"""Corpora whose files lie on a server, as a user brings them home: each source once, and each failure its own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clips import clicks, portrait, steady, write_clip
from tests.hdtf_lists import lists
from tests.stages.fetch.server import Server, Turn
from tests.whole.contract import check_media
from tests.whole.runs import columns, portrait_prep

STAGES = ("download", "normalize")
ASKED = 2
"""Requests for one video: what it is, and then itself."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """6 s of a portrait with sound."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    sound = clicks(6, 48000, [1, 2, 4])
    return write_clip(path, steady(25, 6), portrait(320, 240), sound=sound).read_bytes()


def with_catalogue(folder: Path, addresses: dict[str, str], **settings: Any) -> Path:
    """A workspace of HDTF: of each person two intervals that overlap."""
    rows = [(name, 240, "00:00-00:03 00:02-00:05", ["", ""]) for name in addresses]
    lists(folder / "lists", rows, addresses=addresses)
    done = portrait_prep("init", "hdtf", "-w", folder / "w", "--annotations", folder / "lists")
    assert done.returncode == 0, done.stderr
    configure(folder / "w", **{"reserve": 0.0, "retries": 0, "timeout": 3.0, **settings})
    return folder / "w"


def configure(root: Path, **settings: Any) -> None:
    """Set keys of [download]."""
    text = (root / "pipeline.toml").read_text()
    head, table, rest = text.partition("[download]\n")
    lines = rest.split("\n")
    for name, value in settings.items():
        (line,) = (number for number, line in enumerate(lines) if line.startswith(f"{name} = "))
        lines[line] = f"{name} = {json.dumps(value)}"
    (root / "pipeline.toml").write_text(head + table + "\n".join(lines))


def outcome(root: Path, video_id: str, stage: str) -> str:
    """`done`, or what the manifest says against it."""
    told = json.loads((root / "manifests" / f"{video_id}.json").read_text())["stages"][stage]
    return "done" if told["outcome"] == "done" else str(told["error"]["message"])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, server: Server, film: bytes) -> Path:
    """Ann and Bob, whose video comes; Cat, who is gone; Dan, whose server hangs; Eve, who may not be seen."""
    addresses = {
        "Ann": server.put("/ann.mp4", film),
        "Bob": server.put("/bob.mp4", film),
        "Cat": f"{server.address}/cat.mp4",
        "Dan": server.put("/dan.mp4", film, always=Turn(stop_after=1000, silence=30)),
        "Eve": server.put("/eve.mp4", film, always=Turn(status=403)),
    }
    root = with_catalogue(tmp_path_factory.mktemp("hdtf"), addresses)
    done = portrait_prep("run", *STAGES, "-w", root, "--workers", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    return root


def test_each_source_is_fetched_once_and_each_failure_is_its_own(workspace: Path, server: Server) -> None:
    for name in ("Ann", "Bob"):
        for number in range(2):
            check_media(workspace, f"WDA_{name}_{number:03d}")
        assert len(server.of(f"/{name.lower()}.mp4")) == ASKED
    reasons = {"Cat": "404", "Dan": "sent nothing|timed out|did not come", "Eve": "403"}
    for name, words in reasons.items():
        for number in range(2):
            told = outcome(workspace, f"WDA_{name}_{number:03d}", "download")
            assert any(word in told for word in words.split("|")), told


def test_what_did_not_come_has_failed_and_the_catalogue_adds_up(workspace: Path) -> None:
    told = json.loads(portrait_prep("status", "-w", workspace, "--json").stdout)
    counts = {name: told["stages"][name]["videos"] for name in STAGES}
    assert counts["download"] == {"done": 4, "failed": 6, "blocked": 0, "pending": 0, "stale": 0}
    assert counts["normalize"] == {"done": 4, "failed": 0, "blocked": 6, "pending": 0, "stale": 0}
    assert {(row["video_id"][4:7], row["stage"]) for row in told["failed"]} == {
        (name, "download") for name in ("Cat", "Dan", "Eve")
    }


def test_a_second_run_asks_for_nothing_that_came_or_never_will(workspace: Path, server: Server) -> None:
    before = len(server.log)
    again = portrait_prep("run", *STAGES, "-w", workspace, "--workers", "0")
    assert again.returncode == 1
    assert {exchange.path for exchange in server.log[before:]} == {"/dan.mp4"}  # it only was slow


def test_a_server_that_recovers_is_asked_again(workspace: Path, server: Server, film: bytes) -> None:
    server.put("/dan.mp4", film)
    again = portrait_prep("run", *STAGES, "-w", workspace, "--workers", "0")
    assert again.returncode == 1  # Cat and Eve
    assert outcome(workspace, "WDA_Dan_001", "normalize") == "done"


def test_a_fetched_file_may_go_when_it_is_normalized_and_comes_back_when_it_is_needed(
    workspace: Path, server: Server
) -> None:
    sources = [path for path in (workspace / "sources").iterdir() if not path.name.startswith(".")]
    for path in sources:
        path.unlink()
    before = len(server.log)
    idle = portrait_prep("run", *STAGES, "-w", workspace, "--workers", "0")
    assert "download 0, normalize 0" in idle.stdout
    assert len(server.log) == before
    text = (workspace / "pipeline.toml").read_text()
    (workspace / "pipeline.toml").write_text(text.replace("crf = 17", "crf = 20"))
    again = portrait_prep("run", *STAGES, "-w", workspace, "--workers", "0", "--only", "WDA_Ann_000", "WDA_Ann_001")
    assert "download 2, normalize 4" in again.stdout, again.stdout + again.stderr  # normalize twice: first in vain
    assert outcome(workspace, "WDA_Ann_001", "normalize") == "done"
    assert {exchange.path for exchange in server.log[before:]} == {"/ann.mp4"}
    (digest,) = columns(workspace, "download", "WDA_Ann_000", "sha256")
    assert len(digest[0]) == 64


def test_no_transfer_begins_that_the_disk_has_no_room_for(tmp_path: Path, server: Server, film: bytes) -> None:
    root = with_catalogue(tmp_path, {"Ann": server.put("/room.mp4", film)})
    configure(root, reserve=100_000)
    done = portrait_prep("run", *STAGES, "-w", root, "--workers", "1")
    assert done.returncode == 1
    assert "make room on it" in outcome(root, "WDA_Ann_000", "download")
    assert "Traceback" not in done.stderr
    assert len(server.of("/room.mp4")) < ASKED


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_run_goes_on_where_the_transfer_stopped(
    tmp_path: Path, server: Server, film: bytes, workers: str
) -> None:
    path = f"/killed{workers}.mp4"
    half = len(film) // 2
    root = with_catalogue(
        tmp_path, {"Ann": server.put(path, film, Turn(), Turn(stop_after=half, silence=60))}, timeout=60.0
    )
    command = [sys.executable, "-m", "pipeline", "run", "download", "-w", str(root), "--workers", workers]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while server.of(path)[-1:] == [] or server.of(path)[-1].sent < half or len(server.of(path)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        process.kill()
    done = portrait_prep("run", *STAGES, "-w", root, "--workers", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    check_media(root, "WDA_Ann_000")
    assert server.of(path)[-1].sent < len(film)

"""What a user gets wrong ends in one sentence on stderr, exit code 2, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.whole.runs import portrait_prep


def refused(*arguments: str | Path) -> str:
    """The sentence."""
    done = portrait_prep(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("portrait-prep: ")
    return lines[0]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    source = tmp_path / "videos"
    source.mkdir()
    (source / "a.mp4").write_bytes(b"no video")
    root = tmp_path / "w"
    assert portrait_prep("init", "folder", "-w", root, "--source", source).returncode == 0
    return root


def test_wrong_words() -> None:
    assert "frobnicate" in refused("frobnicate")
    assert "--bogus" in refused("run", "--bogus")
    assert "hdtfx" in refused("init", "hdtfx")
    assert "--source" in refused("init", "folder")


def test_wrong_paths(tmp_path: Path) -> None:
    assert "no folder" in refused("init", "folder", "-w", tmp_path / "w", "--source", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "no videos" in refused("init", "folder", "-w", tmp_path / "w", "--source", tmp_path / "empty")
    assert "init" in refused("run", "-w", tmp_path / "nothing")
    assert "init" in refused("status", "-w", tmp_path / "nothing")
    assert "init" in refused("report", "-w", tmp_path / "nothing")
    (tmp_path / "file").touch()
    assert "cannot be read" in refused("status", "-w", tmp_path / "file")
    assert not (tmp_path / "w").exists()


def test_a_workspace_whose_name_no_table_can_be_opened_by(tmp_path: Path) -> None:
    """As it was unpacked from an archive of another system."""
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").write_bytes(b"no video")
    assert "not valid UTF-8" in refused("init", "folder", "-w", bad, "--source", tmp_path / "videos")
    assert not Path(bad).exists()
    assert "not valid UTF-8" in refused("status", "-w", bad)


def test_wrong_names(workspace: Path) -> None:
    assert "the stages are download" in refused("run", "torsos", "-w", workspace)
    assert "no video 'b'" in refused("run", "-w", workspace, "--only", "b")
    assert "at least one" in refused("run", "-w", workspace, "--only")
    assert "no video 'b'" in refused("manifest", "b", "-w", workspace)
    assert "scheduler" in refused("run", "-w", workspace, "--scheduler", "tcp://127.0.0.1:1")


def test_a_wrong_setting_is_named_with_what_is_allowed(workspace: Path) -> None:
    settings = workspace / "pipeline.toml"
    settings.write_text(settings.read_text().replace("min_width = 50.0", "min_width = -1"))
    assert "[torso] min_width = -1 is not allowed: must be greater than or equal to 8" in refused(
        "run", "-w", workspace
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_workspace_that_cannot_be_written(workspace: Path) -> None:
    workspace.chmod(0o500)
    try:
        assert "not writable" in refused("run", "-w", workspace)
    finally:
        workspace.chmod(0o700)


def test_a_folder_where_a_file_belongs_is_named_and_not_what_was_to_be_put_there(tmp_path: Path) -> None:
    new = tmp_path / ".tmp-new"
    new.touch()
    (tmp_path / "manifests.parquet").mkdir()
    text = "from pathlib import Path\nfrom portrait_prep.cli import main\n"
    text += f"main.app = lambda: Path({str(new)!r}).replace({str(tmp_path / 'manifests.parquet')!r})\nmain.main()"
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (2, f"portrait-prep: {tmp_path / 'manifests.parquet'}: Is a directory.\n")


def test_a_file_where_the_workspace_should_be(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be made" in refused("init", "folder", "-w", tmp_path / "file", "--source", tmp_path / "videos")


def test_no_ffmpeg(workspace: Path, monkeypatch: pytest.MonkeyPatch, demo_sources: Path) -> None:
    assert portrait_prep("init", "folder", "-w", workspace, "--source", demo_sources).returncode == 0
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/nonexistent/ffmpeg")
    assert "ffmpeg" in refused("run", "-w", workspace, "--workers", "1")


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 1.0, 3.0])
def test_an_interrupt_is_one_sentence(workspace: Path, demo_sources: Path, number: int, delay: float) -> None:
    portrait_prep("init", "folder", "-w", workspace, "--source", demo_sources)
    command = [sys.executable, "-m", "pipeline", "run", "-w", str(workspace), "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (workspace / "logs").is_dir():
        time.sleep(0.02)  # until the run has begun
    time.sleep(delay)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "portrait-prep: interrupted; run again to go on from here\n"


def test_a_reader_that_has_had_enough(workspace: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "status", "-w", str(workspace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_an_unfit_file_fails_and_the_run_goes_on(workspace: Path) -> None:
    done = portrait_prep("run", "-w", workspace, "--workers", "0")
    assert done.returncode == 1
    assert "a: normalize failed" in done.stdout

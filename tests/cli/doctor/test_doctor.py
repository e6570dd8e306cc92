import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest
from yt_dlp import YoutubeDL

from portrait_prep.cli.doctor import checks as doctor
from portrait_prep.cli.doctor import machine
from portrait_prep.cli.doctor.checks import Check, conclusion, examine
from portrait_prep.errors import MissingPrerequisite
from portrait_prep.stages.models import registry


def script(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
    path.chmod(0o755)
    return str(path)


def missing() -> str:
    raise RuntimeError("No ffmpeg exe could be found.")


def not_importable() -> str:
    raise ImportError("No module named 'imageio_ffmpeg'")


def test_here_ffmpeg_models_and_libraries_work(tmp_path: Path) -> None:
    checks = {check.name: check for check in examine(tmp_path / "not" / "there")}
    for name in ("ffmpeg", "native libraries", "workspace", "model face_landmark_with_attention"):
        assert checks[name].ok, checks[name].line()
        assert checks[name].line().startswith(f"OK  {name}: ")
    assert not list(tmp_path.iterdir())


def test_a_missing_ffmpeg_is_found_and_the_advice_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for finder in (missing, not_importable, lambda: "/no/such/ffmpeg"):
        monkeypatch.setattr(doctor, "find_ffmpeg", finder)
        check = doctor.check_ffmpeg()
        assert not check.ok
        assert check.essential
        assert check.line().startswith("!!  ffmpeg: ")
        assert "reinstall the package 'imageio-ffmpeg'" in check.line()


def test_an_ffmpeg_without_an_encoder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = script(
        tmp_path,
        """\
        echo 'Encoders:'
        echo ' V..... = Video libx264'
        echo ' ------'
        echo ' A....D aac    AAC'
        echo ' A....D pcm_s16le  PCM, not libx264'
        """,
    )
    monkeypatch.setattr(doctor, "find_ffmpeg", lambda: program)
    check = doctor.check_ffmpeg()
    assert not check.ok
    assert "no libx264 (every video needs it)" in check.finding
    assert "no aac" not in check.finding


def test_what_is_essential_decides_the_last_line() -> None:
    fine, wish = Check("a", True, "works"), Check("b", False, "is small", "make room", essential=False)
    assert conclusion([fine]) == "Everything that the pipeline needs works."
    assert "worth seeing to: b" in conclusion([fine, wish])
    with pytest.raises(MissingPrerequisite, match=r"see to c\.$"):
        conclusion([fine, wish, Check("c", False, "is not there", "get it")])


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10, 1), False), ((3, 11, 0), True), ((3, 12, 9), True), ((3, 13, 0), False)]
)
def test_the_python_must_be_one_that_mediapipe_has_wheels_for(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], ok: bool
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert doctor.check_python().ok is ok


class Shelf:
    """Installed distributions: name -> (version, requirements)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shelf: dict[str, tuple[str, list[str]]]) -> None:
        self._shelf = shelf
        monkeypatch.setattr(metadata, "version", lambda name: self._found(name)[0])
        monkeypatch.setattr(metadata, "requires", lambda name: self._found(name)[1])

    def _found(self, name: str) -> tuple[str, list[str]]:
        if name not in self._shelf:
            raise metadata.PackageNotFoundError(name)
        return self._shelf[name]


def test_versions_are_checked_through_all_that_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf(
        monkeypatch,
        {
            "portrait-prep": (
                "1",
                ["numpy>=2", "Media_Pipe==0.10.14", "imageio[ffmpeg]", "gone", "ruff; extra == 'dev'"],
            ),
            "numpy": ("1.26.4", []),
            "media-pipe": ("0.10.14", ["protobuf<5", "portrait-prep"]),
            "protobuf": ("5.0rc1", []),
            "imageio": ("2", ["imageio-ffmpeg; extra == 'ffmpeg'", "tifffile; extra == 'tiff'"]),
        },
    )
    assert sorted(machine.unmet("portrait-prep")) == [
        "gone is not installed, portrait-prep wants it",
        "imageio-ffmpeg is not installed, imageio wants it",
        "numpy is 1.26.4, portrait-prep wants >=2",
        "protobuf is 5.0rc1, media-pipe wants <5",
    ]
    check = doctor.check_packages()
    assert not check.ok
    assert "make setup" in check.line()


def test_the_packages_of_a_whole_environment_are_named_with_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf(monkeypatch, {"portrait-prep": ("1", ["numpy>=2"]), "numpy": ("2.4.6", [])})
    assert doctor.check_packages() == Check(
        "packages", True, "numpy 2.4.6", "run 'make setup', or install again with '-c constraints.txt'"
    )


def test_the_build_of_onnx_runtime_with_cuda_takes_the_place_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = {"portrait-prep": ("1", ["onnxruntime>=1"]), "onnxruntime-gpu": ("1.31.1", ["protobuf>=5"])}
    Shelf(monkeypatch, shelf)
    assert list(machine.unmet("portrait-prep")) == ["protobuf is not installed, onnxruntime wants it"]
    Shelf(monkeypatch, shelf | {"protobuf": ("5", [])})
    assert doctor.check_packages().finding == "onnxruntime 1.31.1"


def test_running_without_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf(monkeypatch, {})
    assert "portrait-prep itself is not installed; run 'make setup'" in doctor.check_packages().line()


def test_two_opencvs_are_a_conflict_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf(monkeypatch, {"opencv-python": ("5", []), "opencv-contrib-python": ("5", [])})
    line = doctor.check_opencv().line()
    assert line.startswith("!!  opencv: opencv-contrib-python and opencv-python installed; keep one")
    Shelf(monkeypatch, {"opencv-contrib-python": ("5", [])})
    assert doctor.check_opencv().ok


def test_modules_that_do_not_load_or_kill_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fussy.py").write_text("raise ImportError('libGL.so.1: cannot open\\nshared object file')")
    (tmp_path / "deadly.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert machine.failing(["json", "fussy"], 60) == {"fussy": "libGL.so.1: cannot open shared object file"}
    assert machine.failing(["json", "deadly", "zlib"], 60) == {
        "deadly": "it ended the process with status -9",
        "zlib": "it was not reached",
    }


def test_modules_that_take_for_ever_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endless.py").write_text("import time; time.sleep(60)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "did not load" in next(iter(machine.failing(["endless"], 0.5).values()))


@pytest.mark.parametrize(
    ("version", "ok", "finding"),
    [
        ("2026.8.19", True, "2026.8.19, 90 days old"),
        ("2026.8.18", False, "2026.8.18, 91 days old"),
        ("2026.8.18.232815.dev0", False, "91 days old"),
        ("2026.11.18", True, "-1 days old"),
        ("2026.13.40", True, "2026.13.40"),
        ("3.0", True, "3.0"),
    ],
)
def test_a_ytdlp_of_another_season_is_to_be_updated(
    monkeypatch: pytest.MonkeyPatch, version: str, ok: bool, finding: str
) -> None:
    Shelf(monkeypatch, {"yt-dlp": (version, [])})
    check = doctor.check_ytdlp(date(2026, 11, 17))
    assert check.ok is ok
    assert check.finding.endswith(finding)
    assert not check.essential
    assert ("pip install --upgrade yt-dlp" in check.line()) is not ok


def test_a_missing_ytdlp_keeps_no_local_video_back(monkeypatch: pytest.MonkeyPatch) -> None:
    Shelf(monkeypatch, {})
    check = doctor.check_ytdlp(date(2026, 11, 17))
    assert "not installed" in check.finding
    assert not check.ok
    assert not check.essential


@pytest.mark.parametrize(
    ("program", "ok", "finding"),
    [
        (None, False, "no deno for yt-dlp: YouTube offers only some"),
        ("echo 'deno 2.9.8 (stable, release)'", True, "deno 2.9.8 at "),
        ("echo 'deno 1.46.3 (stable, release)'", False, "is too old for yt-dlp: YouTube offers only some"),
        ("exit 1", False, "no deno for yt-dlp"),
    ],
)
def test_a_javascript_runtime_is_one_that_ytdlp_itself_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str | None, ok: bool, finding: str
) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    if program:
        Path(script(tmp_path, program)).rename(tmp_path / "deno")
    check = doctor.check_javascript()
    assert check.ok is ok
    assert finding in check.finding
    assert not check.essential
    assert ("pip install yt-dlp[default,deno]" in check.line()) is not ok


def test_a_ytdlp_that_does_not_load_is_told_where_its_runtime_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    check = doctor.check_javascript()
    assert not check.ok
    assert "does not load" in check.finding


def test_the_runtime_is_the_one_that_ytdlp_takes_by_itself() -> None:
    with YoutubeDL({"quiet": True}) as client:
        assert list(client.params["js_runtimes"]) == [machine.RUNTIME]


def test_a_model_file_that_is_another_one_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name, model = next(iter(registry.MODELS.items()))
    (tmp_path / model.file).write_bytes(b"something else")
    monkeypatch.setenv(registry.FOLDERS_VARIABLE, str(tmp_path))
    check = {check.name: check for check in doctor.check_models()}[f"model {name}"]
    assert not check.ok
    assert check.essential
    assert "is not the registered" in check.finding
    assert "replace it" in check.advice


def test_a_workspace_that_cannot_be_written_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert doctor.check_workspace(tmp_path / "w").ok
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    check = doctor.check_workspace(tmp_path / "w")
    assert check.line() == (
        f"!!  workspace: {tmp_path} cannot be written to (Permission denied); mend its rights or name another with -w"
    )


@pytest.mark.parametrize(("free", "ok"), [(4 << 30, False), (6 << 30, True)])
def test_little_disk_space_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, ok: bool) -> None:
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    check = doctor.check_disk(tmp_path)
    assert check.ok is ok
    assert str(free) in check.finding
    assert not check.essential


def test_little_memory_advises_fewer_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_limit", lambda: 3 << 30)
    monkeypatch.setattr(machine, "core_limit", lambda: 8.0)
    assert "use --workers 3" in doctor.check_memory().line()
    monkeypatch.setattr(machine, "memory_limit", lambda: 8 << 30)
    assert doctor.check_memory().ok


@pytest.mark.parametrize(
    ("answer", "ok", "finding"),
    [
        ("echo 'NVIDIA H100, 81559 MiB'", True, "NVIDIA H100, 81559 MiB"),
        ("exit 9", False, "does not answer"),
        (None, True, "none found"),
    ],
)
def test_a_gpu_is_named_and_its_absence_is_fine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str | None, ok: bool, finding: str
) -> None:
    monkeypatch.setattr(doctor, "_gpu_can_be_used", lambda: True)
    monkeypatch.setattr("shutil.which", lambda _: script(tmp_path, answer) if answer else None)
    check = doctor.check_gpu()
    assert check.ok is ok
    assert finding in check.finding


def test_a_gpu_that_no_run_would_use_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda _: script(tmp_path, "echo 'NVIDIA H100, 81559 MiB'"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    check = doctor.check_gpu()
    assert not check.ok
    assert not check.essential
    assert "NVIDIA H100" in check.line()
    assert "CUDA_VISIBLE_DEVICES" in check.line()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def groups(tmp_path: Path) -> tuple[Path, Path]:
    """A root of control groups, and the file that says which one this process is in."""
    write(tmp_path / "self", "0::/slice/job\n")
    return tmp_path / "cgroup", tmp_path / "self"


@pytest.mark.parametrize(
    "where", ["memory.max", "slice/memory.max", "slice/job/memory.max", "memory/memory.limit_in_bytes"]
)
def test_memory_is_what_the_tightest_control_group_grants(groups: tuple[Path, Path], where: str) -> None:
    unlimited = machine.memory_limit(*groups)
    assert unlimited > 1 << 26
    write(groups[0] / "slice/memory.max", "max\n")
    write(groups[0] / where, f"{1 << 26}\n")
    assert machine.memory_limit(*groups) == 1 << 26


def test_a_limit_above_what_there_is_changes_nothing(groups: tuple[Path, Path]) -> None:
    unlimited = machine.memory_limit(*groups)
    write(groups[0] / "memory.max", f"{1 << 62}\n")
    assert machine.memory_limit(*groups) == unlimited


def quota_v2(root: Path) -> None:
    write(root / "slice/cpu.max", "50000 100000\n")
    write(root / "slice/job/cpu.max", "max 100000\n")


def quota_v1(root: Path) -> None:
    write(root / "cpu/cpu.cfs_quota_us", "50000\n")
    write(root / "cpu/cpu.cfs_period_us", "100000\n")


@pytest.mark.parametrize("limit", [quota_v2, quota_v1])
def test_cores_are_what_the_quota_grants(groups: tuple[Path, Path], limit: Callable[[Path], None]) -> None:
    assert machine.core_limit(*groups) >= 1
    limit(groups[0])
    assert machine.core_limit(*groups) == 0.5


def test_the_doctor_itself_loads_nothing_that_may_be_broken() -> None:
    wary = {"mediapipe", "cv2", "av", "numpy", "pyarrow", "yt_dlp"}
    code = f"import sys, portrait_prep.cli.doctor.checks; print(sorted({wary} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"

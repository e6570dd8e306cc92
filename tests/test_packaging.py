"""What a fresh clone promises: set-up by make, pinned versions, and a wheel that holds every room with its data."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")
STAGES = ("download", "normalize", "landmarks", "headpose", "torso", "speech", "stats")
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""sha256 of the licence as the Apache Software Foundation publishes it."""

BROUGHT = ("opencv-contrib-python", "imageio-ffmpeg", "pydantic-core")
"""What comes by way of mediapipe (only one OpenCV may be installed), of imageio[ffmpeg], and of pydantic, in the one
version that fits it."""

needs_make = pytest.mark.skipif(MAKE is None, reason="make is not installed")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def requirements() -> list[Requirement]:
    table = project()["project"]
    extras = [line for lines in table["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in (*table["dependencies"], *extras)]


def optional() -> list[str]:
    """What one may install besides, for some of the work."""
    extras = project()["project"]["optional-dependencies"]
    return [Requirement(line).name for name, lines in extras.items() if name != "dev" for line in lines]


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line), f"not a plain pin: {line}"
    assert lines == sorted(set(lines))
    return dict(line.split("==") for line in lines)


def data_files() -> list[Path]:
    rooms = [ROOT / name for name in project()["tool"]["importlinter"]["root_packages"]]
    files = [path.relative_to(ROOT) for room in rooms for path in room.rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]


def test_every_requirement_is_pinned_to_a_version_it_allows() -> None:
    pinned = pins()
    for requirement in requirements():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), requirement


def test_this_environment_is_the_pinned_one() -> None:
    installed = {canonicalize_name(found.name): found.version for found in metadata.distributions()}
    pinned = pins()
    public = {name: version.partition("+")[0] for name, version in installed.items()}
    differing = {name: version for name, version in public.items() if pinned.get(name, version) != version}
    assert not differing.keys() - {"setuptools", "pip"}
    assert all(canonicalize_name(r.name) in installed for r in requirements() if r.name not in optional())


def test_all_that_the_requirements_bring_is_pinned() -> None:
    known: set[tuple[str, str]] = set()
    waiting = [("portrait-prep", extra) for extra in ("", *project()["project"]["optional-dependencies"])]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in known and installed(name):
            known.add((name, extra))
            for line in metadata.requires(name) or ():
                requirement = Requirement(line)
                if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                    waiting += [(canonicalize_name(requirement.name), more) for more in ("", *requirement.extras)]
    brought = {name for name, _ in known} - {"portrait-prep"}
    assert len(brought) > len(requirements())
    assert not brought - pins().keys()


def installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def imported(source: str) -> set[str]:
    """Top-level names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(str(node.module))
    return {name.partition(".")[0] for name in names}


def test_what_the_rooms_import_is_required_by_name() -> None:
    rooms = project()["tool"]["importlinter"]["root_packages"]
    names = [Requirement(line).name for line in project()["project"]["dependencies"]]
    required = {canonicalize_name(name) for name in (*names, *optional(), *BROUGHT)}
    makers = metadata.packages_distributions()
    foreign = {name for room in rooms for path in (ROOT / room).rglob("*.py") for name in imported(path.read_text())}
    for name in foreign - set(sys.stdlib_module_names) - set(rooms):
        brought_by = {canonicalize_name(maker) for maker in makers.get(name, (name,))}
        assert required & brought_by, f"{name} is imported but not required"


def test_the_licence_is_the_whole_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert project()["project"]["license"] == "Apache-2.0"


def test_every_room_is_a_package_of_the_wheel() -> None:
    table = project()["tool"]
    included = table["setuptools"]["packages"]["find"]["include"]
    for room in table["importlinter"]["root_packages"]:
        assert (ROOT / room / "__init__.py").is_file()
        assert any(fnmatch(room, pattern) for pattern in included)
    for path in ROOT.rglob("*/__init__.py"):
        if path.parts[len(ROOT.parts)] in table["importlinter"]["root_packages"]:
            assert (path.parent.parent / "__init__.py").is_file() or path.parent.parent == ROOT


def test_every_data_file_of_a_room_is_in_the_wheel() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]["*"]
    for path in data_files():
        assert any(fnmatch(path.name, pattern) for pattern in patterns), path
        assert (ROOT / path.parent / "__init__.py").is_file(), f"{path} lies in a folder that is no package"


@pytest.mark.slow
def test_the_built_wheel_holds_the_rooms_their_data_and_the_command(tmp_path: Path) -> None:
    rooms, clean = project()["tool"]["importlinter"]["root_packages"], tmp_path / "clean"
    for room in rooms:
        shutil.copytree(ROOT / room, clean / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clean / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(clean)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith("entry_points.txt"))
        assert "portrait-prep = portrait_prep.pipeline.__main__:main" in archive.read(entry).decode()
    expected = {path.relative_to(ROOT).as_posix() for room in rooms for path in (ROOT / room).rglob("*.py")}
    assert expected | {path.as_posix() for path in data_files()} <= names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == set(rooms)


class Clone:
    """A folder that holds what make needs, and a PATH on which the only Pythons are pretended ones."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.log = root / "clone", root / "bin", root / "log"
        self.bin.mkdir()
        self.root.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in ("sh", "touch", "mkdir", "cp", "chmod", "echo"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def python(self, name: str, fit: bool) -> None:
        """Put a Python on the PATH that notes each call; `fit` says how it takes to being asked for its version."""
        script = self.bin / name
        script.write_text(
            f"""#!/bin/sh
case "$1 $2" in
-c*) exit {0 if fit else 1} ;;
--version*) echo "Python 3.11.0" ;;
"-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
esac
echo "{name} $*" >> "{self.log}"
"""
        )
        script.chmod(0o755)

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(MAKE), *words],
            cwd=self.root,
            env={"PATH": str(self.bin), "SHELL": "/bin/sh", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return calls


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@needs_make
@pytest.mark.parametrize("names", [(), ("python3",), ("python3", "python3.11", "python3.12")])
@pytest.mark.parametrize("target", ["setup", "demo", "test"])
def test_a_missing_or_unfit_python_is_one_sentence(clone: Clone, names: tuple[str, ...], target: str) -> None:
    for name in names:
        clone.python(name, fit=False)
    made = clone.make(target)
    assert made.returncode != 0
    assert not made.stdout
    sentence, of_make = made.stderr.splitlines()
    assert re.fullmatch(r"portrait-prep needs Python 3\.11 or 3\.12 .* install one .*\.", sentence)
    assert of_make.startswith("make: ***")
    assert not (clone.root / ".venv").exists()


@needs_make
def test_setup_takes_the_first_python_that_runs(clone: Clone) -> None:
    clone.python("python3.12", fit=False)  # a shim that leads nowhere
    clone.python("python3.11", fit=True)
    clone.python("python3", fit=True)
    assert clone.make("setup").returncode == 0
    asked, venv, pip = clone.calls()
    assert [asked, venv] == ["python3.11 --version", "python3.11 -m venv --clear .venv"]
    assert pip.startswith("python3.11 -m pip install ")
    assert pip.endswith(" -c constraints.txt -e .[torch,dev]")


@needs_make
def test_setup_is_done_once_and_again_when_the_pins_change(clone: Clone) -> None:
    clone.python("python3", fit=True)
    assert clone.make("setup").returncode == 0
    assert len(clone.calls()) == 3
    assert clone.make("setup").returncode == 0
    assert not clone.calls()
    for name in ("constraints.txt", "pyproject.toml"):
        os.utime(clone.root / name, (2**31 - 10, 2**31 - 10))
        assert clone.make("setup").returncode == 0
        (only,) = clone.calls()
        assert "pip install" in only  # into the .venv that is there
        os.utime(clone.root / name, (10, 10))


@needs_make
def test_a_named_python_is_taken_or_refused_and_never_swapped(clone: Clone) -> None:
    clone.python("python3", fit=True)
    clone.python("mine", fit=True)
    clone.python("old", fit=False)
    assert clone.make("setup", "PYTHON=old").returncode != 0
    assert clone.make("setup", "PYTHON=mine").returncode == 0
    assert {call.split()[0] for call in clone.calls()} == {"mine"}


@needs_make
def test_a_python_of_the_environment_is_only_tried_first(clone: Clone) -> None:
    clone.python("python3", fit=True)
    assert clone.make("setup", PYTHON="old").returncode == 0
    assert {call.split()[0] for call in clone.calls()} == {"python3"}


@needs_make
def test_help_is_the_default_and_names_every_target(clone: Clone) -> None:
    told = clone.make()
    assert told.returncode == 0
    assert told.stdout == clone.make("help").stdout
    words = set(re.findall(r"[\w-]+", told.stdout))
    assert {"demo", "test", "all", "status", "audit", "report", "resume", "bench", "lint", "setup", *STAGES} <= words
    assert not clone.calls()


@needs_make
@pytest.mark.parametrize(
    ("words", "command"),
    [
        *(((stage,), f'run {stage} -w "workspace"') for stage in STAGES),
        (("all",), 'run -w "workspace"'),
        (("resume", "W=a b"), 'run --retry-failed -w "a b"'),
        (("all", "WORKERS=2", "ARGS=--dry-run"), 'run -w "workspace" --workers 2 --dry-run'),
        (("demo", "W=/tmp/d"), 'demo -w "/tmp/d"'),
        (("status", "ARGS=--json"), 'status -w "workspace" --json'),
        (("audit",), 'audit -w "workspace"'),
        (("report",), 'report -w "workspace"'),
    ],
)
def test_targets_are_the_short_form_of_the_commands(clone: Clone, words: tuple[str, ...], command: str) -> None:
    last = clone.make("-n", *words).stdout.splitlines()[-1]
    assert " ".join(last.split()) == f".venv/bin/portrait-prep {command}"


@needs_make
def test_clean_spares_the_workspace_and_the_environment(clone: Clone) -> None:
    (clone.bin / "rm").symlink_to(str(shutil.which("rm")))
    (clone.bin / "find").symlink_to(str(shutil.which("find")))
    kept = [clone.root / path for path in ("workspace/__pycache__/x", ".venv/bin/python", "stages/a.py")]
    gone = [clone.root / path for path in (".mypy_cache/x", "stages/__pycache__/x", "build/x")]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for room in ("manifests", "pipeline", "views", "demo", "tests", "benchmarks"):
        (clone.root / room).mkdir(exist_ok=True)
    assert clone.make("clean").returncode == 0
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)

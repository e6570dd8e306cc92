"""What a fresh clone promises: set-up by make, pinned versions, and a wheel of one import name with all rooms' data."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from portrait_prep.stages.order import STAGES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "portrait_prep"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if path.is_symlink())
MAKE = shutil.which("make")
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


def packaged() -> list[Path]:
    """Every file below portrait_prep/, through its links to the rooms, relative to the project."""
    below = (Path(folder, name) for folder, _, names in os.walk(PACKAGE, followlinks=True) for name in names)
    return sorted(path.relative_to(ROOT) for path in below if "__pycache__" not in path.parts)


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
    names = [Requirement(line).name for line in project()["project"]["dependencies"]]
    required = {canonicalize_name(name) for name in (*names, *optional(), *BROUGHT)}
    makers = metadata.packages_distributions()
    foreign = {name for path in packaged() if path.suffix == ".py" for name in imported((ROOT / path).read_text())}
    for name in foreign - set(sys.stdlib_module_names) - {PACKAGE.name}:
        brought_by = {canonicalize_name(maker) for maker in makers.get(name, (name,))}
        assert required & brought_by, f"{name} is imported but not required"


def test_the_licence_is_the_whole_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert project()["project"]["license"] == "Apache-2.0"


def test_what_is_cited_is_this_version() -> None:
    cited = dict(re.findall(r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    assert cited["cff-version"] == "1.2.0"
    assert (cited["title"], cited["version"]) == (project()["project"]["name"], project()["project"]["version"])
    assert cited["license"] == project()["project"]["license"]


def test_the_one_import_name_links_every_room() -> None:
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {PACKAGE.name, "tests", "benchmarks"}
    links = {path.name: path.readlink() for path in PACKAGE.iterdir() if path.is_symlink()}
    assert links == {room: Path("..", room) for room in rooms}, "one of portrait_prep/<room> -> ../<room> is amiss"


def test_every_folder_of_a_room_is_a_package_and_its_data_are_declared() -> None:
    patterns = project()["tool"]["setuptools"]["package-data"]["*"]
    for path in packaged():
        assert (ROOT / path.parent / "__init__.py").is_file(), f"{path} lies in a folder that is no package"
        assert path.suffix == ".py" or any(fnmatch(path.name, pattern) for pattern in patterns), path
    assert (PACKAGE / "py.typed").is_file()


SCRIPT = """
import demo, manifests, pipeline, stages, views
import portrait_prep.views.moda
from portrait_prep.stages.order import STAGES

for module in (demo, manifests, pipeline, stages, views):
    print(module.MINE, module.__file__)
print(portrait_prep.views.moda.__file__)
print(*(stage.name for stage in STAGES))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel, built without what lies beside the rooms, is installed into."""
    clean, site = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("site")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clean)
    for room in (PACKAGE, *(ROOT / name for name in ROOMS)):
        shutil.copytree(room, clean / room.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(clean)]
    subprocess.run(command, check=True, capture_output=True)
    return site


@pytest.mark.slow
def test_an_installed_copy_is_one_package_with_all_its_data(site: Path) -> None:
    files = {path.relative_to(site) for path in site.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in files if path.parts[0] == PACKAGE.name} == set(packaged())
    (info,) = site.glob("*.dist-info")
    assert {path.parts[0] for path in files} == {PACKAGE.name, info.name, "bin"}


@pytest.mark.slow
def test_a_script_beside_modules_of_the_same_names_finds_its_own_and_ours(site: Path, tmp_path: Path) -> None:
    for name in ("demo", "manifests", "pipeline", "stages", "views"):
        (tmp_path / f"{name}.py").write_text(f"MINE = '{name}'\n")
    (tmp_path / "train.py").write_text(SCRIPT)

    def said(*command: str | Path) -> str:
        environment = os.environ | {"PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    *own, ours, names = said(sys.executable, "train.py").splitlines()
    assert own == [f"{name} {tmp_path / name}.py" for name in ("demo", "manifests", "pipeline", "stages", "views")]
    assert Path(ours).is_relative_to(site)
    assert names.split() == [stage.name for stage in STAGES]
    helped = said(sys.executable, "-m", "portrait_prep", "--help")
    assert "Bring stages up to date" in helped
    assert said(sys.executable, site / "bin/portrait-prep", "--help") == helped


class Clone:
    """A folder that holds what make needs, and a PATH on which the only Pythons are pretended ones."""

    def __init__(self, root: Path) -> None:
        self.root, self.bin, self.log = root / "clone", root / "bin", root / "log"
        self.bin.mkdir()
        self.root.mkdir()
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "stages/order.py"):
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        shutil.copytree(PACKAGE, self.root / PACKAGE.name, symlinks=True)
        for tool in ("sh", "touch", "mkdir", "cp", "chmod", "echo", "sed"):
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
    asked, venv, pip, _ = clone.calls()
    assert [asked, venv] == ["python3.11 --version", "python3.11 -m venv --clear .venv"]
    assert pip.startswith("python3.11 -m pip install ")
    assert pip.endswith(" -c constraints.txt -e .[torch,dev]")


@needs_make
def test_setup_is_done_once_and_again_when_the_pins_change(clone: Clone) -> None:
    clone.python("python3", fit=True)
    assert clone.make("setup").returncode == 0
    assert len(clone.calls()) == 4
    assert clone.make("setup").returncode == 0
    assert not clone.calls()
    for name in ("constraints.txt", "pyproject.toml"):
        os.utime(clone.root / name, (2**31 - 10, 2**31 - 10))
        assert clone.make("setup").returncode == 0
        pip, compiled = clone.calls()
        assert "pip install" in pip  # into the .venv that is there
        assert "compileall" in compiled
        os.utime(clone.root / name, (10, 10))


@needs_make
@pytest.mark.parametrize("target", ["status", "list", "audit", "report"])
def test_what_only_reads_installs_no_pytorch_and_says_what_it_installs(clone: Clone, target: str) -> None:
    clone.python("python3", fit=True)
    made = clone.make(target)  # the command itself is not there: nothing was installed in truth
    assert re.search(r"^Installing portrait-prep without PyTorch \(.+ GB\) .*\.$", made.stderr, re.MULTILINE)
    assert not made.stdout
    *_, pip, _ = clone.calls()
    assert pip.endswith(" -c constraints.txt -e .")


@needs_make
def test_what_runs_and_tests_installs_everything_and_reading_nothing_more(clone: Clone) -> None:
    clone.python("python3", fit=True)
    assert "PyTorch" in clone.make("demo").stderr
    *_, pip, compiled = clone.calls()
    assert pip.endswith(" -c constraints.txt -e .[torch,dev]")
    assert "compileall" in compiled
    assert "Installing" not in clone.make("status").stderr
    assert not clone.calls()


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
    assert {
        "demo",
        "test",
        "all",
        "status",
        "list",
        "audit",
        "report",
        "resume",
        "coverage",
        "bench",
        "lint",
        "setup",
    } <= words
    assert f"one stage: make {' '.join(stage.name for stage in STAGES)}\n" in told.stdout
    assert not clone.calls()


@needs_make
def test_a_stage_is_a_target_as_soon_as_it_is_in_the_order(clone: Clone) -> None:
    order = clone.root / "stages/order.py"
    order.write_text(order.read_text().replace("    stats.STAGE,\n", "    gaze_2d.STAGE,  # new\n    stats.STAGE,\n"))
    assert clone.make("-n", "gaze_2d").stdout.split()[-4:-2] == ["run", "gaze_2d"]


@needs_make
@pytest.mark.parametrize(
    ("words", "command"),
    [
        *(((stage.name,), f'run {stage.name} -w "workspace"') for stage in STAGES),
        (("all",), 'run -w "workspace"'),
        (("resume", "W=a b"), 'run --retry-failed -w "a b"'),
        (("all", "WORKERS=2", "ARGS=--dry-run"), 'run -w "workspace" --workers 2 --dry-run'),
        (("demo", "W=/tmp/d"), 'demo -w "/tmp/d"'),
        (("status", "ARGS=--json"), 'status -w "workspace" --json'),
        (("audit",), 'audit -w "workspace"'),
        (("list", "ARGS=--rejected"), 'list -w "workspace" --rejected'),
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
    caches = [f"{folder}/__pycache__/x" for folder in (*ROOMS, "portrait_prep", "tests/media")]
    gone = [clone.root / path for path in (".mypy_cache/x", "build/x", *caches)]
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for room in (*ROOMS, "tests", "benchmarks"):
        (clone.root / room).mkdir(exist_ok=True)
    assert clone.make("clean").returncode == 0
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)

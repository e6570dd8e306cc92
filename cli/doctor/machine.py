"""What the doctor asks of this machine: its limits, what is installed and loads, and what yt-dlp reads pages with."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from portrait_prep.pipeline.run.examiner import distribution_of

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")

LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    print(name, end="\\t", flush=True)
    try:
        importlib.import_module(name)
    except BaseException as error:
        print(" ".join(str(error).split()) or type(error).__name__, flush=True)
    else:
        print(flush=True)
"""
"""Says `name TAB error` of each module; a line that does not end is one whose module ended the process."""

RUNTIME = "deno"
"""The only runtime that yt-dlp looks for by itself: it alone keeps a page's programs from the disk."""


def core_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> float:
    """Cores that may be busy at once: the affinity of this process or the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(cores), *_quotas(cgroups, membership)])


def _quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    for folder in _folders(cgroups, membership):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            yield int(quota) / int(period)
    quota, period = (_text(cgroups / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit():
        yield int(quota) / int(period)


def memory_limit(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Bytes of memory that this process and its workers may take together."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    files = [folder / "memory.max" for folder in _folders(cgroups, membership)]
    texts = [_text(path) for path in (*files, cgroups / "memory" / "memory.limit_in_bytes")]
    return min([physical, *(int(text) for text in texts if text.isdigit())])


def _folders(cgroups: Path, membership: Path) -> list[Path]:
    """The folder of this process's control group and those above it; each of them limits."""
    own = next((line[3:] for line in _text(membership).splitlines() if line.startswith("0::")), "/")
    inner = cgroups / own.strip("/")
    return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def unmet(distribution: str) -> Iterator[str]:
    """Requirements of a distribution, and of what it brings, that are not fulfilled, each in words.

    Raises PackageNotFoundError when the distribution itself is not installed.
    """
    waiting = [(distribution, frozenset[str]())]
    known = set(waiting)
    while waiting:
        parent, extras = waiting.pop()
        for requirement in _requirements(parent, extras):
            name = canonicalize_name(requirement.name)
            found = version_of(name)
            if found is None:
                yield f"{name} is not installed, {parent} wants it"
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                yield f"{name} is {found}, {parent} wants {requirement.specifier}"
            node = name, frozenset(requirement.extras)
            if node not in known:
                known.add(node)
                waiting.append(node)


def installed(distribution: str) -> list[str]:
    """`name version` of what a distribution asks for itself and is there."""
    names = [requirement.name for requirement in _requirements(distribution, frozenset())]
    return [f"{name} {version}" for name in names if (version := version_of(name))]


def among(names: Sequence[str]) -> list[str]:
    """Those that are installed."""
    return [name for name in names if version_of(name)]


def version_of(distribution: str) -> str | None:
    """The version of a distribution; None where it is not installed."""
    try:
        return metadata.version(distribution_of(distribution))
    except metadata.PackageNotFoundError:
        return None


def _requirements(distribution: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in metadata.requires(distribution_of(distribution)) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def failing(modules: Sequence[str], seconds: float) -> dict[str, str]:
    """Module -> why it cannot be imported. Asks a process of its own, which a broken library may take down."""
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", LOAD, *modules], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"they": f"did not load within {seconds:.0f} s"}
    errors = dict.fromkeys(modules, "it was not reached")
    for line in asked.stdout.splitlines():
        name, tab, error = line.partition("\t")
        if tab and name in errors:
            errors[name] = error
    if asked.returncode:
        last = asked.stdout.rpartition("\n")[2].partition("\t")[0]
        errors[last or modules[0]] = f"it ended the process with status {asked.returncode}"
    return {name: error for name, error in errors.items() if error}


def release_age(version: str, today: date) -> int | None:
    """Days since a version of yt-dlp came out: each is named by its day, `2026.8.19`. None where it is not."""
    try:
        return (today - date(*Version(version).release[:3])).days
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Runtime:
    """A JavaScript runtime as yt-dlp found it; `fit` where its version is one that yt-dlp takes."""

    version: str
    path: str
    fit: bool


def javascript_runtime() -> Runtime | None:
    """The runtime that yt-dlp would run a page's programs with; it looks in the environment, then on the PATH.

    Raises ImportError where yt-dlp does not load, or is one that does not know of runtimes.
    """
    import yt_dlp  # noqa: F401, PLC0415  it may be missing; it registers the runtimes
    from yt_dlp.globals import supported_js_runtimes  # noqa: PLC0415

    found = supported_js_runtimes.value[RUNTIME]().info
    return Runtime(found.version, found.path, found.supported) if found else None

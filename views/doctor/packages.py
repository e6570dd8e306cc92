"""What is installed against what is wanted, and whether it loads."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

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
            found = _version(name)
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
    found = [(requirement.name, _version(requirement.name)) for requirement in _requirements(distribution, frozenset())]
    return [f"{name} {version}" for name, version in found if version]


def among(names: Sequence[str]) -> list[str]:
    """Those that are installed."""
    return [name for name in names if _version(name)]


def _requirements(distribution: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in metadata.requires(distribution) or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def failing(modules: Sequence[str], seconds: float) -> dict[str, str]:
    """Module -> why it cannot be imported. Asks a process of its own, which a broken library may take down."""
    try:
        asked = subprocess.run(  # noqa: S603
            [sys.executable, "-c", LOAD, *modules], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return {"they": f"did not load within {seconds:.0f} s"}
    told = dict.fromkeys(modules, "it was not reached")
    for line in asked.stdout.splitlines():
        name, tab, error = line.partition("\t")
        if tab and name in told:
            told[name] = error
    if asked.returncode:
        last = asked.stdout.rpartition("\n")[2].partition("\t")[0]
        told[last or modules[0]] = f"it ended the process with status {asked.returncode}"
    return {name: error for name, error in told.items() if error}

"""What a worker must have in common with this process: versions of packages, and folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

WITHOUT_EFFECT_ON_VALUES = frozenset(
    {
        *("cyclopts", "dask", "distributed", "filelock", "jinja2", "packaging"),
        *("requests", "tomlkit", "tqdm", "urllib3", "yt-dlp"),
    }
)
"""Packages whose version changes no value in a table: workers may have others."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a worker: the versions of `packages` that this process has, and its access to `folders`."""

    packages: Sequence[str] = ()
    folders: Sequence[Path] = ()


def packages_of_values() -> list[str]:
    """The packages that portrait-prep depends on and whose versions can change values."""
    from packaging.requirements import Requirement  # noqa: PLC0415 (slow to load, and not needed to look)

    try:
        needed = [Requirement(line) for line in requires("portrait-prep") or ()]
    except PackageNotFoundError:
        return []
    return [
        one.name
        for one in needed
        if one.name not in WITHOUT_EFFECT_ON_VALUES and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]

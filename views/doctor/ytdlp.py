"""What yt-dlp is given to read pages with: its own age, and a JavaScript runtime."""

from dataclasses import dataclass
from datetime import date
from importlib import metadata

from packaging.version import Version

DISTRIBUTION = "yt-dlp"
RUNTIME = "deno"
"""The only runtime that yt-dlp looks for unless told otherwise: it alone keeps a page's programs from the disk."""


@dataclass(frozen=True)
class Runtime:
    """A JavaScript runtime as yt-dlp found it; `fit` where its version is one that yt-dlp takes."""

    version: str
    path: str
    fit: bool


def version() -> str | None:
    """Of the installed yt-dlp, if any."""
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def age(version: str, today: date) -> int | None:
    """Days since a version came out: each is named by its day, `2026.8.19`. None where it is not."""
    try:
        return (today - date(*Version(version).release[:3])).days
    except (ValueError, TypeError):
        return None


def runtime() -> Runtime | None:
    """The runtime that yt-dlp would run a page's programs with; it looks in the environment, then on the PATH.

    Raises ImportError where yt-dlp does not load, or is one that does not know of runtimes.
    """
    import yt_dlp  # noqa: F401, PLC0415  it may be missing; it registers the runtimes
    from yt_dlp.globals import supported_js_runtimes  # noqa: PLC0415

    found = supported_js_runtimes.value[RUNTIME]().info
    return Runtime(found.version, found.path, found.supported) if found else None

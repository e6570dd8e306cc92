"""Files below a folder: those that end like a video, and those that do not and are left out."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from portrait_prep.errors import BadInput

SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".mp4v", ".mov", ".qt", ".f4v", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".divx", ".xvid"),
        *(".flv", ".wmv", ".asf", ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".m2t", ".mxf"),
        *(".ogv", ".ogm", ".dv", ".rmvb", ".tod", ".nut", ".mjpg", ".mjpeg", ".ivf", ".h264", ".h265", ".hevc"),
        *(".wtv", ".gxf", ".y4m", ".ismv"),
    )
)
"""What counts as a video, by its suffix in lower case."""

PERHAPS = frozenset({".ogg", ".mod", ".rm", ".dat"})
"""Suffixes of videos and of other things: what FFmpeg reads as a video is taken for one."""

WORKSPACE = "catalogue.parquet"
OWN_FOLDERS = frozenset({"media", "sources", "report", "manifests"})
"""Where a folder is itself a workspace, these hold what was made from videos, not videos to start from."""


@dataclass(frozen=True)
class Search:
    """What lies below `root`, as paths relative to it, in order.

    `files` have one of the suffixes that were asked for and `others` do not, but for what is a workspace's own;
    `closed` are folders that may not be listed.
    """

    root: Path
    files: tuple[Path, ...]
    others: tuple[Path, ...]
    closed: tuple[Path, ...]


def search(source: Path, suffixes: Collection[str] | None = None) -> Search:
    """Search a folder and those in it for files of these suffixes (of any, without); hidden ones are passed over.

    Links to folders are followed once. A link to a file that is gone counts: what was expected there must be missed.
    Raises BadInput when the folder cannot be listed.
    """
    root = _checked(source)
    closed: list[Path] = []
    found = list(_walk(root, closed))
    sought = {path for path, _ in found if suffixes is None or path.suffix.lower() in suffixes}
    others = [path for path, foreign in found if foreign and path not in sought]
    return Search(root, _ordered(sought), _ordered(others), _ordered(closed))


def videos_below(source: Path) -> list[Path]:
    """True paths of the videos below a folder, in order. Raises BadInput when it cannot be listed."""
    return files_below(source, SUFFIXES)


def files_below(source: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """The same of the files that end in one of `suffixes`, which are in lower case; of all files without."""
    found = search(source, suffixes)
    return [found.root / file for file in found.files]


def _checked(source: Path) -> Path:
    """The folder's true path. Raises BadInput where it is none that can be listed."""
    try:
        source.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"There is no folder {source}: give the path of one that holds videos.") from error
    except OSError as error:
        raise BadInput(f"The folder {source} cannot be read ({error.strerror}): give another, or mend that.") from error
    if not source.is_dir():
        raise BadInput(f"{source} is a file: give the folder it lies in.")
    if not os.access(source, os.R_OK | os.X_OK):
        raise BadInput(f"The folder {source} may not be read: its permissions forbid it.")
    return source.resolve()


def _walk(root: Path, closed: list[Path]) -> Iterator[tuple[Path, bool]]:
    """Each file below `root`, and whether it is foreign: not what a workspace keeps beside its videos.

    Notes in `closed` the folders that could not be listed.
    """

    def refused(error: OSError) -> None:
        closed.append(Path(error.filename).relative_to(root))

    seen: set[str] = set()
    workspaces: set[Path] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=refused):
        real, here = os.path.realpath(folder), Path(folder)
        if WORKSPACE in names:
            workspaces.add(here)
        own = OWN_FOLDERS if WORKSPACE in names else frozenset[str]()
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "." and name not in own]
        foreign = workspaces.isdisjoint((here, *here.parents))
        for name in names if real not in seen else ():
            if name[0] != "." and _is_file(here / name):
                yield (here / name).relative_to(root), foreign
        seen.add(real)


def _is_file(path: Path) -> bool:
    """Whether it is a file or a link, or may be one that nobody may look at; pipes and devices are none."""
    try:
        return path.is_file() or path.is_symlink()
    except OSError:
        return True


def _ordered(paths: Collection[Path]) -> tuple[Path, ...]:
    return tuple(sorted(paths, key=os.fsencode))

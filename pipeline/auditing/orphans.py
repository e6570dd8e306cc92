"""Every file of the workspace is accounted for."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from manifests.atomic import TEMPORARY
from pipeline.auditing.finding import Finding, found
from pipeline.workspace import LOCK, Workspace

OWN_FOLDERS = ("media", "manifests", "report")
"""Folders that the pipeline alone writes into, besides those of the stages."""

REPORT = "report/index.html"
OVERLAY = "report/overlay/{}.mp4"


def examine_files(
    workspace: Workspace, stages: Iterable[str], known: Collection[str], ids: Collection[str]
) -> Iterator[Finding]:
    """Look for files that nothing accounts for, and for what a killed run left.

    `known` are the files that are accounted for, relative to the workspace, `ids` the catalogue's videos. What else
    lies in `sources/`, in `models/`, or in folders of their own beside them is the user's.
    """
    own = ("pipeline.toml", "catalogue.parquet", "manifests.parquet", "reviews.jsonl", LOCK)
    for path in workspace.stray():
        yield found("temporary", workspace.relative(path))
    for path in _files(workspace.root.iterdir()):
        if path.name not in own:
            yield found("stranger", path.name)
    pages = {REPORT, *(OVERLAY.format(video_id) for video_id in ids)}
    for folder in (*stages, *OWN_FOLDERS):
        for path in _files((workspace.root / folder).rglob("*")):
            name = workspace.relative(path)
            if name not in known and name not in pages:
                yield found("orphan", name)
    for path in _links(workspace.sources):
        if not _is_of_some(path.name, ids):
            yield found("orphan", workspace.relative(path))


def _files(paths: Iterable[Path]) -> list[Path]:
    """Files and links, by name; temporary ones are told elsewhere."""
    return sorted(
        path for path in paths if (path.is_symlink() or not path.is_dir()) and not path.name.startswith(TEMPORARY)
    )


def _links(folder: Path) -> list[Path]:
    """The links by which sources are read; other files there were fetched, or are the user's."""
    return [path for path in _files(folder.iterdir()) if path.is_symlink()] if folder.is_dir() else []


def _is_of_some(name: str, ids: Collection[str]) -> bool:
    """Whether a file is called after one of the videos: its id, and a dot."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in ids for count in range(1, len(parts)))

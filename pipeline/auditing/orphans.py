"""Every file of the workspace is accounted for."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from portrait_prep.manifests.files import is_temporary
from portrait_prep.manifests.ids import ids_in
from portrait_prep.manifests.plain_files import real_path
from portrait_prep.manifests.video import Video, path_of
from portrait_prep.pipeline.auditing.finding import Finding, found
from portrait_prep.pipeline.declare.inner_sources import sources_below
from portrait_prep.pipeline.declare.workspace import OWN_FILES, OWN_FOLDERS, Workspace

REPORT = "report/index.html"
TABLE = ".csv"
"""Ending of the user's tables for `assign`, which may lie in the workspace's root."""
OVERLAY = "report/overlay/{}.mp4"


def examine_files(
    workspace: Workspace,
    folders: Iterable[str],
    known: Collection[str],
    videos: Mapping[str, Video],
    gone: Collection[str] = (),
) -> Iterator[Finding]:
    """Look for files that nothing accounts for, and for what a killed run left.

    `known` are the files that are accounted for, relative to the workspace; and so are those of videos that are `gone`.
    Nothing else may lie in `folders`.
    What lies in `models/`, in folders below `sources/`, or in folders of other names, is the user's.
    """
    for path in workspace.leftovers():
        yield found("temporary", workspace.relative(path))
    for path in _files(workspace.root.iterdir()):
        if path.name not in OWN_FILES and path.suffix != TABLE and not path.is_dir() and not path.name.startswith("."):
            yield found("stranger", path.name)
    pages = {REPORT, *(OVERLAY.format(video_id) for video_id in (*videos, *gone))}
    unknown = []
    for folder in (*folders, *OWN_FOLDERS):
        names = [workspace.relative(path) for path in _files(_below(workspace.root / folder))]
        unknown += [name for name in names if name not in known and name not in pages]
    if unknown:
        sources = {path for _, path in sources_below(workspace.root, workspace, videos.values())}
        yield from (found("orphan", name) for name in unknown if real_path(workspace.root / name) not in sources)
    yield from _examine_sources(workspace, videos, gone)


def _examine_sources(workspace: Workspace, videos: Mapping[str, Video], gone: Collection[str]) -> Iterator[Finding]:
    """Links are of some video, and to what was fetched leads a link; hidden files are those of transfers.

    Where the catalogue names files of this very folder, it is the user's, who may keep anything there.
    """
    if workspace.sources.is_symlink() or not workspace.sources.is_dir():
        return
    files = _files(workspace.sources.iterdir())
    links = [path for path in files if path.is_symlink()]
    for path in links:
        if not any(name in videos or name in gone for name in ids_in(path.name)):
            yield found("orphan", workspace.relative(path))
    if any(path_of(video.source).parent == workspace.sources for video in videos.values() if not video.remote):
        return
    used = {path.readlink().name for path in links}
    for path in files:
        if path not in links and path.name not in used and not path.name.startswith("."):
            yield found("unused source", workspace.relative(path))


def _below(folder: Path) -> Iterator[Path]:
    """Everything in a folder, and in those within; nothing that lies behind a link."""
    return iter(()) if folder.is_symlink() else folder.rglob("*")


def _files(paths: Iterable[Path]) -> list[Path]:
    """Files and links, by name; temporary ones are named elsewhere."""
    return sorted(path for path in paths if (path.is_symlink() or not path.is_dir()) and not is_temporary(path.name))

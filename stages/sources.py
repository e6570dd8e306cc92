"""Where the source of a video lies, and under which safe name of the workspace its picture and its sound are read.

`sources/<video_id>.<suffix>` is a link: to the user's own file, or to what was fetched, which lies beside it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portrait_prep.errors import BadInput, Damaged, SourceAway
from portrait_prep.manifests.files import temporary_beside
from portrait_prep.manifests.ids import SOUND, ids_in
from portrait_prep.manifests.video import Video, file_of, is_address, path_of
from portrait_prep.pipeline.declare.stage import Job
from portrait_prep.pipeline.declare.workspace import Workspace


def local(root: Path, source: str) -> Path:
    """The file that the catalogue of the workspace at `root` names."""
    return root / path_of(source)


def writable(sources: Path) -> Path:
    """The folder of downloads and links, once it may be written into. Raises as `Workspace.folder` does."""
    return Workspace(sources.parent).folder(sources.name)


def facts(video: Video) -> Mapping[str, Any] | None:
    """Size and time of change of the user's own files, so that a changed one is noticed; None while one is away."""
    found: dict[str, Any] = {}
    for prefix, source in (("", video.source), ("sound_", video.sound)):
        if source is None or is_address(source):
            continue
        try:
            stat = os.stat(file_of(source))  # noqa: PTH116 (very many are looked at)
        except (OSError, ValueError):  # the latter: it cannot be a name
            return None
        found |= {f"{prefix}bytes": stat.st_size, f"{prefix}mtime_ns": stat.st_mtime_ns}
    return found


def link_name(video: Video, file: Path, sound: bool = False) -> str:
    """The name of the link to `file`: some programs refuse names that are not UTF-8, so it is of the video's id."""
    return f"{video.video_id}{SOUND if sound else ''}{file.suffix.lower()}"


def link(target: Path, name: Path) -> None:
    """Make `name` a symbolic link to `target`; a link that points elsewhere is replaced, all at once.

    A file that lies there is its user's: where it is the target itself, there is nothing to link. Raises BadInput where
    it is another one.
    """
    if leads_to(name, target):
        return
    if name.exists() and not name.is_symlink():
        raise BadInput(f"{name} lies where the link to {target} belongs: move it elsewhere and run again.")
    writable(name.parent)
    temporary = temporary_beside(name)
    temporary.symlink_to(_written(name, target))
    temporary.replace(name)


def leads_to(name: Path, target: Path) -> bool:
    """Whether `name` is the symbolic link to `target` that `link` makes, or is `target` itself."""
    if name.is_symlink() and name.readlink() == _written(name, target):
        return True
    try:
        return name.samefile(target)
    except OSError:
        return False


def _written(name: Path, target: Path) -> Path:
    """What the link says: within one folder only a name, so that a workspace can be moved."""
    target = target.absolute()
    return Path(target.name) if target.parent == name.parent.absolute() else target


def here(workspace: Workspace, videos: Iterable[Video]) -> Iterator[Video]:
    """The videos for which nothing has to be fetched: their files are the user's, or came before."""
    folder = workspace.sources
    linked = {name for path in folder.iterdir() for name in ids_in(path.name)} if folder.is_dir() else set[str]()
    for video in videos:
        if not video.fetched or video.video_id in linked:
            yield video


def require(job: Job[Any]) -> None:
    """Raise SourceAway while a file of the user's is not there: that does not make it a bad video."""
    for source in _own(job):
        try:
            source.stat()
        except FileNotFoundError as error:
            raise SourceAway(f"{source} is not there: bring it back (is its disk mounted?) and run again.") from error


def _own(job: Job[Any]) -> Iterator[Path]:
    for source in (job.video.source, job.video.sound):
        if source is not None and not is_address(source):
            yield local(job.sources.parent, source)


@dataclass(frozen=True)
class SourceFile:
    """A file to read from: its path, and its `name` as its user knows it."""

    path: Path
    name: str


def picture_file(job: Job[Any]) -> SourceFile:
    """The file to read the picture from. Raises Damaged where it was fetched and is gone."""
    return SourceFile(_readable(job, job.video.source, "file"), job.source.name)


def sound_file(job: Job[Any]) -> SourceFile | None:
    """The file to read the sound from; None where that is the picture's own. Raises Damaged as `picture_file` does."""
    sound = job.video.sound
    return None if sound is None else SourceFile(_readable(job, sound, "sound_file"), path_of(sound).name)


def _readable(job: Job[Any], source: str, column: str) -> Path:
    """The link that `download` made, while it leads there."""
    if is_address(source):
        (name,) = (value for batch in job.read(f"download.{column}") for value in batch[column])
        path = job.sources / Path(name).name
        if not path.is_file():
            raise Damaged(f"{path} is gone: run again, and it is fetched once more.")
        return path
    own = local(job.sources.parent, source)
    path = job.sources / link_name(job.video, own, sound=column == "sound_file")
    return path if leads_to(path, own) else own

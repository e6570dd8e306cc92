"""Stage `download`: the source is there, readable, and known by its bytes."""

import errno
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import numpy as np

from manifests.atomic import temporary_beside
from manifests.catalogue import Video
from manifests.errors import SourceAway
from manifests.record import Record
from pipeline.stage import BadVideo, Batch, Column, Job, Params, Stage
from pipeline.workspace import Workspace

CHUNK = 1 << 20

PERMANENT = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist: a part of its path is no folder",
    errno.ELOOP: "is a link that leads back to itself",
    errno.ENAMETOOLONG: "has a longer name than this system can read",
    errno.EACCES: "may not be read: its permissions forbid it",
    errno.EPERM: "may not be read: its permissions forbid it",
}
"""What the system says of a source that no retry will mend; all else (a disk that fails, a server that is away) may."""


class DownloadParams(Params):
    """Nothing to set: videos of a folder are where they are."""


def source_facts(video: Video) -> Mapping[str, Any] | None:
    """Size and time of change of the source, so that a changed one is noticed; None when it is not there."""
    if video.remote:
        return None
    try:
        stat = video.path.stat()
    except OSError:
        return None
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def process(job: Job[DownloadParams]) -> Iterator[Batch]:
    """Verify the source and link it into the workspace's sources. Raises BadVideo when it cannot be had."""
    if job.video.remote:
        raise BadVideo(
            f"{job.video.source} is not downloaded: run 'portrait-prep init {job.video.corpus}' with a --source DIR "
            "that holds its file"
        )
    size, digest = read_through(job.source)
    link(job.source, link_of(job))
    job.metrics |= {"bytes": size, "sha256": digest}
    yield {
        "source": np.array([job.video.source], object),
        "bytes": np.array([size], np.int64),
        "sha256": np.array([digest], object),
    }


def link_of(job: Job[Any]) -> Path:
    """The source under a safe name, `sources/<video_id>.<suffix>`: some programs refuse names that are not UTF-8."""
    return _link_of(job.sources, job.video, job.source)


def _link_of(sources: Path, video: Video, source: Path) -> Path:
    return sources / f"{video.video_id}{source.suffix.lower()}"


def readable(job: Job[Any]) -> Path:
    """Under which name to read the source: the safe link that `download` made, while it leads there."""
    name = link_of(job)
    return name if leads_to(name, job.source) else job.source


def leads_to(name: Path, source: Path) -> bool:
    """Whether `name` is the symbolic link to `source` that `link` makes."""
    return name.is_symlink() and name.readlink() == source.absolute()


def require(source: Path) -> None:
    """Raise SourceAway while the source is not there: that does not make it a bad video."""
    try:
        source.stat()
    except FileNotFoundError as error:
        raise SourceAway(f"{source} is not there: bring it back (is its disk mounted?) and run again.") from error


def read_through(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file.

    Raises BadVideo when it is missing, no file, or not ours to read; OSError when reading fails and may not next time.
    """
    digest, size = hashlib.sha256(), 0
    try:
        _check_kind(path)
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        if error.errno not in PERMANENT:
            raise
        raise BadVideo(f"{path} {PERMANENT[error.errno]}") from error
    return size, digest.hexdigest()


def _check_kind(path: Path) -> None:
    """Only what has an end can be read to it: pipes and devices wait, or go on for ever."""
    mode = path.stat().st_mode
    if S_ISDIR(mode):
        raise BadVideo(f"{path} is a folder, not a video")
    if not S_ISREG(mode):
        raise BadVideo(f"{path} is a pipe or device, not a video")


def link(source: Path, name: Path) -> None:
    """Make `name` a symbolic link to `source`; a link that points elsewhere is replaced, all at once."""
    target = source.absolute()
    if leads_to(name, source):
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(name)
    temporary.symlink_to(target)
    temporary.replace(name)


def proof(workspace: Workspace, video: Video, record: Record) -> Iterator[tuple[str, str]]:
    """Read the source again: the bytes must be those that were read then. And the link must still lead to it."""
    source = workspace.root / video.path
    try:
        if read_through(source)[1] != record.metrics["sha256"]:
            yield f"the source {source} is no longer what it was", "touch it, so that it is read anew, and run again"
    except (BadVideo, OSError) as error:
        yield f"the source cannot be read again ({error})", "bring it back, or accept that it cannot be proved"
    name = _link_of(workspace.sources, video, source)
    if not leads_to(name, source):
        yield f"sources/{name.name} does not lead to {source}", "delete this shard's file and run again"


STAGE = Stage(
    name="download",
    version=1,
    params=DownloadParams,
    columns=(
        Column("source", "str", meaning="where the video comes from, as in the catalogue"),
        Column("bytes", "int64", unit="B", meaning="size of the source"),
        Column("sha256", "str", meaning="sha256 of the source, hexadecimal"),
    ),
    process=process,
    rows="video",
    catalogue=("source",),
    outside=source_facts,
    proof=proof,
)

"""Stage `download`: the source is there, readable, and known by its bytes."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from manifests.atomic import temporary_beside
from manifests.catalogue import Video
from manifests.record import Record
from pipeline.stage import BadVideo, Batch, Column, Job, Params, Stage

CHUNK = 1 << 20


class DownloadParams(Params):
    """Nothing to set: videos of a folder are where they are."""


def source_facts(video: Video) -> Mapping[str, Any] | None:
    """Size and time of change of the source, so that a changed one is noticed; None when it is not there."""
    try:
        stat = video.path.stat()
    except OSError:
        return None
    return {"bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def process(job: Job[DownloadParams]) -> Iterator[Batch]:
    """Verify the source and link it into the workspace's sources. Raises BadVideo when it cannot be had."""
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
    return job.sources / f"{job.video.video_id}{job.source.suffix.lower()}"


def readable(job: Job[Any]) -> Path:
    """Under which name to read the source: the safe link where `download` made one."""
    name = link_of(job)
    return name if name.exists() else job.source


def read_through(path: Path) -> tuple[int, str]:
    """Bytes and sha256 of a file. Raises BadVideo when it is missing, no file, or not ours to read."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                digest.update(block)
                size += len(block)
    except FileNotFoundError as error:
        raise BadVideo(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise BadVideo(f"{path} is a folder, not a video") from error
    except PermissionError as error:
        raise BadVideo(f"{path} may not be read: its permissions forbid it") from error
    return size, digest.hexdigest()


def link(source: Path, name: Path) -> None:
    """Make `name` a symbolic link to `source`; a link that points elsewhere is replaced, all at once."""
    target = source.absolute()
    if name.is_symlink() and name.readlink() == target:
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(name)
    temporary.symlink_to(target)
    temporary.replace(name)


def proof(video: Video, record: Record, _: Callable[[str], Path]) -> Iterator[str]:
    """Read the source again: the bytes must be those that were read then."""
    try:
        digest = read_through(video.path)[1]
    except BadVideo as error:
        yield f"the source cannot be read again: {error}"
        return
    if digest != record.metrics["sha256"]:
        yield f"the source {video.path} is no longer what it was"


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
